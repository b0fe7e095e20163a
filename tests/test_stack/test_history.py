"""A synthetic history: made once, whole or not at all, and continued by what is live."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts import paths
from alerts.exporters import SYNTHETIC_HISTORY
from alerts.prometheus_config import evaluation_seconds
from alerts.signals import business, slo, sms, throughput
from app.core import catalogue
from prometheus_tools import blocks
from prometheus_tools.api import PrometheusAPI
from prometheus_tools.replay import Replay
from prometheus_tools.rulebook import rulebook
from prometheus_tools.scratch import scratch
from simulator.history.past import Past
from stack.backend import StackError
from stack.history.__main__ import main
from stack.history.due import MAKING, is_due, is_wanted
from stack.history.filling import fill
from tests.length import only_long
from tests.not_empty import not_empty
from tests.project import ROOT, command_line

END = datetime(2026, 11, 24, 12, 3, 30, tzinfo=UTC)
_END = int(END.timestamp())
TARGETS = {
    "orchestrator": "app:1234",
    "prometheus": "here:9090",
    "alertmanager": "here:9093",
    "node": "here:9100",
}
PAST = Past(END, duration=timedelta(hours=30), messages_per_minute=120, targets=TARGETS)
_WEEKS_BEGAN = _END - 29 * 3600
_DAY_BEGAN = _END - 23 * 3600
"""Before it there are the records of rules about weeks only."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Prometheus that has got thirty hours."""
    folder = tmp_path_factory.mktemp("prometheus")
    # What one leaves behind that was killed, and could not tidy up.
    (folder / MAKING / "storage").mkdir(parents=True)
    (folder / MAKING / "history.om").write_text("half of it")
    assert is_due(folder)
    fill(folder, PAST)
    return folder


@pytest.fixture(scope="module")
def prometheus(data: Path) -> Iterator[PrometheusAPI]:
    """A Prometheus over links to these blocks."""
    folder = data.parent / "asked"
    blocks.link(blocks.blocks_in(data), folder)
    with scratch(folder) as url, PrometheusAPI(url) as api:
        yield api


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def history(data: Path, history: str = "on") -> subprocess.CompletedProcess[str]:
    """`python -m stack.history` with the arguments that both ways of running the stack give it."""
    targets = ROOT / "prometheus" / "targets"
    arguments = ("--data", str(data), "--targets", str(targets))
    return command_line(main, *arguments, variables={"HISTORY": history})


def test_its_blocks_do_not_overlap(data: Path) -> None:
    """Prometheus warns every minute of blocks that do."""
    made = blocks.blocks_in(data)
    assert contents(data) == {block.name for block in made}
    times = [json.loads((block / "meta.json").read_text()) for block in made]
    older, newer = sorted(times, key=lambda meta: meta["minTime"])
    assert older["minTime"] < older["maxTime"] <= newer["minTime"]
    # What is scraped next is later, or Prometheus would refuse it.
    assert newer["maxTime"] == _END * 1000 + 1
    assert not is_due(data)


@only_long
def test_the_same_end_and_seed_make_the_same_bytes(tmp_path: Path) -> None:
    past = Past(END, duration=timedelta(hours=1), targets=TARGETS)
    made = []
    for folder in (tmp_path / "one", tmp_path / "other"):
        fill(folder, past)
        (block,) = blocks.blocks_in(folder)
        assert contents(folder) == {block.name}
        assert not is_due(folder)
        made.append([(block / file).read_bytes() for file in ("index", "chunks/000001")])
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("record", "begun"),
    [
        (sms.P90.name, _DAY_BEGAN),
        (throughput.RATE_5M.name, _WEEKS_BEGAN),
        (slo.BUDGET_LEFT.name, _DAY_BEGAN),
        (business.CONFIDENCE_MEAN.name, _DAY_BEGAN),
        (f'{slo.TOTAL}{{slo="ai_answers"}}', _WEEKS_BEGAN),
    ],
)
def test_records_leave_no_gap_and_reach_the_end(
    prometheus: PrometheusAPI, record: str, begun: int
) -> None:
    for points in not_empty(prometheus.range(record, begun, _END, 60)):
        assert len(points.values) == (_END - begun) // 60 + 1, points.labels
    assert prometheus.range(record, _END, _END, 1)


def test_what_is_added_up_over_hours_is_as_dense_as_live(prometheus: PrometheusAPI) -> None:
    """Else one live sample would weigh as much as twenty minutes of the past."""
    added_up = rulebook(
        (file.read_text(encoding="utf-8") for file in sorted(paths.RULES.glob("*.yml"))),
        evaluation_seconds(),
    )
    counted = {
        (name, *points.labels.items()): points.values[_END] * added_up.records[name][0].interval
        for name in added_up.read_over_time()
        for points in prometheus.range(f"count_over_time({name}[1h])", _END, _END, 1)
    }
    assert len(counted) > 20
    assert {series: seconds for series, seconds in counted.items() if seconds != 3600} == {}


def test_no_alert_fires_where_the_past_ends(prometheus: PrometheusAPI) -> None:
    rules = rulebook(
        (file.read_text(encoding="utf-8") for file in sorted(paths.RULES.glob("*.yml"))),
        evaluation_seconds(),
    )
    done = Replay(prometheus, _END - 3600, _END, rules).run(rules)
    assert {fired.alert for fired in done.fired} == {"Watchdog"}
    assert not {"TargetDown", "SMSMissing", "SMSLatencyBudgetBurn"} & done.untold.keys()


def test_what_a_minute_and_five_minutes_make_is_the_same(prometheus: PrometheusAPI) -> None:
    """Where there are few samples as where there are all."""
    counted = catalogue.SMS_RECEIVED.name
    for until in (_END - 8 * 3600, _END):
        (rate,) = prometheus.range(
            f'avg_over_time({throughput.RATE_1H}{{flow="sms"}}[1h])', until, until, 1
        )
        (counts,) = prometheus.range(f"increase({counted}[1h]) / 3600", until, until, 1)
        assert rate.values[until] == pytest.approx(counts.values[until], rel=0.15)


def test_a_prometheus_says_how_often_it_scrapes(prometheus: PrometheusAPI) -> None:
    # This one's configuration is empty.
    assert prometheus.scrape_seconds() == 60


def test_it_is_marked_as_made_up(prometheus: PrometheusAPI) -> None:
    (mark,) = prometheus.range(SYNTHETIC_HISTORY.name, _WEEKS_BEGAN, _END + 3600, 60)
    assert mark.labels["job"] == "orchestrator"
    assert mark.labels["instance"] == "app:1234"
    assert set(mark.values.values()) == {1}
    assert _END <= max(mark.values) < _END + 300


def test_where_a_prometheus_has_run_nothing_is_made(tmp_path: Path) -> None:
    assert is_due(tmp_path)
    (tmp_path / "wal").mkdir()
    assert not is_due(tmp_path)
    done = history(tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert contents(tmp_path) == {"wal"}


def test_off_makes_nothing(tmp_path: Path) -> None:
    done = history(tmp_path / "data", "off")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert not (tmp_path / "data").exists()


def test_on_and_off_are_all_there_is(tmp_path: Path) -> None:
    assert is_wanted({"HISTORY": "on"})
    assert is_wanted({})
    assert not is_wanted({"HISTORY": "off"})
    with pytest.raises(StackError, match="HISTORY=no: use on or off"):
        is_wanted({"HISTORY": "no"})
    refused = history(tmp_path, "no")
    assert refused.returncode == 2
    assert "HISTORY=no: use on or off" in refused.stderr


def test_what_goes_wrong_is_said_and_the_stack_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = history(tmp_path / "file" / "data")
    assert done.returncode == 0
    assert "no history: " in done.stderr
    assert "Not a directory" in done.stderr
    assert "HISTORY=off" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left")])
def test_interrupted_it_leaves_nothing(
    interruption: BaseException | type[BaseException],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise interruption

    monkeypatch.setattr("stack.history.filling.evaluate", interrupted)
    hour = Past(END, duration=timedelta(hours=1))
    with pytest.raises((KeyboardInterrupt, OSError)):
        fill(tmp_path, hour)
    assert contents(tmp_path) == set()
    assert is_due(tmp_path)


def test_targets_without_the_orchestrator_are_explained(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = command_line(main, "--data", str(data), "--targets", str(tmp_path))
    assert done.returncode == 0
    assert f"no history: --targets {tmp_path}: no orchestrator.yml in it" in done.stderr
