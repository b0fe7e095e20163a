"""`python -m deploy`: what a team made of an overlay is checked, and what they lack is named."""

import io
import re
from pathlib import Path

import promql_parser
import pytest
import yaml

import deploy.command_line
from alerts.expressions import selectors
from app.core import catalogue
from app.core.config import Settings
from deploy import adapter, build, files, placeholders, required_secrets, sizes
from tests.not_empty import not_empty
from tests.project import ROOT, command_line

GUIDE = (ROOT / "docs/kubernetes.md").read_text()
OF_KUBERNETES = [
    each
    for each in build.built(sizes.SMALL, Settings())
    if not each["apiVersion"].startswith("monitoring.coreos.com")
]
COMPLETE = {
    secret.name: [key.name for key in secret.keys if not key.is_optional]
    for secret in required_secrets.ALL
}


def checked(folder: Path, text: str) -> tuple[int, str, str]:
    file = folder / "built.yaml"
    file.write_text(text)
    done = command_line(deploy.command_line.main, "check", str(file))
    return done.returncode, done.stdout, done.stderr


def test_an_overlay_that_is_still_the_example_is_refused(tmp_path: Path) -> None:
    resources = yaml.safe_load(yaml.safe_dump(OF_KUBERNETES))
    (deployment,) = (each for each in resources if each["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "registry.example/sms-orchestrator:0.1.0"
    rule = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "rules"},
        "data": {"a": "b"},
    }
    code, out, err = checked(tmp_path, yaml.safe_dump_all([*resources, rule]))
    assert (code, out.splitlines()[0].startswith("resources: ")) == (1, True)
    assert "image registry.example/sms-orchestrator:0.1.0 is an example; say by `images`" in err


@pytest.mark.parametrize(
    ("image", "is_told"),
    [
        ("registry.example.org:5000/sms", True),
        ("ghcr.io/you/sms:0.1.0", False),
        ("ghcr.io/you/sms@sha256:0a", False),
    ],
)
def test_an_image_without_a_tag_is_told(image: str, is_told: bool) -> None:
    pods = {"spec": {"containers": [{"name": "a", "image": image}]}}
    theirs = {"kind": "Deployment", "metadata": {"name": "a"}, "spec": {"template": pods}}
    told = list(placeholders.left_in([theirs]))
    assert [" has no tag, so a restart may bring" in line for line in told] == [True] * is_told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds nothing; give what `kubectl kustomize OVERLAY` prints"),
        ("a: [", "is no YAML: "),
        ("a: 1", "holds something that is no resource: {'a': 1}"),
    ],
)
def test_what_is_no_overlay_is_refused(tmp_path: Path, text: str, said: str) -> None:
    code, _, err = checked(tmp_path, text)
    assert code == 1
    assert said in err


def test_a_file_that_is_not_there_is_named() -> None:
    done = command_line(deploy.command_line.main, "check", "/no/such/file")
    assert (done.returncode, done.stderr) == (
        1,
        "/no/such/file: No such file or directory; name another\n",
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        (
            {"sms-orchestrator-scrape": None},
            "no secret sms-orchestrator-scrape; make it for Prometheus, with token",
        ),
        (
            {"sms-orchestrator-scrape": None, "sms-orchestrator-scrap": ["token"]},
            "no secret sms-orchestrator-scrape, but sms-orchestrator-scrap; make it for",
        ),
        (
            {"sms-orchestrator": ["database_url", "log_hash_key", "operator_tokens"]},
            "Secret sms-orchestrator: no key metrics_tokens; add it: `name:token` lines",
        ),
    ],
)
def test_a_secret_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, list[str] | None], said: str
) -> None:
    present = {name: keys for name, keys in (COMPLETE | changed).items() if keys is not None}
    lines = "".join(f"{name} {' '.join(keys)}\n" for name, keys in present.items())
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    done = command_line(deploy.command_line.main, "secrets")
    assert done.returncode == (1 if said else 0)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)


def test_the_guide_names_every_secret_and_key() -> None:
    table = GUIDE.partition("| secret | read by |")[2].partition("\n\n")[0]
    told: list[str] = re.findall(r"^\|[^|]*\|[^|]*\| `(\w+)`", table, re.MULTILINE)
    names = re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)
    assert names == [secret.name for secret in required_secrets.ALL]
    assert told == [key.name for secret in required_secrets.ALL for key in secret.keys]


def test_the_guide_s_figures_are_those_of_the_files() -> None:
    rows = {
        cells[1].strip(): [cells[2].strip(), cells[3].strip()]
        for line in GUIDE.splitlines()
        if len(cells := line.split("|")) == 5
    }
    small, large = sizes.SIZES
    assert rows["`max_connections` that PostgreSQL needs"] == [
        str(size.most_connections) for size in (small, large)
    ]
    assert rows["workers in each"] == [str(size.workers) for size in (small, large)]
    assert rows["replicas of the orchestrator"] == [
        str(small.replicas),
        f"{large.replicas} to {large.most_replicas}, by SMS in flight",
    ]
    assert rows["disk of each Prometheus"] == [
        size.prometheus_disk.replace("Gi", " GiB") for size in (small, large)
    ]


def test_no_secret_is_in_the_repository_and_no_dashboard_twice() -> None:
    texts = [file.read_text() for file in not_empty(files.FOLDER.rglob("*.yaml"))]
    kinds = re.findall(r"^kind: (\w+)$", "\n".join(texts), re.MULTILINE)
    assert "Deployment" in kinds
    assert {"Secret", "ConfigMap"} & set(kinds) == set()


def test_the_adapter_asks_prometheus_for_what_the_service_exposes() -> None:
    (rule,) = adapter.values()["rules"]["custom"]
    asked = rule["metricsQuery"]
    for placeholder, value in (
        ("<<.Series>>", rule["seriesQuery"].partition("{")[0]),
        ("<<.LabelMatchers>>", 'namespace="a",pod=~"b|c"'),
        ("<<.GroupBy>>", "pod"),
    ):
        asked = asked.replace(placeholder, value)
    promql_parser.parse(rule["seriesQuery"])
    assert "<" not in asked
    (read,) = selectors(asked)
    assert read.name == catalogue.SMS_IN_FLIGHT.name
