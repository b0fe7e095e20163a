"""A host's own registries beside the layer's: as they were, and no trouble of theirs is ours."""

import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client import Metric as ClientMetric
from prometheus_client.registry import Collector

from asgi_observability import catalogue, host_registries
from asgi_observability.exposition import exposition
from asgi_observability.instruments import Instruments
from asgi_observability.snapshot import merged
from tests.captured_logs import captured_logs


class Broken(Collector):
    def collect(self) -> Iterator[ClientMetric]:
        metric = ClientMetric("half", "Half.", "gauge")
        metric.add_sample("half", {}, 1.0)
        yield metric
        raise ConnectionError("the database is down")


class Endless(Collector):
    """Does not answer until it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.go_on = threading.Event()

    def collect(self) -> Iterator[ClientMetric]:
        self.asked += 1
        self.go_on.wait()
        yield ClientMetric("late", "Late.", "gauge")


def registry(*collectors: Collector) -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("paid", "Paid.", registry=made).inc(3)
    for collector in collectors:
        made.register(collector)
    Gauge("depth", "Depth.", registry=made).set(5)
    return made


def names(instruments: Instruments) -> list[str]:
    own = {family.name for family in instruments.own_snapshot()}
    return [family.name for family in instruments.snapshot() if family.name not in own]


def errors(instruments: Instruments) -> float:
    return instruments.counter(catalogue.INSTRUMENTATION_ERRORS).series().row()


def test_adopting_the_layer_changes_nothing_of_the_host_s_own_exposition() -> None:
    host = registry()
    before = generate_latest(host)
    instruments = Instruments(registries=[host])
    instruments.snapshot()
    assert generate_latest(host) == before
    assert b"paid_created" in before
    assert b"paid_created" in exposition(instruments.snapshot(), "").body


def test_a_registry_is_exposed_once() -> None:
    host = registry()
    instruments = Instruments(registries=[host])
    instruments.include(host)
    assert names(instruments) == ["paid_total", "depth"]


def test_the_layer_s_own_metric_wins_where_names_collide() -> None:
    host = registry()
    Counter("log_lines", "The host's.", registry=host).inc(99)
    Gauge("operation_duration_seconds_count", "The host's.", registry=host).set(1)
    instruments = Instruments(registries=[host, registry()])
    instruments.counter(catalogue.LOG_LINES).series("info").note()
    with captured_logs() as lines:
        for _ in range(3):
            assert names(instruments) == ["paid_total", "depth"]
    assert [(line["event"], line["metric"]) for line in lines] == [
        ("metric_name_taken", "log_lines_total"),
        ("metric_name_taken", "operation_duration_seconds_count"),
        ("metric_name_taken", "paid_total"),
        ("metric_name_taken", "depth"),
    ]
    (own,) = [family for family in instruments.snapshot() if family.name == "log_lines_total"]
    assert own.rows == {("info",): 1.0}


def test_a_collector_that_raises_costs_its_own_families_only() -> None:
    instruments = Instruments(registries=[registry(Broken())])
    with captured_logs() as lines:
        assert names(instruments) == ["paid_total", "depth"]
        assert names(instruments) == ["paid_total", "depth"]
    assert errors(instruments) > 0
    assert [(line["collector"], line["error_type"]) for line in lines] == [
        ("Broken", "ConnectionError")
    ]


def test_a_collector_that_does_not_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_registries, "COLLECT_SECONDS", 0.2)
    endless = Endless()
    instruments = Instruments(registries=[registry(endless)])
    try:
        for _ in range(3):
            assert names(instruments) == ["paid_total", "depth"]
        assert endless.asked == 1
        assert errors(instruments) > 0
    finally:
        endless.go_on.set()


def test_a_collector_that_asks_a_database_is_not_asked_each_second() -> None:
    class Asking(Collector):
        asked = 0

        def collect(self) -> Iterator[ClientMetric]:
            self.asked += 1
            metric = ClientMetric("rows", "Rows.", "gauge")
            metric.add_sample("rows", {}, self.asked)
            yield metric

    collector = Asking()
    instruments = Instruments(registries=[registry(collector)])
    for _ in range(3):
        instruments.snapshot(host_within_seconds=60)
    assert collector.asked == 1
    assert b"\nrows 2.0\n" in exposition(instruments.snapshot(), "").body


@pytest.mark.parametrize(
    ("mode", "together"),
    [
        ("all", 8),
        ("sum", 8),
        ("livesum", 8),
        ("min", 3),
        ("livemin", 3),
        ("livemax", 5),
        ("max", 5),
    ],
)
def test_gauges_of_several_workers_become_one_as_the_host_has_said(
    mode: str, together: float
) -> None:
    def worker(depth: float) -> Instruments:
        host = CollectorRegistry()
        Gauge("depth", "Depth.", registry=host, multiprocess_mode=mode).set(depth)  # type: ignore[arg-type]
        return Instruments(registries=[host])

    families = merged([worker(3).snapshot(), worker(5).snapshot()])
    (depth,) = [family for family in families if family.name == "depth"]
    assert [*depth.rows.values()] == [together]


def test_what_a_registry_says_of_its_process_is_exposed_too() -> None:
    instruments = Instruments(registries=[CollectorRegistry(target_info={"env": "test"})])
    assert b'target_info{env="test"} 1.0\n' in exposition(instruments.snapshot(), "").body
