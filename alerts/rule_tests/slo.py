"""What windows of the objectives have to say of the events that are recorded."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise, product
from statistics import fmean

from alerts.model import Record
from alerts.rule_tests.beginning import CALM, add_beginning, add_targets, first_rates
from alerts.rule_tests.http import PROBES, failed, observe_requests, served
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.sms import observe_sms
from alerts.rule_tests.universe import (
    JOB,
    Labels,
    Series,
    Universe,
    Values,
    Where,
    everything,
    key_of,
    labelled,
    or_zero,
)
from alerts.signals import slo, sms
from alerts.signals.scraping import REACHABLE
from app.core import catalogue
from app.core.catalogue import Route, Step, StepStatus
from app.core.objectives import SMS_LATENCY
from app.core.thresholds import Thresholds

_HOUR, _DAY = 3600, 86400
_OBJECTIVE = 0.99

_REQUESTS = catalogue.HTTP_SERVER_REQUEST_DURATION
_SMS, _STEPS = catalogue.SMS_PROCESSING_DURATION, catalogue.WORKFLOW_STEP_DURATION
_POST = {"http_request_method": "POST", "http_route": "/orchestrate/escalate"}
_PROMISED_STEPS = {"ai_answers": Step.AI_RESPONSE, "sms_delivery": Step.SEND_SMS}
_ENDED = (StepStatus.COMPLETED, StepStatus.FAILED)


def events(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of what counts and what fails."""
    moving = Universe()
    observe_requests(moving)
    observe_sms(moving)
    for metric, labels in (
        (_REQUESTS, {**_POST, "http_response_status_code": "200"}),
        (_SMS, {"route": Route.FAILED.value}),
        *((_STEPS, _step(step, StepStatus.COMPLETED)) for step in _PROMISED_STEPS.values()),
    ):
        moving.observe_one(metric, CALM, "c:8000", 0.001, **labels)
    # Without what is missing, one minute of it would be as good as two.
    for job, gaps in ((JOB, ()), (CALM, ((120, 105),))):
        moving.add(REACHABLE.name, {"job": job}, 0.1, grows=False, gaps=gaps)
    beginning = Universe()
    add_targets(beginning)
    for job, statuses in ((JOB, ("200", "500")), (CALM, ("200",))):
        for status in statuses:
            for route in (_POST["http_route"], PROBES[0]):
                own = {**_POST, "http_route": route, "http_response_status_code": status}
                add_beginning(beginning, _REQUESTS.count, job, len(beginning.series), own)
    for job, routes in ((JOB, (Route.QUEUED, Route.FAILED)), (CALM, (Route.FAILED,))):
        for route in routes:
            own = {"route": route.value}
            add_beginning(beginning, _SMS.count, job, len(beginning.series), own)
            for le, base in (("2.0", 2.0), ("+Inf", 5.0)):
                add_beginning(beginning, _SMS.bucket, job, base, {**own, "le": le})
    for job, ended in ((JOB, tuple(StepStatus)), (CALM, (StepStatus.COMPLETED,))):
        for step, status in product((*_PROMISED_STEPS.values(), Step.PAYMENT_PLAN), ended):
            own = _step(step, status)
            add_beginning(beginning, _STEPS.count, job, len(beginning.series), own)
    gone = Universe()
    promises = {}
    for each in slo.promised(thresholds):
        for job, since in (("just", 35 * 60), ("long", 80 * 60)):
            labels = {"job": job, "slo": each.objective.name}
            gaps = ((since, 0),)
            gone.add(slo.TOTAL, labels, 1, grows=False, gaps=gaps)
            if since < _HOUR:
                promises[key_of(labels)] = each.objective.objective
    return [
        RecordTest("what is promised of what is gone", gone, {slo.OBJECTIVE: promises}),
        RecordTest(
            "what counts and what fails",
            moving,
            _events(moving, thresholds, partial(_moving_rates, moving)),
        ),
        RecordTest(
            "counters that begin",
            beginning,
            _events(beginning, thresholds, partial(first_rates, beginning)),
        ),
    ]


def _moving_rates(
    universe: Universe, name: str, by: tuple[str, ...] = ("job",), where: Where = everything
) -> Values:
    return universe.rates(name, 120, by, where)


def _step(step: Step, status: StepStatus) -> dict[str, str]:
    return {"step": step.value, "step_type": "api_call", "status": status.value}


def _events(
    universe: Universe, thresholds: Thresholds, rates: Callable[..., Values]
) -> dict[str, Values]:
    def has_failed(labels: Mapping[str, str]) -> bool:
        return served(labels) and failed(labels)

    def in_time(labels: Mapping[str, str]) -> bool:
        return labels["le"] == "2.0" and labels["route"] != Route.FAILED

    by_status = ("job", "http_route", "http_response_status_code")
    requests = rates(_REQUESTS.count, where=served)
    received = rates(_SMS.count)
    kept = rates(_SMS.bucket, where=in_time)
    expected = {
        f"{'_'.join(by_status)}:sli_availability:rate2m": rates(_REQUESTS.count, by_status, served)
    }
    total = labelled(requests, slo="availability") | labelled(received, slo=SMS_LATENCY)
    errors = labelled(
        or_zero(rates(_REQUESTS.count, where=has_failed), requests), slo="availability"
    )
    errors |= labelled(
        {key: rate - kept.get(key, 0.0) for key, rate in received.items()}, slo=SMS_LATENCY
    )
    for name, step in _PROMISED_STEPS.items():

        def ended(labels: Mapping[str, str], step: Step = step) -> bool:
            return labels["step"] == step and labels["status"] in _ENDED

        def ended_badly(labels: Mapping[str, str], step: Step = step) -> bool:
            return labels["step"] == step and labels["status"] == StepStatus.FAILED

        tried = rates(_STEPS.count, where=ended)
        expected[f"job_status:sli_{name}:rate2m"] = rates(_STEPS.count, ("job", "status"), ended)
        total |= labelled(tried, slo=name)
        errors |= labelled(or_zero(rates(_STEPS.count, where=ended_badly), tried), slo=name)
    reachable = universe.over(fmean, REACHABLE.name, 120)
    total |= labelled(dict.fromkeys(reachable, 1.0), slo="reachable")
    errors |= labelled({key: 1 - mean for key, mean in reachable.items()}, slo="reachable")
    objectives = {each.objective.name: each.objective for each in slo.promised(thresholds)}
    promises = {key: objectives[dict(key)["slo"]].objective for key in total}
    return {**expected, slo.TOTAL: total, slo.ERRORS: errors, slo.OBJECTIVE: promises}


def tests(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of windows of an hour and less."""
    return [_fast(thresholds), _seen(), _turns()]


def slices(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of events of five minutes."""
    universe = Universe()
    _add_events(universe, (slo.TOTAL, slo.ERRORS))
    expected: dict[str, Values] = {
        record.name: {
            key: 15 * sum(universe.at_steps(one, 300, 15))
            for key, one in _by_key(universe, name).items()
        }
        for record, name in ((slo.SLICE_TOTAL, slo.TOTAL), (slo.SLICE_ERRORS, slo.ERRORS))
    }
    return [RecordTest("events of five minutes", universe, expected)]


def long(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of windows of hours and days, and of the whole period."""
    # A sample at each step of five minutes.
    universe = Universe(stretch=20)
    names = (slo.SLICE_TOTAL.name, slo.SLICE_ERRORS.name)
    _add_events(universe, names)
    expected: dict[str, Values] = {}
    period = (slo.period_error_ratio(thresholds), slo.BUDGET_SPENT)
    for (ratio, burn), failures, length in (
        (_burn("6h"), slo.failures("6h"), 6 * _HOUR),
        (_burn("3d"), slo.failures("3d"), 3 * _DAY),
        (period, slo.period_failures(thresholds), thresholds.slo_period_days * _DAY),
    ):
        expected |= _burning(universe, names, (ratio, burn), length=length, step=300)
        errors = _by_key(universe, slo.SLICE_ERRORS.name)
        expected[failures.name] = {
            key: sum(universe.at_steps(one, length, 300)) for key, one in errors.items()
        }
    spent = expected[slo.BUDGET_SPENT.name]
    expected[slo.BUDGET_LEFT.name] = {key: 1 - share for key, share in spent.items()}
    return [RecordTest("budgets over hours and days", universe, expected), _untold(thresholds)]


def _untold(thresholds: Thresholds) -> RecordTest:
    universe = Universe(stretch=20)
    burn = next(each for each in slo.BURN_RATES if each.long == "6h")
    rate, factor = slo.burn_rate(burn.long).name, burn.factor(thresholds.slo_period_days)
    # At its worst within six hours it is at three times what it is in the end.
    for job, worst in (("told", factor), (JOB, factor - 0.5)):
        labels = {"job": job, "slo": "availability"}
        universe.add(rate, labels, worst / 9, grows=False)
    expected = universe.now(rate, ("job", "slo"), lambda labels: labels["job"] == JOB)
    name = slo.untold(burn, thresholds).name
    return RecordTest(
        "what was told within six hours is not told again", universe, {name: expected}
    )


def _fast(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    names = (slo.TOTAL, slo.ERRORS)
    _add_events(universe, names)
    for job, weight in ((JOB, 1), (CALM, 1e-4)):
        # Sometimes more fail than is told by name, sometimes fewer.
        few = 3.5 * thresholds.sms_failed_ratio
        universe.add(sms.TOTAL.name, {"job": job}, weight, grows=False)
        universe.add(sms.FAILED.name, {"job": job}, 0, grows=False, base=few * weight)
    expected: dict[str, Values] = {}
    for window, length, step in (("5m", 300, 15), ("30m", 1800, 60), ("1h", _HOUR, 60)):
        expected |= _burning(universe, names, _burn(window), length=length, step=step)
    expected[slo.failures("1h").name] = {
        key: 60 * sum(universe.at_steps(one, _HOUR, 60))
        for key, one in _by_key(universe, slo.ERRORS).items()
    }
    (late,) = (
        each.objective for each in slo.promised(thresholds) if each.objective.name == SMS_LATENCY
    )
    told = {}
    failed_by, total_by = (_by_key(universe, each.name) for each in (sms.FAILED, sms.TOTAL))
    for key, one in failed_by.items():
        failed, total = (universe.at_steps(each, _HOUR, 60) for each in (one, total_by[key]))
        many = (
            part
            for part, whole in zip(failed, total, strict=True)
            if part / whole > thresholds.sms_failed_ratio and part >= sms.least_told(thresholds)
        )
        told[dict(key)["job"]] = sum(many) / sum(total) / late.budget
    expected[slo.without_told(late, "1h", thresholds).name] = {
        key: burn - told[dict(key)["job"]]
        for key, burn in expected[slo.burn_rate("1h").name].items()
        if dict(key)["slo"] == late.name
    }
    return RecordTest("budgets over an hour and less", universe, expected)


def _seen() -> RecordTest:
    universe = Universe()
    for job, weight, base in (("always", 0.3, 0.0), ("sometimes", 0.5, -2.0)):
        universe.add(
            slo.ERRORS, {"job": job, "slo": "availability"}, weight, grows=False, base=base
        )
    expected: dict[str, Values] = {
        slo.lasting(window).name: {
            key: step * sum(value > 0 for value in universe.at_steps(one, length, step))
            for key, one in _by_key(universe, slo.ERRORS).items()
        }
        for window, length, step in ((slo.EVIDENCE, 1800, 15),)
    }
    return RecordTest("for how long failures are seen", universe, expected)


def _turns() -> RecordTest:
    universe = Universe(stretch=2)
    universe.add(REACHABLE.name, {"job": JOB}, 1, grows=False)
    (one,) = universe.series
    expected: dict[str, Values] = {}
    for window, length in (("1h", _HOUR), ("6h", 6 * _HOUR)):
        values = universe.samples(one, length)
        turns = sum(before != after for before, after in pairwise(values))
        expected[slo.turns(window).name] = {(("job", JOB),): turns}
    return RecordTest("how often the service went away or came back", universe, expected)


def _add_events(universe: Universe, names: tuple[str, str]) -> None:
    """Events of two objectives; of the calm job fewer than one in all of the time."""
    total, errors = names
    for job, scale in ((JOB, 1.0), (CALM, 1e-4)):
        for position, name in enumerate(("availability", SMS_LATENCY), start=1):
            labels = {"job": job, "slo": name}
            universe.add(total, labels, position * scale, grows=False, base=scale)
            universe.add(errors, labels, 0.1 * position * scale, grows=False)
            universe.add(slo.OBJECTIVE, labels, 0, grows=False, base=_OBJECTIVE)


def _burn(window: str) -> tuple[Record, Record]:
    return slo.error_ratio(window), slo.burn_rate(window)


def _burning(
    universe: Universe,
    names: tuple[str, str],
    records: tuple[Record, Record],
    length: int,
    step: int,
) -> dict[str, Values]:
    """The share that failed within a window, and how fast that uses up the budget."""
    total, errors = (_by_key(universe, name) for name in names)
    ratios = {
        key: sum(universe.at_steps(one, length, step))
        / (length / step)
        / fmean(universe.at_steps(total[key], length, step))
        for key, one in errors.items()
    }
    ratio, burn = records
    return {
        ratio.name: ratios,
        burn.name: {key: share / (1 - _OBJECTIVE) for key, share in ratios.items()},
    }


def _by_key(universe: Universe, name: str) -> dict[Labels, Series]:
    return {key_of(one.labels): one for one in universe.series if one.name == name}
