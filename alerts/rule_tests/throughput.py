"""What the records of throughput have to say."""

from statistics import fmean

from alerts.rule_tests.http import observe_requests
from alerts.rule_tests.operations import observe_operations
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import JOB, Universe, Values, key_of, labelled
from alerts.signals import throughput
from app.core import catalogue
from app.core.catalogue import Component
from app.core.thresholds import Thresholds

_LABELS = ("job", "flow")
_DAY, _WEEK = 86400, 604800


def minutes(_thresholds: Thresholds) -> list[RecordTest]:
    """Each flow of the last minute."""
    universe = Universe()
    observe_requests(universe)
    observe_operations(universe)
    universe.observe(catalogue.SMS_RECEIVED)
    probes = ("/metrics", "/health", "/health/dependencies")
    expected = (
        labelled(universe.rates(catalogue.SMS_RECEIVED.name, 60), flow="sms")
        | labelled(
            universe.rates(
                catalogue.HTTP_SERVER_REQUEST_DURATION.count,
                60,
                where=lambda labels: labels["http_route"] not in probes,
            ),
            flow="requests",
        )
        | labelled(
            universe.rates(
                catalogue.OPERATION_DURATION.count,
                60,
                where=lambda labels: labels["component"] == Component.AI_PROVIDER,
            ),
            flow="ai_calls",
        )
    )
    return [RecordTest("what flows a second", universe, {throughput.RATE_1M: expected})]


def long(_thresholds: Thresholds) -> list[RecordTest]:
    """Each average from the one before it, and growth."""
    return [
        _average("five minutes of minutes", 1, throughput.RATE_1M, throughput.RATE_5M.name, 300),
        _average(
            "an hour of five minutes", 1, throughput.RATE_5M.name, throughput.RATE_1H.name, 3600
        ),
        _average("a day of hours", 120, throughput.RATE_1H.name, throughput.RATE_1D.name, _DAY),
        _growth(),
    ]


def _average(about: str, stretch: int, read: str, record: str, window: int) -> RecordTest:
    universe = _flows(stretch, read)
    expected = universe.over(fmean, read, window, _LABELS)
    return RecordTest(about, universe, {record: expected})


def _growth() -> RecordTest:
    universe = _flows(120, throughput.RATE_1H.name)
    grown: Values = {}
    for one in universe.series:
        before = fmean(universe.samples(one, 2 * _WEEK, _WEEK))
        now = fmean(universe.samples(one, _WEEK))
        grown[key_of(one.labels)] = now / before
    return RecordTest("growth from week to week", universe, {throughput.GROWTH_1W.name: grown})


def _flows(stretch: int, name: str) -> Universe:
    universe = Universe(stretch)
    for position, flow in enumerate(throughput.FLOWS, start=1):
        # A flow below one a second, too.
        universe.add(name, {"job": JOB, "flow": flow}, position / 40, grows=False)
    return universe
