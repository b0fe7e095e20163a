"""Requests to the orchestrator: rate, errors, duration, and the availability objective."""

from dataclasses import dataclass

from alerts.logs import LogQuery
from alerts.model import Comparison, Group, Record, Severity, Signal, Team, Threshold, Unit
from alerts.promql import or_zero, quantile, ratio, seconds
from app.core import catalogue
from app.core.config import Thresholds
from app.core.events import DatabaseFailed, UnhandledError

_COUNT = catalogue.HTTP_SERVER_REQUEST_DURATION.count
_BUCKET = catalogue.HTTP_SERVER_REQUEST_DURATION.bucket
_METHOD, _ROUTE, _STATUS = catalogue.HTTP_SERVER_REQUEST_DURATION.label_names

# Probes and scrapes come however few people use the service. They would hide failures at night, and
# /health/dependencies answers 503 because of others.
_SERVED = f'{_ROUTE}!~"/metrics|/health|/health/dependencies"'
_FAILED = f'{_STATUS}=~"5..",{_SERVED}'


@dataclass(frozen=True, slots=True)
class BurnRate:
    """How fast an error budget of 30 days may burn before somebody is called.

    Both windows have to be above: the long one is proof enough to act, the short one lets the alert
    end soon after the errors do. Factors of the Google SRE workbook.
    """

    factor: float
    long: str
    short: str
    spent: str


PAGING_BURN_RATES = (
    BurnRate(14.4, long="1h", short="5m", spent="2% of a month's budget in an hour"),
    BurnRate(6, long="6h", short="30m", spent="5% of a month's budget in six hours"),
)


def _requests(window: str) -> Record:
    return Record(
        f"job:{_COUNT}:rate{window}", f"sum by (job) (rate({_COUNT}{{{_SERVED}}}[{window}]))"
    )


def _errors(window: str) -> Record:
    failed = f"sum by (job) (rate({_COUNT}{{{_FAILED}}}[{window}]))"
    return Record(f"job:{_COUNT}:errors_rate{window}", or_zero(failed, _requests(window).name))


def error_ratio(window: str) -> Record:
    """The share of requests answered 5xx; recorded for the windows of the burn rates."""
    return Record(
        f"job:{_COUNT}:error_ratio_rate{window}",
        ratio(_errors(window).name, _requests(window).name),
    )


_WINDOWS = [window for burn in PAGING_BURN_RATES for window in (burn.short, burn.long)]
RATE = Record(f"job_{_ROUTE}:{_COUNT}:rate5m", f"sum by (job, {_ROUTE}) (rate({_COUNT}[5m]))")
_ROUTE_ERRORS = or_zero(
    f'sum by (job, {_ROUTE}) (rate({_COUNT}{{{_STATUS}=~"5.."}}[5m]))', RATE.name
)
ROUTE_ERROR_RATIO = Record(
    f"job_{_ROUTE}:{_COUNT}:error_ratio_rate5m",
    ratio(f"({_ROUTE_ERRORS})", RATE.name),
)
P50 = Record(
    f"job_{_ROUTE}:{catalogue.HTTP_SERVER_REQUEST_DURATION.name}:p50_rate5m",
    quantile(0.5, _BUCKET, f"job, {_ROUTE}", "5m"),
)
P99 = Record(
    f"job_{_ROUTE}:{catalogue.HTTP_SERVER_REQUEST_DURATION.name}:p99_rate5m",
    quantile(0.99, _BUCKET, f"job, {_ROUTE}", "5m"),
)


def error_budget(thresholds: Thresholds, burn: BurnRate) -> Signal:
    """The share of requests answered 5xx over the long window of ``burn``."""
    budget = 1 - thresholds.availability_objective
    limit = round(burn.factor * budget, 6)
    failures = f"{_errors(burn.long)} * {seconds(burn.long)}"
    return Signal(
        title=f"Error ratio, {burn.long}",
        meaning=f"Requests answered 5xx, of all but probes, over {burn.long}. "
        f"Good is below {Unit.RATIO.text(budget)}, the error budget.",
        unit=Unit.RATIO,
        source=error_ratio(burn.long),
        thresholds=(
            Threshold(
                alert="OrchestratorErrorBudgetBurn",
                comparison=Comparison.ABOVE,
                value=limit,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary=f"{{{{ $labels.job }}}} answers too many requests with 5xx ({burn.long})",
                description=f"Requests fail {burn.factor:g} times as fast as the objective of "
                f"{Unit.RATIO.text(thresholds.availability_objective)} allows: {burn.spent}.",
                logs=LogQuery((UnhandledError, DatabaseFailed)),
                action="Find the failing route on the dashboard and its errors in the log; after a "
                "release, roll back.",
                pending="1m",
                only_if=f"{error_ratio(burn.short)} > {limit} "
                f"and {failures} >= {thresholds.minimum_failures}",
                labels={"window": burn.long},
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of HTTP."""
    return Group(
        name="http",
        about="Requests by route, and the availability objective by multi-window burn rates.",
        records=(
            *(RATE, ROUTE_ERROR_RATIO, P50, P99),
            *(of(window) for window in _WINDOWS for of in (_requests, _errors, error_ratio)),
        ),
        signals=tuple(error_budget(thresholds, burn) for burn in PAGING_BURN_RATES),
    )
