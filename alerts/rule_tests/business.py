"""What the records of the business have to say."""

from collections.abc import Mapping
from itertools import product
from statistics import quantiles

from alerts.model import Record
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import INSTANCES, JOB, Universe, Values, share
from alerts.signals import business
from app.core import catalogue
from app.core.catalogue import ApprovalAction, Route
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_HOUR, _DAY = 3600, 86400


def observe_business(universe: Universe) -> None:
    """Answers, decisions, escalations, plans and confidences of every kind."""
    for metric in (
        *(catalogue.AI_RESPONSES, catalogue.APPROVALS),
        *(catalogue.PAYMENT_PLANS, catalogue.PAYMENT_PLAN_DETECTIONS),
    ):
        (label,) = metric.labels
        for value in label.values or ():
            universe.observe(metric, **{label.name: value})
    for kind, severity in product(("no_response", "payment_dispute"), ("low", "high")):
        universe.observe(catalogue.ESCALATIONS, type=kind, severity=severity, detection="auto")
    universe.observe(catalogue.AI_CONFIDENCE)
    universe.observe(catalogue.SMS_RECEIVED)
    _observe_calm_job(universe)
    universe.observe(catalogue.APPROVAL_QUEUE_LENGTH)
    universe.observe(catalogue.APPROVAL_QUEUE_OLDEST_AGE)
    universe.observe(catalogue.WORKFLOWS_FAILED)
    universe.observe(catalogue.WORKFLOWS_FAILED_OLDEST_AGE)
    # Each urgency is the least in one of the jobs: all of them together are another age.
    severities = ("low", "medium", "high", "critical")
    for job, ordered in ((JOB, severities), ("calm", severities[::-1])):
        for (position, severity), instance in product(enumerate(ordered, start=1), INSTANCES):
            labels = {"job": job, "instance": instance, "severity": severity}
            weight = 2 * position + INSTANCES.index(instance)
            universe.add(catalogue.ESCALATIONS_OLDEST_AGE.name, labels, weight, grows=False)


def _observe_calm_job(universe: Universe) -> None:
    """So little traffic that a whole of less than 1 has a share as well."""

    def observe(metric: Metric, **labels: str) -> None:
        universe.observe_one(metric, "calm", "c:8000", 1e-5, **labels)

    observe(catalogue.SMS_RECEIVED)
    observe(catalogue.AI_CONFIDENCE)
    observe(catalogue.ESCALATIONS, type="payment_dispute", severity="low", detection="auto")
    for metric, values in (
        (catalogue.AI_RESPONSES, (Route.AUTO_SENT, Route.QUEUED)),
        (catalogue.APPROVALS, (ApprovalAction.APPROVE, ApprovalAction.MODIFY)),
        (catalogue.PAYMENT_PLAN_DETECTIONS, ("found", "none")),
    ):
        for value in values:
            observe(metric, **{metric.label_names[0]: str(value)})


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_business(universe)

    responses = catalogue.AI_RESPONSES.name
    confidence = catalogue.AI_CONFIDENCE
    escalations = universe.increases(catalogue.ESCALATIONS.name, _HOUR, ("job", "type"))
    received = universe.increases(catalogue.SMS_RECEIVED.name, _HOUR)
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
        business.DECIDED.name: universe.increases(catalogue.APPROVALS.name, _HOUR),
        business.ESCALATIONS.name: escalations,
        business.ESCALATIONS_PER_SMS.name: {
            key: opened / received[("job", dict(key)["job"]),]
            for key, opened in escalations.items()
        },
        business.JUST_ESCALATED_PER_SMS.name: {
            key: opened
            / universe.increases(catalogue.SMS_RECEIVED.name, 600)[("job", dict(key)["job"]),]
            for key, opened in universe.increases(
                catalogue.ESCALATIONS.name, 600, ("job", "type")
            ).items()
        },
        business.RECEIVED.name: received,
        business.ANSWERS.name: universe.increases(responses, _HOUR),
        business.ANSWERING.name: universe.rates(responses, 300),
        business.PAYMENT_PLANS.name: universe.increases(
            catalogue.PAYMENT_PLANS.name, _HOUR, ("job", "result")
        ),
        business.CONFIDENCE_MEAN.name: share(
            universe.rates(confidence.sum, 300), universe.rates(confidence.count, 300)
        ),
        business.CONFIDENCE_P10.name: universe.quantiles(0.1, confidence),
        business.CONFIDENCE_MEAN_1H.name: share(
            universe.rates(confidence.sum, _HOUR), universe.rates(confidence.count, _HOUR)
        ),
        # Two instances say the same of one database, one of them a little earlier.
        business.QUEUE_LENGTH.name: universe.now(catalogue.APPROVAL_QUEUE_LENGTH.name, combine=max),
        business.QUEUE_OLDEST.name: universe.now(
            catalogue.APPROVAL_QUEUE_OLDEST_AGE.name, combine=max
        ),
        business.FAILED_WORKFLOWS.name: universe.now(catalogue.WORKFLOWS_FAILED.name, combine=max),
        business.FAILED_OLDEST.name: universe.now(
            catalogue.WORKFLOWS_FAILED_OLDEST_AGE.name, combine=max
        ),
        business.ESCALATIONS_OLDEST: {
            tuple(sorted((("urgency" if n == "severity" else n), v) for n, v in key)): value
            for key, value in universe.now(
                catalogue.ESCALATIONS_OLDEST_AGE.name, ("job", "severity"), combine=max
            ).items()
        },
    }
    return [RecordTest("answers, decisions, escalations and plans", universe, expected)]


def hours(_thresholds: Thresholds) -> list[RecordTest]:
    """Windows of six hours."""
    universe = Universe()
    observe_business(universe)
    approvals, looked = catalogue.APPROVALS.name, catalogue.PAYMENT_PLAN_DETECTIONS.name

    def approved(labels: Mapping[str, str]) -> bool:
        return labels["action"] == ApprovalAction.APPROVE

    def found(labels: Mapping[str, str]) -> bool:
        return labels["result"] == "found"

    decisions = universe.increases(approvals, 6 * _HOUR)
    messages = universe.increases(looked, 6 * _HOUR)
    expected = {
        business.DECISIONS.name: decisions,
        business.DECIDING.name: universe.rates(approvals, 300),
        business.LOOKING.name: universe.rates(looked, 300),
        business.APPROVED_RATIO.name: share(
            universe.increases(approvals, 6 * _HOUR, where=approved), decisions
        ),
        business.LOOKED_THROUGH.name: messages,
        business.FOUND_RATIO.name: share(
            universe.increases(looked, 6 * _HOUR, where=found), messages
        ),
    }
    return [
        RecordTest("decisions and plans of six hours", universe, expected),
        _seen((business.DECIDING, business.DECISIONS_SEEN, 6 * _HOUR)),
    ]


def week(_thresholds: Thresholds) -> list[RecordTest]:
    """Beside the week before."""
    universe = Universe(stretch=120)
    for record in (business.FOUND_RATIO, business.CONFIDENCE_MEAN_1H):
        for job, gaps in (
            (JOB, ()),
            # Seen a little on its first day, before a gap: that is enough to know what is usual.
            ("known", ((5 * _DAY, _DAY // 2),)),
            # What is known began within the last day, or is older than the week.
            ("new", ((10**8, _DAY),)),
            ("forgotten", ((7 * _DAY, _DAY),)),
        ):
            universe.add(record.name, {"job": job}, 0.01, grows=False, gaps=gaps)
    for job in (JOB, "known", "new", "forgotten"):
        universe.add(business.LOOKED_THROUGH.name, {"job": job}, 50, grows=False)
    # Those of the second job decide on less than one an hour.
    for job, weight in ((JOB, 1), ("known", 0.01)):
        universe.add(business.DECIDED.name, {"job": job}, weight, grows=False)
        universe.add(business.QUEUE_LENGTH.name, {"job": job}, 10 * weight**2, grows=False)
    found = _usual(universe, business.FOUND_RATIO, 6 * _HOUR)
    confidence = _usual(universe, business.CONFIDENCE_MEAN_1H, _HOUR)
    found_now = universe.now(business.FOUND_RATIO.name)
    confidence_now = universe.now(business.CONFIDENCE_MEAN_1H.name)
    looked = universe.now(business.LOOKED_THROUGH.name)
    working_hour: Values = {
        (("job", one.labels["job"]),): quantiles(
            universe.at_steps(one, 7 * _DAY, _HOUR), n=10, method="inclusive"
        )[-1]
        for one in universe.series
        if one.name == business.DECIDED.name
    }
    waiting = universe.now(business.QUEUE_LENGTH.name)
    expected = {
        business.FOUND_RATIO_USUAL.name: found,
        business.FOUND_EXPECTED.name: {key: looked[key] * usual for key, usual in found.items()},
        business.FOUND_TO_USUAL.name: {key: found_now[key] / usual for key, usual in found.items()},
        business.CONFIDENCE_USUAL.name: confidence,
        business.CONFIDENCE_DRIFT.name: {
            key: abs(confidence_now[key] - usual) for key, usual in confidence.items()
        },
        business.WORKING_HOUR.name: working_hour,
        business.QUEUE_WORK.name: {
            key: _HOUR * waiting[key] / decided for key, decided in working_hour.items()
        },
    }
    return [
        RecordTest("what is beside the week before", universe, expected),
        _seen(
            (business.LOOKING, business.LOOKED_SEEN, 6 * _HOUR),
            (business.ANSWERING, business.ANSWERS_SEEN, _HOUR),
        ),
    ]


def _seen(*each: tuple[Record, Record, int]) -> RecordTest:
    """For how long something was done, however little: its rate, the record, its window."""
    universe = Universe()
    expected: dict[str, Values] = {}
    for record, seen, window in each:
        expected[seen.name] = {}
        for job, weight, base in (("always", 0.3, 0.0), ("sometimes", 0.5, -2.0)):
            universe.add(record.name, {"job": job}, weight, grows=False, base=base)
            values = universe.at_steps(universe.series[-1], window, 60)
            expected[seen.name][("job", job),] = 60 * sum(value > 0 for value in values)
    return RecordTest("for how long something was done, however little", universe, expected)


def _usual(universe: Universe, record: Record, window: int) -> Values:
    """The mean of a week that ended ``window`` ago, where one of its first six days is known."""
    found: Values = {}
    for one in universe.series:
        if one.name == record.name and universe.samples(one, 7 * _DAY, _DAY):
            samples = universe.samples(one, 7 * _DAY + window, window)
            found[("job", one.labels["job"]),] = sum(samples) / len(samples)
    return found
