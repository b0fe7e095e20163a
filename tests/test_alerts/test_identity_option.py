"""`--identity` of `python -m alerts`: whoever tells deployments apart by a region loses no page."""

from pathlib import Path

import pytest

from alerts.command_line import main
from prometheus_tools.yaml_reading import read_all_yaml, read_yaml
from tests.not_empty import not_empty
from tests.project import command_line
from tests.test_alerts.alertmanager_process import alertmanager
from tests.test_alerts.test_inhibition import AI_FAILING, ORCHESTRATOR_DOWN, QUEUE_OLD, held_back

REGIONS = ("--identity", "cluster,environment,region")


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "webhook_url").write_text("https://pager.example/hook")
    return folder


async def test_what_is_down_in_one_region_silences_nothing_in_another(
    tmp_path: Path, secrets: Path
) -> None:
    file = tmp_path / "alertmanager.yml"
    asked = ("notifications", "--secrets", str(secrets), "--output", str(file), *REGIONS)
    done = command_line(main, *asked)
    assert done.returncode == 0, done.stderr
    west = {"environment": "production", "cluster": "eu", "region": "west"}
    east = {**west, "region": "east"}
    async with alertmanager(tmp_path, file) as client:
        silent = await held_back(
            client, {**ORCHESTRATOR_DOWN, **west}, {**AI_FAILING, **west}, {**QUEUE_OLD, **east}
        )
    assert silent == [{**AI_FAILING, **west}]
    assert read_yaml(file.read_text())["route"]["group_by"] == [
        *("alertname", "job", "cluster", "environment", "region")
    ]


def test_the_operators_configuration_has_the_same_identity(tmp_path: Path, secrets: Path) -> None:
    out = tmp_path / "out"
    asked = ("export", "--for", "operator", "--output", str(out), "--secrets", str(secrets))
    done = command_line(main, *asked, *REGIONS)
    assert done.returncode == 0, done.stderr
    config, _ = read_all_yaml((out / "alertmanager-config.yml").read_text())
    assert config["spec"]["route"]["groupBy"][-3:] == ["cluster", "environment", "region"]
    for rule in not_empty(config["spec"]["inhibitRules"]):
        assert rule["equal"][-3:] == ["cluster", "environment", "region"]


def test_an_export_of_rules_names_the_command_with_its_identity(tmp_path: Path) -> None:
    asked = ("export", "--for", "prometheus", "--output", str(tmp_path / "out"), *REGIONS)
    said = command_line(main, *asked).stderr
    assert "`python -m alerts notifications --identity cluster,environment,region`" in said


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ("region,region", "--identity region,region: names a label twice"),
        ("__name__", "--identity: __name__ is the name of a series, not where it runs"),
        ("re-gion", "identity: 're-gion' is no name of a label; write it like a_name"),
        ("job", "identity: job is a label that series have for another reason"),
    ],
)
def test_an_identity_that_rules_can_not_have_is_refused(
    tmp_path: Path, secrets: Path, identity: str, said: str
) -> None:
    file = tmp_path / "alertmanager.yml"
    asked = ("--secrets", str(secrets), "--output", str(file), "--identity", identity)
    done = command_line(main, "notifications", *asked)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert not file.exists()


def test_without_the_environment_nobody_can_choose_whose_pages_wake_people(
    tmp_path: Path, secrets: Path
) -> None:
    file = tmp_path / "alertmanager.yml"
    asked = ("notifications", "--secrets", str(secrets), "--output", str(file))
    region = ("--identity", "region")
    done = command_line(
        main, *asked, *region, variables={"ALERTS_PAGING_ENVIRONMENTS": "production,live"}
    )
    assert (done.returncode, done.stderr) == (
        1,
        "ALERTS_PAGING_ENVIRONMENTS=production,live: alerts have no environment by --identity "
        "region; add environment to it, or unset the variable: then all pages may wake somebody\n",
    )
    assert not file.exists()
    assert command_line(main, *asked, *region).returncode == 0
    assert "environment" not in file.read_text()
