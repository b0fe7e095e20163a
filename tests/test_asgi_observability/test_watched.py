"""Metrics of the service's own: a wrong declaration is refused, a wrong use never raises."""

import asyncio
import math
from enum import StrEnum
from typing import Any

import pytest

from asgi_observability.instruments import Instruments
from asgi_observability.watched import Watched
from tests.captured_logs import captured_logs


class Paper(StrEnum):
    PAPER = "paper"


@pytest.fixture
def watched() -> Watched:
    return Watched(Instruments())


def value(watched: Watched, name: str, **labels: str) -> float | None:
    return watched.instruments.registry.get_sample_value(name, labels)


def test_a_counter_counts_by_keyword_and_stands_at_zero_before(watched: Watched) -> None:
    invoices = watched.counter("invoices_total", "Invoices sent", kind=["paper", "mail"])
    assert value(watched, "invoices_total", kind="mail") == 0
    invoices.inc(kind="paper")
    invoices.inc(2, kind=Paper.PAPER)
    assert value(watched, "invoices_total", kind="paper") == 3


def test_labels_may_come_in_any_order(watched: Watched) -> None:
    sizes = watched.histogram("size_bytes", "Sizes", [1, 10], a=["x"], b=["y"])
    sizes.observe(5, b="y", a="x")
    sizes.observe(5, a="x", b="y")
    assert value(watched, "size_bytes_count", a="x", b="y") == 2


def test_a_gauge_is_what_it_was_set_to(watched: Watched) -> None:
    depth = watched.gauge("queue_depth", "Waiting")
    depth.set(3)
    depth.set(2)
    assert value(watched, "queue_depth") == 2


def test_a_value_nobody_declared_is_other(watched: Watched) -> None:
    watched.counter("invoices_total", kind=["paper"]).inc(kind="+15550100001")
    assert value(watched, "invoices_total", kind="other") == 1


def test_undeclared_operations_are_timed(watched: Watched) -> None:
    @watched.time("bank", "charge")
    async def charge() -> None:
        return None

    asyncio.run(charge())
    with watched.time("bank", "charge"):
        pass
    labels = {"component": "bank", "operation": "charge", "outcome": "success"}
    assert value(watched, "operation_duration_seconds_count", **labels) == 2


@pytest.mark.parametrize(
    ("amount", "labels"),
    [
        (1, {"knd": "paper"}),
        (1, {}),
        (-1, {"kind": "paper"}),
        (math.nan, {"kind": "paper"}),
        ("three", {"kind": "paper"}),
        (None, {"kind": "paper"}),
    ],
)
def test_a_wrong_use_is_counted_and_logged_once_and_never_raises(
    watched: Watched, amount: Any, labels: dict[str, str]
) -> None:
    invoices = watched.counter("invoices_total", kind=["paper"])
    with captured_logs() as lines:
        invoices.inc(amount, **labels)
        invoices.inc(amount, **labels)
    assert len([line for line in lines if line["event"] == "metric_misused"]) <= 1
    assert value(watched, "instrumentation_errors_total") == 2
    assert value(watched, "invoices_total", kind="paper") == 0


def test_a_wrong_label_name_is_answered_with_the_right_ones(watched: Watched) -> None:
    with captured_logs() as lines:
        watched.counter("invoices_total", kind=["paper"]).inc(knd="paper")
    assert lines[0]["metric"] == "invoices_total"
    assert lines[0]["problem"] == "invoices_total takes kind, not knd"


@pytest.mark.parametrize(
    ("declare", "fix"),
    [
        (lambda w: w.counter("invoices"), "invoices_total"),
        (lambda w: w.counter("in voices_total"), "letters, digits"),
        (lambda w: w.gauge("depth_total"), "depth"),
        (lambda w: w.counter("operation_errors_total"), "declared"),
        (lambda w: w.histogram("size_bytes", le=["1"]), "'le'"),
        (lambda w: w.counter("invoices_total", kind="paper"), "give a list"),
        (lambda w: w.histogram("size_bytes", "", [10, 1]), "each above the one before"),
        (lambda w: (w.gauge("depth"), w.histogram("depth")), "is declared as gauge"),
    ],
)
def test_a_wrong_declaration_is_refused_with_the_fix(
    watched: Watched, declare: Any, fix: str
) -> None:
    with pytest.raises(ValueError, match=fix):
        declare(watched)


def test_the_same_declaration_gives_the_same_metric(watched: Watched) -> None:
    first = watched.counter("invoices_total", kind=["paper"])
    assert watched.counter("invoices_total", kind=["paper"]) is first


def test_a_histogram_takes_its_buckets_by_name(watched: Watched) -> None:
    sizes = watched.histogram("size_bytes", "Sizes", buckets=[1, 10], kind=["x"])
    sizes.observe(5, kind="x")
    assert value(watched, "size_bytes_bucket", kind="x", le="10.0") == 1


def test_the_sum_of_a_histogram_never_falls(watched: Watched) -> None:
    # OpenMetrics knows no negative sum: readers refuse the whole answer to a scrape.
    watched.histogram("size_bytes", "Sizes", [1, 10]).observe(-5)
    assert value(watched, "size_bytes_sum") == 0
    assert value(watched, "instrumentation_errors_total") == 1
    with pytest.raises(ValueError, match="not negative"):
        watched.histogram("degrees", "Degrees", [-1, 1])
