"""What the records of SMS have to say."""

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe
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
    expected = {
        sms.RECEIVED.name: universe.rates(catalogue.SMS_RECEIVED.name, 300),
        sms.TOTAL.name: universe.rates(_DURATION.count, 300),
        sms.BY_ROUTE.name: universe.rates(_DURATION.count, 300, ("job", "route")),
        sms.P50.name: universe.quantiles(0.5, _DURATION),
        sms.P90.name: universe.quantiles(0.9, _DURATION),
        sms.P99.name: universe.quantiles(0.99, _DURATION),
    }
    return [RecordTest("SMS by where they ended", universe, expected)]
