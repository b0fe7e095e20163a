"""What the records of the business have to say."""

from itertools import product

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe, share
from alerts.signals import business
from app.core import catalogue
from app.core.catalogue import Route
from app.core.thresholds import Thresholds

_HOUR = 3600


def observe_business(universe: Universe) -> None:
    """Answers, decisions, escalations, plans and confidences of every kind."""
    for metric in (catalogue.AI_RESPONSES, catalogue.APPROVALS, catalogue.PAYMENT_PLANS):
        (label,) = metric.labels
        for value in label.values or ():
            universe.observe(metric, **{label.name: value})
    for kind, severity in product(("no_response", "payment_dispute"), ("low", "high")):
        universe.observe(catalogue.ESCALATIONS, type=kind, severity=severity, detection="auto")
    universe.observe(catalogue.AI_CONFIDENCE)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_business(universe)

    responses = catalogue.AI_RESPONSES.name
    confidence = catalogue.AI_CONFIDENCE
    expected = {
        business.RESPONSES.name: universe.increases(responses, _HOUR, ("job", "route")),
        business.AUTO_SENT_RATIO.name: share(
            universe.rates(
                responses, _HOUR, where=lambda labels: labels["route"] == Route.AUTO_SENT
            ),
            universe.rates(responses, _HOUR),
        ),
        business.APPROVALS.name: universe.increases(
            catalogue.APPROVALS.name, _HOUR, ("job", "action")
        ),
        business.ESCALATIONS.name: universe.increases(
            catalogue.ESCALATIONS.name, _HOUR, ("job", "type")
        ),
        business.PAYMENT_PLANS.name: universe.increases(
            catalogue.PAYMENT_PLANS.name, _HOUR, ("job", "result")
        ),
        business.CONFIDENCE_MEAN.name: share(
            universe.rates(confidence.sum, 300), universe.rates(confidence.count, 300)
        ),
        business.CONFIDENCE_P10.name: universe.quantiles(0.1, confidence),
    }
    return [RecordTest("answers, decisions, escalations and plans", universe, expected)]
