"""What the records of durations have to say."""

from alerts.rule_tests.beginning import CALM
from alerts.rule_tests.http import observe_requests, served
from alerts.rule_tests.operations import observe_operations, succeeded
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe
from alerts.signals import durations
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome

_REQUEST, _OPERATION = catalogue.HTTP_SERVER_REQUEST_DURATION, catalogue.OPERATION_DURATION
_SENDING = {"component": "sms_agent", "operation": "send_sms"}
_BY_ROUTE = ("job", "http_route")
_BY_OPERATION = ("job", "component", "operation")


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_requests(universe)
    observe_operations(universe)
    # So fast that every quantile is below a second.
    for metric, labels in (
        (_REQUEST, {"http_route": "/orchestrate/escalate"}),
        (_OPERATION, {**_SENDING, "outcome": Outcome.SUCCESS.value}),
    ):
        for le in (str(float(metric.buckets[0])), "+Inf"):
            universe.add(metric.bucket, {"job": CALM, **labels, "le": le}, 1, grows=True)
    expected = {
        durations.REQUEST_P99.name: universe.quantiles(0.99, _REQUEST, 300, _BY_ROUTE, served),
        durations.P50.name: universe.quantiles(0.5, _OPERATION, 300, _BY_OPERATION, succeeded),
        durations.P99.name: universe.quantiles(0.99, _OPERATION, 300, _BY_OPERATION, succeeded),
    }
    return [RecordTest("how long what is asked and what succeeds takes", universe, expected)]
