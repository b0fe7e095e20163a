"""What the records of SMS have to say."""

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe, or_zero, share
from alerts.signals import sms
from app.core import catalogue
from app.core.catalogue import Route
from app.core.thresholds import Thresholds

_DURATION = catalogue.SMS_PROCESSING_DURATION


def observe_sms(universe: Universe) -> None:
    """SMS that end in each way."""
    universe.observe(catalogue.SMS_RECEIVED)
    for route in (Route.QUEUED, Route.AUTO_SENT, Route.FAILED):
        universe.observe(_DURATION, route=route.value)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_sms(universe)
    for metric in (catalogue.SMS_IN_FLIGHT, catalogue.SMS_CAPACITY):
        universe.observe(metric)
        universe.observe_one(metric, "calm", "c:8000", 0.01)
    # No workflow has failed there.
    universe.observe_one(_DURATION, "calm", "c:8000", 0.001, route=Route.QUEUED.value)
    processed = universe.rates(_DURATION.count, 300)
    failed = or_zero(
        universe.rates(_DURATION.count, 300, where=lambda labels: labels["route"] == Route.FAILED),
        processed,
    )
    expected = {
        sms.RECEIVED.name: universe.rates(catalogue.SMS_RECEIVED.name, 300),
        sms.TOTAL.name: processed,
        sms.BY_ROUTE.name: universe.rates(_DURATION.count, 300, ("job", "route")),
        sms.P50.name: universe.quantiles(0.5, _DURATION),
        sms.P90.name: universe.quantiles(0.9, _DURATION),
        sms.P99.name: universe.quantiles(0.99, _DURATION),
        sms.FAILED.name: failed,
        sms.FAILED_RATIO.name: share(failed, processed),
        sms.IN_FLIGHT_RATIO.name: share(
            universe.now(catalogue.SMS_IN_FLIGHT.name), universe.now(catalogue.SMS_CAPACITY.name)
        ),
    }
    return [RecordTest("SMS by where they ended", universe, expected)]
