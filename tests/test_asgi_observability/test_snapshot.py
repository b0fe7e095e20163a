"""Snapshots: what one process leaves, another reads and adds up."""

import math

import pytest

from asgi_observability.snapshot import (
    Exemplar,
    FamilySnapshot,
    HistogramRow,
    merged,
    packed,
    unpacked,
)

SENT = FamilySnapshot("sent_total", "counter", "Sent.", "letters", ("kind",), rows={("a",): 2.0})
SECONDS = FamilySnapshot(
    *("call_seconds", "histogram", "Calls.", "seconds", (), (0.1, 1.0)),
    rows={(): HistogramRow([1, 2, 3], 9.5, Exemplar({"trace_id": "early"}, 4.0, 100.0))},
)
HOSTS = FamilySnapshot(
    *("queue", "gauge", "A host's.", "", None, (), "livemax"),
    rows={("queue", "name", "mail"): 7.0, ("queue", "name", "limit"): math.inf},
    exemplars={("queue", "name", "mail"): Exemplar({}, 1.0, 5.0)},
    timestamps={("queue", "name", "mail"): 12.5},
)


def test_what_one_process_writes_another_reads_as_it_was() -> None:
    families = [SENT, SECONDS, HOSTS]
    assert unpacked(packed(families)) == families


@pytest.mark.parametrize("half", [b"", b'[["sent_total","cou', b"{}7", b"[[1]]", b"[1]", b"null"])
def test_half_a_snapshot_is_refused(half: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(half)


def test_counts_of_all_processes_are_added() -> None:
    sent, seconds, _ = merged([[SENT, SECONDS, HOSTS], [SECONDS, SENT]])
    assert sent.rows == {("a",): 4.0}
    assert seconds.rows[()] == HistogramRow(
        [2, 4, 6], 19.0, Exemplar({"trace_id": "early"}, 4, 100)
    )


@pytest.mark.parametrize(("merge", "together"), [("livesum", 5), ("livemin", 2), ("livemax", 3)])
def test_gauges_become_one_as_they_say(merge: str, together: float) -> None:
    processes = [
        [FamilySnapshot("queue", "gauge", "Queue.", merge=merge, rows={(): value})]
        for value in (2.0, 3.0)
    ]
    (queue,) = merged(processes)
    assert queue.rows == {(): together}


def test_a_host_s_counter_exists_since_its_first_process() -> None:
    def of(created: float) -> FamilySnapshot:
        rows: dict[tuple[str, ...], float | HistogramRow] = {
            ("sent_total",): 1.0,
            ("sent_created",): created,
        }
        return FamilySnapshot("sent_total", "counter", "Sent.", label_names=None, rows=rows)

    (sent,) = merged([[of(200.0)], [of(100.0)]])
    assert sent.rows == {("sent_total",): 2.0, ("sent_created",): 100.0}


def test_two_releases_side_by_side_are_not_added_where_they_differ() -> None:
    newer = FamilySnapshot("call_seconds", "histogram", "Calls.", "seconds", (), (0.5,))
    newer.rows[()] = HistogramRow([5, 5], 5.0)
    assert merged([[SECONDS], [newer]]) == [SECONDS]
