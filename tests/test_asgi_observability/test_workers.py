"""Several workers' metrics as one: live ones, dead ones, exemplars."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed

from app.core import catalogue
from app.core.instrumentation import orchestrator_instruments
from asgi_observability import correlation
from asgi_observability.exposition import exposition
from asgi_observability.host_registries import host_family
from asgi_observability.instruments import Instruments
from asgi_observability.workers import Workers

APPROVED = (catalogue.APPROVALS.name, {"action": "approve"})


def value(workers: Workers, name: str, labels: dict[str, str] | None = None) -> float | None:
    for family in workers.collect():
        for sample in family.samples:
            if sample.name == name and sample.labels == (labels or {}):
                return sample.value
    return None


@pytest.fixture
def instruments() -> Instruments:
    """What this worker counts: two approvals, a queue of three, one confidence."""
    return counting(approvals=2, queue=3)


def counting(approvals: int, queue: int) -> Instruments:
    instruments = orchestrator_instruments()
    instruments.counter(catalogue.APPROVALS).series("approve").note(approvals)
    instruments.gauge(catalogue.APPROVAL_QUEUE_LENGTH).series().note(queue)
    instruments.gauge(catalogue.SMS_IN_FLIGHT).series().note(queue)
    instruments.gauge(catalogue.PROCESS_START_TIME).series().note(1000 + queue)
    instruments.histogram(catalogue.AI_CONFIDENCE).series().note(0.7)
    return instruments


@pytest.fixture
def workers(instruments: Instruments, tmp_path: Path) -> Workers:
    return Workers(instruments, tmp_path)


def other_worker(folder: Path, *, pid: int, started: float, approvals: int, queue: int) -> Path:
    """The snapshot that another process has left."""
    instruments = counting(approvals, queue)
    Workers(instruments, folder).leave_snapshot()
    own = next(folder.glob(f"worker-{os.getpid()}-*.json"))
    return own.rename(folder / f"worker-{pid}-{int(started * 1000)}.json")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Another worker, as alive as this test's parent."""
    parent = psutil.Process(os.getppid())
    return other_worker(
        tmp_path, pid=parent.pid, started=parent.create_time(), approvals=5, queue=7
    )


def dead_worker(folder: Path, approvals: int = 11) -> Path:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return other_worker(folder, pid=ended.pid, started=1.0, approvals=approvals, queue=100)


def test_live_workers_are_added_up(workers: Workers, live: Path) -> None:
    assert value(workers, *APPROVED) == 7
    assert value(workers, catalogue.AI_CONFIDENCE.count) == 2
    assert value(workers, catalogue.AI_CONFIDENCE.bucket, {"le": "0.6"}) == 0
    assert value(workers, catalogue.AI_CONFIDENCE.bucket, {"le": "0.7"}) == 2


def test_each_gauge_is_merged_as_the_catalogue_says(workers: Workers, live: Path) -> None:
    assert value(workers, catalogue.SMS_IN_FLIGHT.name) == 10
    assert value(workers, catalogue.APPROVAL_QUEUE_LENGTH.name) == 7
    assert value(workers, catalogue.PROCESS_START_TIME.name) == 1003


def test_a_dead_worker_s_counts_stay_and_its_gauges_go(workers: Workers, tmp_path: Path) -> None:
    file = dead_worker(tmp_path)
    for _ in range(3):
        assert value(workers, *APPROVED) == 13
        assert value(workers, catalogue.SMS_IN_FLIGHT.name) == 3
    assert not file.exists()


def test_any_number_of_dead_workers_leaves_one_file(workers: Workers, tmp_path: Path) -> None:
    for _ in range(3):
        dead_worker(tmp_path)
        workers.collect()
    assert value(workers, *APPROVED) == 2 + 3 * 11
    assert [file.name for file in tmp_path.glob("*.json")] == ["departed.json"]


def test_a_process_that_got_a_dead_worker_s_number_is_another_one(
    workers: Workers, tmp_path: Path
) -> None:
    other_worker(tmp_path, pid=os.getppid(), started=1.0, approvals=5, queue=7)
    assert value(workers, catalogue.SMS_IN_FLIGHT.name) == 3
    assert value(workers, *APPROVED) == 7


def test_the_newest_exemplar_is_kept(instruments: Instruments, tmp_path: Path, live: Path) -> None:
    families = orjson.loads(live.read_bytes())
    confidence = next(f for f in families if f["name"] == catalogue.AI_CONFIDENCE.name)
    for sample in confidence["samples"]:
        if sample[1].get("le") == "0.7":
            sample[3] = ({"trace_id": "theirs"}, 0.7, 5.0)
    live.write_bytes(orjson.dumps(families))
    correlation.bind("message-17", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    # What was noted without a trace before the last look does not stand in the way.
    instruments.snapshot()
    instruments.histogram(catalogue.AI_CONFIDENCE).series().note(0.7)
    body = exposition(
        map(host_family, Workers(instruments, tmp_path).collect()),
        "application/openmetrics-text; version=1.0.0",
    ).body
    exemplars = {
        sample.exemplar.labels["trace_id"]
        for family in parsed(body.decode())
        for sample in family.samples
        if sample.exemplar
    }
    assert exemplars == {"0af7651916cd43dd8448eb211c80319c"}


def test_a_folder_that_is_not_there_is_refused(instruments: Instruments, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Workers(instruments, tmp_path / "missing").leave_snapshot()
