"""`replay` and `backfill` for a team whose job has another name, and that has two regions."""

import argparse
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.export import rule_options
from alerts.rules import rule_files
from app.core import catalogue
from app.core.config import Settings
from prometheus_tools import blocks
from prometheus_tools.api import PrometheusAPI
from prometheus_tools.rulebook import rulebook
from prometheus_tools.scratch import scratch
from simulator.history.openmetrics import write
from simulator.history.past import JOB, Past
from simulator.history.series import UP
from tests.not_empty import not_empty
from tests.test_alerts.run_command import run_command

END = datetime(2026, 11, 18, tzinfo=UTC)
SPAN = ("--from", f"{END - timedelta(hours=1):%Y-%m-%dT%H:%MZ}", "--to", f"{END:%Y-%m-%dT%H:%MZ}")
NAMES = ("--job", f"{JOB}=sms-api", "--identity", "cluster,environment,region")
RECORD = f"job:{catalogue.SMS_RECEIVED.name.removesuffix('_total')}:rate5m"

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `replay` or `backfill` for the hour; gives exit code, output and errors."""

    def run(name: str, *arguments: str) -> tuple[int, str, str]:
        return run_command(name, *arguments, *SPAN), *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two hours of a service called sms-api, which is alive in two regions."""
    folder = tmp_path_factory.mktemp("theirs")
    with (folder / "ours.om").open("w", encoding="utf-8") as output:
        read = frozenset({catalogue.SMS_RECEIVED, UP})
        write(Past(end=END, duration=timedelta(hours=2)), output, read)
    text = (folder / "ours.om").read_text(encoding="utf-8")
    with (folder / "theirs.om").open("w", encoding="utf-8") as output:
        for line in not_empty(text.splitlines(keepends=True)):
            for region in ("east", "west") if f'job="{JOB}"' in line else ("",):
                place = f'job="sms-api",region="{region}"'
                output.write(line.replace(f'job="{JOB}"', place))
    blocks.create(folder / "theirs.om", folder / "data")
    return folder / "data"


@pytest.fixture(scope="module")
def url(theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that knows it."""
    folder = tmp_path_factory.mktemp("prometheus")
    blocks.link(blocks.blocks_in(theirs), folder)
    with scratch(folder) as url:
        yield url


def test_a_service_that_is_alive_under_another_name_is_not_down(url: str, command: Command) -> None:
    only = ("--alert", "ServiceDown", "--prometheus", url, "--interval", "1m")
    code, out, err = command("replay", *only, *NAMES)
    assert (code, out) == (0, "nothing would have fired\n"), err
    # The same service is missed under the name that it has here.
    assert "ServiceDown" in command("replay", *only)[1]


def test_records_are_made_of_each_region(theirs: Path, tmp_path: Path, command: Command) -> None:
    blocks.link(blocks.blocks_in(theirs), tmp_path)
    asked = ("backfill", "--data", str(tmp_path), "--record", RECORD)
    code, out, err = command(*asked, *NAMES)
    assert code == 0, err
    assert "122 samples, 1 records" in out
    with scratch(tmp_path) as url, PrometheusAPI(url) as prometheus:
        found = prometheus.instant(RECORD, int(END.timestamp()))
    assert {(each.labels["job"], each.labels["region"]) for each in found} == {
        *(("sms-api", "east"), ("sms-api", "west"))
    }


@pytest.mark.parametrize("name", ["replay", "backfill"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--job", "orchestratr=a"), "no job is called orchestratr; did you mean orchestrator?"),
        (("--identity", "region,region"), "--identity region,region: names a label twice"),
        (("--without", "nod"), "no group is called nod; did you mean node?"),
        (("--no-job", "nod"), "no job is called nod; did you mean node?"),
    ],
)
def test_names_are_checked_as_an_export_checks_them(
    tmp_path: Path, name: str, options: tuple[str, ...], said: str, command: Command
) -> None:
    data = ("--data", str(tmp_path)) if name == "backfill" else ()
    with pytest.raises(ValueError, match=re.escape(said)):
        command(name, *data, *options)


def test_who_chooses_nothing_gets_the_rules_that_are_committed() -> None:
    parser = argparse.ArgumentParser()
    rule_options.add_options(parser)
    settings = Settings()
    texts = rule_options.texts(settings.thresholds, settings.links, parser.parse_args([]))
    committed = rule_files(settings.thresholds, settings.links).values()
    assert rulebook(texts, 15) == rulebook(committed, 15)
