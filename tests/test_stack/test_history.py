"""A history that was never there: made once, whole or not at all, and continued by what is live."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.exporters import SYNTHETIC_HISTORY
from alerts.signals import business, slo, sms, throughput
from app.core import catalogue
from prometheus_tools import blocks
from prometheus_tools.api import PrometheusAPI
from prometheus_tools.scratch import scratch
from simulator.history.openmetrics import Detail
from simulator.history.past import Past
from stack.backend import StackError
from stack.history.due import FINISHED, MAKING, is_due, is_wanted
from stack.history.filling import fill
from tests.not_empty import not_empty
from tests.project import python_m

END = datetime(2026, 11, 24, 12, 3, 30, tzinfo=UTC)
_END = int(END.timestamp())
PAST = Past(END, duration=timedelta(hours=10), messages_per_minute=120, instance="app:1234")
DETAIL = Detail(recent=timedelta(hours=1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a Prometheus that has got ten hours."""
    folder = tmp_path_factory.mktemp("prometheus")
    fill(folder, PAST, DETAIL)
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
    """`python -m stack.history` as both ways of running the stack call it."""
    arguments = ("--data", str(data), "--instance", "app:8000")
    return python_m("stack.history", *arguments, variables={"HISTORY": history})


def test_only_whole_blocks_are_left(data: Path) -> None:
    found = blocks.blocks_in(data)
    assert {block.name for block in found} == contents(data)
    ends = [json.loads((block / "meta.json").read_text())["maxTime"] for block in found]
    # What is scraped next is later, or Prometheus would refuse it.
    assert max(ends) == _END * 1000 + 1
    assert not is_due(data)


@pytest.mark.parametrize(
    "record",
    [
        sms.P90.name,
        throughput.RATE_5M.name,
        slo.BUDGET_LEFT.name,
        business.CONFIDENCE_MEAN.name,
        f'{slo.TOTAL}{{slo="ai_answers"}}',
    ],
)
def test_records_leave_no_gap_and_reach_the_end(prometheus: PrometheusAPI, record: str) -> None:
    begun = _END - 9 * 3600
    for points in not_empty(prometheus.range(record, begun, _END, 60)):
        assert len(points.values) == 9 * 60 + 1, points.labels
    assert prometheus.range(record, _END, _END, 1)


def test_what_a_minute_and_five_minutes_make_is_the_same(prometheus: PrometheusAPI) -> None:
    """Where there are few samples as where there are all."""
    counted = catalogue.SMS_RECEIVED.name
    for until in (_END - 2 * 3600, _END):
        (rate,) = prometheus.range(
            f'avg_over_time({throughput.RATE_1H}{{flow="sms"}}[1h])', until, until, 1
        )
        (counts,) = prometheus.range(f"increase({counted}[1h]) / 3600", until, until, 1)
        assert rate.values[until] == pytest.approx(counts.values[until], rel=0.15)


def test_it_is_marked_as_made_up(prometheus: PrometheusAPI) -> None:
    (mark,) = prometheus.range(SYNTHETIC_HISTORY.name, _END - 9 * 3600, _END + 3600, 60)
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

    monkeypatch.setattr("stack.history.filling.backfill", interrupted)
    hour = Past(END, duration=timedelta(hours=1))
    with pytest.raises((KeyboardInterrupt, OSError)):
        fill(tmp_path, hour)
    assert contents(tmp_path) == set()
    assert is_due(tmp_path)


def test_killed_it_begins_anew_or_goes_on(data: Path, tmp_path: Path) -> None:
    """What it leaves behind when it can't tidy up: work under way, or blocks moved in part."""
    (tmp_path / MAKING / "blocks").mkdir(parents=True)
    (tmp_path / MAKING / "history.om").write_text("half of it")
    assert is_due(tmp_path)
    first, *rest = blocks.blocks_in(data)
    blocks.link([first], tmp_path)
    blocks.link(rest, tmp_path / FINISHED)
    assert is_due(tmp_path)
    fill(tmp_path, PAST, DETAIL)
    assert contents(tmp_path) == {block.name for block in (first, *rest)}
    assert not is_due(tmp_path)
