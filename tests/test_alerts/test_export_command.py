"""`python -m alerts export`: what it refuses, and how it says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

import alerts.command_line
from alerts.notifications.channels import NOBODY_LISTENS

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `python -m alerts export …`; gives exit code and errors."""

    def run(arguments: str, *more: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["alerts", "export", *arguments.split(), *more])
        code = alerts.command_line.main()
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("engine", "option", "said"),
    [
        ("prometheus", "--label a=b", "--label is for --for operator"),
        ("mimir", "--label a=b", "--label is for --for operator"),
        ("vmalert", "--namespace sms", "--namespace is for --for operator or mimir"),
        ("prometheus", "--namespace monitoring", "--namespace is for --for operator or mimir"),
        ("mimir", "--vmalert-version 1.79", "--vmalert-version is for --for vmalert"),
        ("vmalert", "--secrets .", "--secrets is for --for operator"),
    ],
)
def test_what_means_nothing_for_the_engine_is_refused(
    run: Run, tmp_path: Path, engine: str, option: str, said: str
) -> None:
    code, err = run(f"--for {engine} --output {tmp_path}/out {option}")
    assert code == 1
    assert err.startswith(f"{said}; for {engine} ")
    assert not (tmp_path / "out").exists()


def test_an_export_for_another_engine_is_not_replaced(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(f"--for mimir --output {out}")[0] == 0
    assert run(f"--for mimir --output {out} --namespace sms")[0] == 0
    before = {file: file.read_bytes() for file in out.iterdir()}
    code, err = run(f"--for prometheus --output {out}")
    assert (code, err) == (
        1,
        f"{out} holds an export for mimir; give --for prometheus a folder of its own, or delete "
        "this one\n",
    )
    assert {file: file.read_bytes() for file in out.iterdir()} == before


def test_files_that_no_export_made_are_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "theirs.yml").write_bytes(b"# \xff\n")
    code, err = run(f"--for prometheus --output {tmp_path}")
    assert (code, err) == (
        1,
        f"{tmp_path}/theirs.yml was not made by an export; choose another --output\n",
    )


def test_it_says_that_nobody_listens_and_what_is_misspelt(run: Run, tmp_path: Path) -> None:
    """As `python -m alerts notifications` does, which reads the same folder."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "webhook_url").write_text("https://pager.example/hook")
    (secrets / "watchdog_ulr").write_text("https://heartbeat.example")
    asked = f"--for operator --output {tmp_path}/out --secrets {secrets}"
    assert run(asked) == (
        0,
        f"{secrets}/watchdog_ulr switches nothing on; did you mean watchdog_url?\n"
        f"{NOBODY_LISTENS}\n",
    )
    (secrets / "watchdog_ulr").rename(secrets / "watchdog_url")
    assert run(asked) == (0, "")


@pytest.mark.parametrize("engine", ["prometheus", "operator", "mimir", "vmalert"])
def test_an_export_of_rules_alone_says_that_its_pages_reach_nobody(
    run: Run, tmp_path: Path, engine: str
) -> None:
    code, err = run(f"--for {engine} --output {tmp_path}/out")
    assert code == 0
    assert err.startswith("No page reaches anybody by this export: it holds rules only; ")
    assert ("--secrets" if engine == "operator" else "python -m alerts notifications") in err


def test_pages_without_a_destination_are_told_by_team(run: Run, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "watchdog_url").write_text("https://heartbeat.example")
    asked = f"--for operator --output {tmp_path}/out --secrets {secrets}"
    code, err = run(asked)
    assert code == 0
    assert err.startswith("Pages to team orchestrator and team platform reach nobody: no ")
    (secrets / "slack_webhook_url_orchestrator").write_text("https://slack.example")
    code, err = run(asked)
    assert code == 0
    assert err.startswith("Pages to team platform reach nobody: no ")
    (secrets / "pagerduty_routing_key").write_text("key")
    assert "Pages" not in run(asked)[1]


def test_a_folder_of_secrets_that_is_not_there_is_refused_by_option(
    run: Run, tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    assert run(f"--for operator --output {tmp_path}/out --secrets {missing}") == (
        1,
        f"--secrets {missing} is not a folder; create it and put the secret files there, or name "
        "another\n",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--job orchestrator=a --job orchestrator=b", "--job orchestrator is given twice: a, b"),
        ("--label team=a --label team=b", "--label team is given twice: a, b"),
        ("--label=_name=1", "--label _name=1: the name "),
        ("--label=Bad/Pre/fix=1", "--label Bad/Pre/fix=1: the part before / "),
        ("--label=Example.Com/name=1", "--label Example.Com/name=1: the part before / "),
        (f"--label={'a' * 64}=1", f"--label {'a' * 64}=1: the name "),
        ("--label=name=a=b", "--label name=a=b: the value "),
        ("--label=name=-a", "--label name=-a: the value "),
        (f"--label=name={'a' * 64}", f"--label name={'a' * 64}: the value "),
        ("--namespace=", "--namespace '': "),
    ],
)
def test_what_kubernetes_or_nobody_could_tell_apart_is_refused(
    run: Run, tmp_path: Path, option: str, said: str
) -> None:
    code, err = run(f"--for operator --output {tmp_path}/out {option}")
    assert code == 1
    assert err.startswith(said)
    assert not (tmp_path / "out").exists()


def test_labels_as_kubernetes_has_them_are_taken(run: Run, tmp_path: Path) -> None:
    labels = "--label=app.kubernetes.io/part-of=SMS_1.x --label=Release=a"
    assert run(f"--for operator --output {tmp_path}/out {labels}")[0] == 0


@pytest.mark.parametrize("namespace", ["", "a/b", "a%20b", 'a"c', "..", "ä"])
def test_a_namespace_of_mimir_that_a_path_can_not_hold_is_refused(
    run: Run, tmp_path: Path, namespace: str
) -> None:
    code, err = run(f"--for mimir --output {tmp_path}/out --namespace={namespace}")
    assert code == 1
    assert err.startswith(f"--namespace {namespace!r}: ")
    assert not (tmp_path / "out").exists()


def test_a_space_is_no_part_of_a_name(tmp_path: Path, run: Run) -> None:
    out = f"--for mimir --output {tmp_path}/out"
    assert run(out, "--namespace", "a b")[1].startswith("--namespace 'a b': ")
    out = f"--for operator --output {tmp_path}/out"
    assert run(out, "--label", "Bad Name=1")[1].startswith("--label Bad Name=1: the name ")
