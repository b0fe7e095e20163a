"""What the records of the objectives have to say."""

from collections.abc import Iterable, Mapping

from alerts.promql import seconds
from alerts.rule_tests.http import failed, observe_requests, served
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.sms import observe_sms
from alerts.rule_tests.universe import (
    JOB,
    LAST_PACE,
    Labels,
    Universe,
    Values,
    labelled,
    or_zero,
    share,
    times,
)
from alerts.signals import slo
from app.core import catalogue
from app.core.catalogue import Route, Step, StepStatus, StepType
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

OBJECTIVE = "job_slo:slo_objective:ratio"
CALM = "calm"
_ERRORS = (slo.ERRORS, slo.SLICE_ERRORS.name)
_STEPS = catalogue.WORKFLOW_STEP_DURATION.count


def events(thresholds: Thresholds) -> list[RecordTest]:
    """What counts and what fails."""
    universe = Universe()
    observe_requests(universe)
    observe_sms(universe)
    for step, status in (
        (Step.AI_RESPONSE, StepStatus.COMPLETED),
        (Step.AI_RESPONSE, StepStatus.FAILED),
        (Step.AI_RESPONSE, StepStatus.SKIPPED),
        (Step.SEND_SMS, StepStatus.COMPLETED),
        (Step.SEND_SMS, StepStatus.FAILED),
        (Step.SEND_SMS, StepStatus.SKIPPED),
        (Step.NOTIFY_MANAGER, StepStatus.FAILED),
    ):
        universe.observe(
            catalogue.WORKFLOW_STEP_DURATION,
            step=step.value,
            step_type=StepType.API_CALL.value,
            status=status.value,
        )
    _add_calm_job(universe)
    totals: Values = {}
    errors: Values = {}
    for name, (total, failures) in _counted(universe, thresholds).items():
        totals |= labelled(total, slo=name)
        errors |= labelled(or_zero(failures, total), slo=name)
    promised: Values = {
        (("job", job), ("slo", objective.slo)): objective.objective
        for objective in slo.objectives(thresholds)
        for job in (JOB, CALM)
    }
    expected: dict[str, Values] = {
        slo.TOTAL: totals,
        slo.ERRORS: errors,
        OBJECTIVE: promised,
        slo.error_ratio("5m").name: share(errors, totals),
    }
    return [RecordTest("what counts and what fails, of each objective", universe, expected)]


def _add_calm_job(universe: Universe) -> None:
    """A job with little traffic, where nothing has failed yet: there are no such series."""

    def observe(metric: Metric, **labels: str) -> None:
        universe.observe_one(metric, CALM, "c:8000", 0.01, **labels)

    observe(
        catalogue.HTTP_SERVER_REQUEST_DURATION,
        http_request_method="POST",
        http_route="/orchestrate/escalate",
        http_response_status_code="200",
    )
    observe(catalogue.SMS_PROCESSING_DURATION, route=Route.FAILED.value)
    for step in (Step.AI_RESPONSE, Step.SEND_SMS):
        observe(
            catalogue.WORKFLOW_STEP_DURATION,
            step=step.value,
            step_type=StepType.API_CALL.value,
            status=StepStatus.COMPLETED.value,
        )


def _counted(universe: Universe, thresholds: Thresholds) -> dict[str, tuple[Values, Values]]:
    requests = catalogue.HTTP_SERVER_REQUEST_DURATION.count
    processed = catalogue.SMS_PROCESSING_DURATION

    def in_time(labels: Mapping[str, str]) -> bool:
        promised = str(float(thresholds.sms_latency_seconds))
        return labels["le"] == promised and labels["route"] != Route.FAILED

    def ended(step: Step, *statuses: StepStatus) -> Values:
        return universe.rates(
            _STEPS,
            300,
            where=lambda labels: labels["step"] == step and labels["status"] in statuses,
        )

    sms = universe.rates(processed.count, 300)
    kept = universe.rates(processed.bucket, 300, where=in_time)
    tried = (StepStatus.COMPLETED, StepStatus.FAILED)
    return {
        "availability": (
            universe.rates(requests, 300, where=served),
            universe.rates(requests, 300, where=lambda labels: served(labels) and failed(labels)),
        ),
        "sms_latency": (sms, {key: rate - kept.get(key, 0) for key, rate in sms.items()}),
        "ai_answers": (
            ended(Step.AI_RESPONSE, *tried),
            ended(Step.AI_RESPONSE, StepStatus.FAILED),
        ),
        "sms_delivery": (ended(Step.SEND_SMS, *tried), ended(Step.SEND_SMS, StepStatus.FAILED)),
    }


def hours(_thresholds: Thresholds) -> list[RecordTest]:
    """Windows of hours."""
    windows = tuple(window for window in slo.FAST if window != "5m")
    universe = _recorded(1, windows, slo.TOTAL, slo.ERRORS)
    expected = {slo.error_ratio(window).name: _ratio(universe, window) for window in windows}
    for window in ("1h", "6h"):
        expected[slo.failures(window).name] = _failures(universe, window)
    budgets = _add_objectives(universe, _ratio(universe, "1h"))
    expected[slo.BURN_RATE.name] = {
        labels: ratio / budgets[dict(labels)["slo"]]
        for labels, ratio in _ratio(universe, "1h").items()
    }
    return [
        RecordTest("error ratios over hours, where enough of them is known", universe, expected)
    ]


def slices(_thresholds: Thresholds) -> list[RecordTest]:
    """Events of 5 minutes each."""
    universe = Universe()
    _add_job(universe, JOB, slo.TOTAL, slo.ERRORS)
    expected = {
        counted.name: times(universe.now(rate, ("job", "slo")), 300)
        for rate, counted in ((slo.TOTAL, slo.SLICE_TOTAL), (slo.ERRORS, slo.SLICE_ERRORS))
    }
    return [RecordTest("events of 5 minutes", universe, expected)]


def days(thresholds: Thresholds) -> list[RecordTest]:
    """Windows of days."""
    universe = _recorded(120, slo.SLOW, slo.SLICE_TOTAL.name, slo.SLICE_ERRORS.name)
    expected = {slo.error_ratio(window).name: _ratio(universe, window) for window in slo.SLOW}
    for window in slo.SLOW:
        expected[slo.failures(window).name] = _failures(universe, window)
    period = slo.period_error_ratio(thresholds).name
    expected[period] = _ratio(universe, f"{thresholds.slo_period_days}d", however_young=True)
    budgets = _add_objectives(universe, expected[period])
    expected[slo.BUDGET_LEFT.name] = {
        labels: 1 - ratio / budgets[dict(labels)["slo"]]
        for labels, ratio in expected[period].items()
    }
    return [RecordTest("error ratios over days, and the budget left", universe, expected)]


def _add_objectives(universe: Universe, series: Iterable[Labels]) -> dict[str, float]:
    """Objectives for ``series``; gives their budgets."""
    budgets = {"availability": 0.5, "sms_latency": 0.25}
    for labels in series:
        promised = 1 - budgets[dict(labels)["slo"]]
        universe.add(OBJECTIVE, dict(labels), promised / LAST_PACE, grows=False)
    return budgets


def _recorded(stretch: int, windows: tuple[str, ...], total: str, errors: str) -> Universe:
    """Events of two objectives, as recorded in the series ``total`` and ``errors``.

    For each window there are two jobs more, with a gap in theirs.

    Of one, a little of the older half is known, so there is a ratio. The other's known past ends
    before the window begins.
    """
    universe = Universe(stretch)
    _add_job(universe, JOB, total, errors)
    _add_job(universe, CALM, total, errors, scale=0.00001)
    for window in windows:
        length = seconds(window)
        _add_job(universe, f"known-{window}", total, errors, (length * 3 // 4, length // 2))
        _add_job(universe, f"unknown-{window}", total, errors, (length, length // 2))
    return universe


def _add_job(
    universe: Universe,
    job: str,
    total: str,
    errors: str,
    *gaps: tuple[int, int],
    scale: float = 10,
) -> None:
    for position, objective in enumerate(("availability", "sms_latency"), start=1):
        labels = {"job": job, "slo": objective}
        universe.add(total, labels, scale * position, grows=False, gaps=gaps)
        # Errors grow while events only move: else each window had the same ratio.
        universe.add(errors, labels, 0.001 * scale * position, grows=True)


def _ratio(universe: Universe, window: str, *, however_young: bool = False) -> Values:
    length = seconds(window)
    found: Values = {}
    for one in universe.series:
        if one.name in (slo.TOTAL, slo.SLICE_TOTAL.name):
            if not however_young and not universe.samples(one, length, length // 2):
                continue
            errors = _errors_of(universe, one.labels, length)
            found[_key(one.labels)] = sum(errors) / sum(universe.samples(one, length))
    return found


def _failures(universe: Universe, window: str) -> Values:
    """How many there were: of a rate its mean over the window, of slices all of them."""
    length = seconds(window)
    found: Values = {}
    for one in universe.series:
        if one.name in _ERRORS:
            errors = _errors_of(universe, one.labels, length)
            is_rate = one.name == slo.ERRORS
            found[_key(one.labels)] = sum(errors) * (length / len(errors) if is_rate else 1)
    return found


def _errors_of(universe: Universe, labels: Mapping[str, str], length: int) -> list[float]:
    (errors,) = (s for s in universe.series if s.name in _ERRORS and s.labels == labels)
    return universe.samples(errors, length)


def _key(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))
