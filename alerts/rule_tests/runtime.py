"""What the records of the process have to say."""

from collections.abc import Callable
from itertools import pairwise

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import INSTANCES, JOB, LAST_PACE, Universe, Values
from alerts.signals import runtime
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_BY = ("job", "instance")
_DAY = 86400


def observe_process(universe: Universe) -> None:
    """What instances use and lose; and a Prometheus, which has no workers."""
    for metric in (
        *(catalogue.PROCESS_CPU, catalogue.PROCESS_MEMORY, catalogue.PROCESS_START_TIME),
        *(catalogue.ROLLUP_FLUSH_FAILURES, catalogue.ROLLUP_LOST_EVENTS),
        catalogue.CLOCK_SET_BACK,
        *(catalogue.INSTRUMENTATION_ERRORS, catalogue.EVENT_LOOP_LAG, catalogue.PROCESS_WORKERS),
    ):
        universe.observe(metric)
    for metric in (catalogue.PROCESS_CPU, catalogue.PROCESS_MEMORY, catalogue.PROCESS_START_TIME):
        universe.observe_one(metric, "prometheus", "p:9090", 1)
    # One worker, as most have.
    for metric in (catalogue.PROCESS_CPU, catalogue.PROCESS_MEMORY, catalogue.PROCESS_START_TIME):
        universe.observe_one(metric, JOB, "c:8000", 1)
    one = {"job": JOB, "instance": "c:8000"}
    universe.add(catalogue.PROCESS_WORKERS.name, one, 1 / LAST_PACE, grows=False)
    # Nothing of it is late by more than a quarter of a second.
    for le in ("0.25", "+Inf"):
        universe.add(catalogue.EVENT_LOOP_LAG.bucket, {**one, "le": le}, 1, grows=True)
    for reason in ("sampled", "queue_full", "broken"):
        universe.observe(catalogue.LOG_LINES_DROPPED, reason=reason)
    for task in ("sweep", "backlog"):
        universe.observe(catalogue.BACKGROUND_TASK_FAILURES, task=task)
        universe.observe(catalogue.BACKGROUND_TASK_LAST_ROUND, task=task)
    # One has its rounds more often than it is scraped.
    for task, seconds in (("sweep", 30), ("backlog", 90)):
        for instance in INSTANCES:
            labels = {"job": JOB, "instance": instance, "task": task}
            weight = seconds / LAST_PACE
            universe.add(catalogue.BACKGROUND_TASK_INTERVAL.name, labels, weight, grows=False)
    for sink in ("stdout", "file"):
        universe.observe(catalogue.LOG_WRITE_ERRORS, sink=sink)
    for label in ("http_route", "http_request_method"):
        universe.observe(catalogue.LABEL_OVERFLOWS, label=label)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_process(universe)
    memory, started = catalogue.PROCESS_MEMORY.name, catalogue.PROCESS_START_TIME.name
    workers = universe.now(catalogue.PROCESS_WORKERS.name, _BY)

    def of_workers(values: Values, combine: Callable[[float, float], float]) -> Values:
        return {key: combine(values[key], number) for key, number in workers.items()}

    def per_worker(values: Values) -> Values:
        return of_workers(values, lambda value, number: value / number)

    def grown(metric: Metric, window: int, *labels: str) -> Values:
        return universe.increases(metric.name, window, (*_BY, *labels))

    expected = {
        runtime.MEMORY.name: per_worker(universe.now(memory, _BY)),
        runtime.MEMORY_IN_A_DAY.name: per_worker(
            universe.over(lambda samples: _in_a_day(universe, samples), memory, 6 * 3600, _BY)
        ),
        runtime.CPU.name: per_worker(universe.rates(catalogue.PROCESS_CPU.name, 300, _BY)),
        runtime.UPTIME.name: of_workers(
            universe.now(started, _BY), lambda start, _: universe.at - start
        ),
        runtime.RESTARTS.name: of_workers(
            universe.over(_changes, started, 1800, _BY), lambda changes, _: changes
        ),
        runtime.LAG.name: universe.quantiles(0.99, catalogue.EVENT_LOOP_LAG, 300, _BY),
        runtime.BACKGROUND_FAILED.name: grown(catalogue.BACKGROUND_TASK_FAILURES, 900, "task"),
        runtime.ROUNDS_MISSED.name: _missed(universe),
        runtime.FLUSHES_FAILED.name: grown(catalogue.ROLLUP_FLUSH_FAILURES, 60),
        runtime.CLOCK_SET_BACK.name: grown(catalogue.CLOCK_SET_BACK, 3600),
        runtime.EVENTS_LOST.name: grown(catalogue.ROLLUP_LOST_EVENTS, 900),
        runtime.LINES_DROPPED.name: universe.increases(
            catalogue.LOG_LINES_DROPPED.name,
            300,
            (*_BY, "reason"),
            lambda labels: labels["reason"] != "sampled",
        ),
        runtime.LOG_WRITES_FAILED.name: grown(catalogue.LOG_WRITE_ERRORS, 60, "sink"),
        runtime.MEASUREMENTS_LOST.name: grown(catalogue.INSTRUMENTATION_ERRORS, 900),
        runtime.LABELS_FOLDED.name: grown(catalogue.LABEL_OVERFLOWS, 3600, "label"),
    }
    return [RecordTest("what instances use and lose", universe, expected)]


def _missed(universe: Universe) -> Values:
    """How many intervals ago, of a minute at least, each task's last round ended."""
    by = (*_BY, "task")
    last = universe.now(catalogue.BACKGROUND_TASK_LAST_ROUND.name, by)
    intervals = universe.now(catalogue.BACKGROUND_TASK_INTERVAL.name, by)
    return {key: (universe.at - at) / max(intervals[key], 60) for key, at in last.items()}


def _in_a_day(universe: Universe, samples: list[float]) -> float:
    """Where the line of least squares through the last ``samples`` is a day after the end."""
    since_last = universe.at % universe.step
    count = len(samples)
    times = [-since_last - universe.step * (count - 1 - n) for n in range(count)]
    mean_time, mean = sum(times) / count, sum(samples) / count
    slope = sum(
        (time - mean_time) * (value - mean) for time, value in zip(times, samples, strict=True)
    ) / sum((time - mean_time) ** 2 for time in times)
    return mean + slope * (_DAY - mean_time)


def _changes(samples: list[float]) -> float:
    return sum(before != after for before, after in pairwise(samples))
