"""Whether a new release is worse than what it replaced, told with its version.

The service promises a rollback above 5 % errors or 5 s (docs/domain.md, "What it promises"). A
version is new for an hour; then the budgets tell what it does.
"""

from alerts.builds import running
from alerts.counted import LASTING, added, events, seen, share
from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import at_most, beyond
from alerts.signals.http import SERVED, STATUS
from alerts.signals.slo import ERRORS, TOTAL
from app.core import catalogue
from app.core.events import DatabaseFailed
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationSlow, UnhandledError

_COUNT = catalogue.HTTP_SERVER_REQUEST_DURATION.count
_BUCKET = catalogue.HTTP_SERVER_REQUEST_DURATION.bucket
_BUILD = catalogue.BUILD_INFO.name
_ON = ("job", "version")
_NEW = "1h"

RELEASED = Record(
    f"job_version:{_BUILD}:released{_NEW}",
    f"group by (job, version) ({running()}) "
    f"unless on (job, version) group by (job, version) ({running(_NEW)}) "
    f"and on (job) group by (job) ({running(_NEW)})",
)
"""1 for a version that was not there an hour ago, where another one of the job was."""


def _by_version(by_instance: str) -> str:
    """What is known by instance, added up by the version that each runs."""
    return f"sum by (job, version) ({running()} * on (job, instance) group_left () {by_instance})"


BY_STATUS = Record(
    f"job_instance_{STATUS}:{_COUNT}:served_rate2m",
    events(f"{_COUNT}{{{SERVED}}}", f"job, instance, {STATUS}"),
)
"""What is served, and what of it fails, are sums of this."""
SERVED_BY = Record(
    f"job_version:{_COUNT}:served_rate2m",
    _by_version(f"sum by (job, instance) ({BY_STATUS})"),
)
ERRORS_BY = Record(
    f"job_version:{_COUNT}:served_error_rate2m",
    _by_version(f'sum by (job, instance) ({BY_STATUS}{{{STATUS}=~"5.."}})')
    + f" or 0 * {SERVED_BY}",
)
ERRORS_5M = Record(f"job_version:{_COUNT}:served_error_increase5m", added(ERRORS_BY.name, "5m"))
ERRORS_30M = Record(f"job_version:{_COUNT}:served_error_increase30m", added(ERRORS_BY.name, "30m"))
ERRORS_SEEN = Record(f"job_version:{_COUNT}:served_error_seen5m", seen(ERRORS_BY.name, "5m"))
ERROR_RATIO = Record(
    f"job_version:{_COUNT}:served_error_ratio_rate5m",
    share(ERRORS_BY.name, SERVED_BY.name, "5m"),
)
_SLOW = f"job_version:{_COUNT}:served_slow_rate2m"
SLOW_5M = Record(f"job_version:{_COUNT}:served_slow_increase5m", added(_SLOW, "5m"))
SLOW_SEEN = Record(f"job_version:{_COUNT}:served_slow_seen5m", seen(_SLOW, "5m"))
SLOW_RATIO = Record(
    f"job_version:{_COUNT}:served_slow_ratio_rate5m", share(_SLOW, SERVED_BY.name, "5m")
)
_IS_NEW = Guard(RELEASED, Comparison.ABOVE, 0, _ON)


def slow_by(thresholds: Thresholds) -> Record:
    """Requests a second that took longer than a release may, by version."""
    within = at_most(
        catalogue.HTTP_SERVER_REQUEST_DURATION,
        thresholds.rollback_latency_seconds,
        "rollback_latency_seconds",
    )
    kept = _by_version(events(f"{_BUCKET}{{{within},{SERVED}}}", "job, instance"))
    return Record(_SLOW, beyond(SERVED_BY.name, kept, "job, version"))


def growth(thresholds: Thresholds) -> Record:
    """The share of requests that a version failed, as a multiple of the hour before it was new.

    Before counts as no better than promised: below that nobody cares.
    """
    window = f'{{slo="availability"}}[1h:1m] offset {_NEW}'
    before = f"sum_over_time({ERRORS}{window}) / (sum_over_time({TOTAL}{window}) > 0)"
    budget = f"{1 - thresholds.availability_objective:.9g}"
    now = share(ERRORS_BY.name, SERVED_BY.name, "30m")
    return Record(
        f"job_version:{_COUNT}:served_error_growth30m",
        f"({now}) / on (job) group_left () sum by (job) (clamp_min({before}, {budget}))",
    )


_UNTIL_FORGOTTEN = "8m"
"""Until the windows of what it holds back are over, so that a rollback calls nobody."""
_ROLL_BACK = "Roll it back now, and look for the cause later."


def failing(thresholds: Thresholds) -> Signal:
    """The share of requests that a version failed."""
    return Signal(
        title="5xx by version",
        meaning="Share of requests, without probes, that instances of a version answered 5xx over "
        "5 minutes. Good is 0. Above the line, roll back a new release.",
        unit=Unit.RATIO,
        source=ERROR_RATIO,
        thresholds=(
            Threshold(
                alert="ReleaseFailing",
                comparison=Comparison.ABOVE,
                value=thresholds.rollback_error_ratio,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="Release {{ $labels.version }} of {{ $labels.job }} fails too many "
                "requests",
                description="It came within the last hour. Callers get errors: SMS are not "
                "accepted, managers can't decide. Share of its requests over 5 minutes.",
                action=_ROLL_BACK,
                pending="30s",
                keep_firing=_UNTIL_FORGOTTEN,
                guards=(
                    _IS_NEW,
                    Guard(ERRORS_5M, Comparison.AT_LEAST, thresholds.minimum_failures, _ON),
                    Guard(ERRORS_SEEN, Comparison.AT_LEAST, LASTING, _ON),
                ),
                logs=LogQuery((UnhandledError, DatabaseFailed)),
                absence="ServiceDown",
            ),
        ),
    )


def slow(thresholds: Thresholds) -> Signal:
    """The share of a version's requests that took too long."""
    limit = Unit.SECONDS.text(thresholds.rollback_latency_seconds)
    return Signal(
        title=f"Slower than {limit}, by version",
        meaning=f"Share of a version's requests, without probes, that took longer than {limit} "
        "over 5 minutes. Good is 0. Above the line, roll back a new release.",
        unit=Unit.RATIO,
        source=SLOW_RATIO,
        thresholds=(
            Threshold(
                alert="ReleaseSlow",
                comparison=Comparison.ABOVE,
                value=thresholds.slow_ratio,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="Release {{ $labels.version }} of {{ $labels.job }} takes longer than "
                f"{limit} for too many requests",
                description="It came within the last hour. Callers wait, give up and try again, "
                "which adds load. Share of its requests over 5 minutes.",
                action=f"Is an upstream slow? Then it is not the release. If none is: {_ROLL_BACK}",
                pending="30s",
                keep_firing=_UNTIL_FORGOTTEN,
                guards=(
                    _IS_NEW,
                    Guard(SLOW_5M, Comparison.AT_LEAST, thresholds.minimum_failures, _ON),
                    Guard(SLOW_SEEN, Comparison.AT_LEAST, LASTING, _ON),
                ),
                logs=LogQuery((OperationSlow,)),
                absence="ServiceDown",
            ),
        ),
    )


def worse(thresholds: Thresholds) -> Signal:
    """How many times as many requests a version fails as were failed before it came."""
    return Signal(
        title="5xx vs before release",
        meaning="Share of requests that a version answered 5xx within 30 minutes, divided by the "
        "share in the hour before it came, or by the error budget if that is more. Good is 1.",
        unit=Unit.COUNT,
        source=growth(thresholds),
        thresholds=(
            Threshold(
                alert="ReleaseWorse",
                comparison=Comparison.ABOVE,
                value=thresholds.release_error_growth,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Release {{ $labels.version }} of {{ $labels.job }} fails more requests "
                "than the one before",
                description="Since it came, requests fail {{ $value | humanize }} times as often "
                "as in the hour before, or as promised. Share of requests over 30 minutes.",
                action="Compare the exceptions in the log with those before the release. If it is "
                "the cause, roll it back.",
                pending="1m",
                keep_firing="5m",
                guards=(
                    _IS_NEW,
                    Guard(
                        ERRORS_30M, Comparison.AT_LEAST, thresholds.release_minimum_failures, _ON
                    ),
                ),
                logs=LogQuery((UnhandledError, DatabaseFailed)),
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of releases."""
    return Group(
        name="release",
        dashboard=Dashboard.SERVICES,
        about="Each version's requests, and whether a new one is worse.",
        follows=("slo_events",),
        records=(
            *(RELEASED, BY_STATUS, SERVED_BY, ERRORS_BY, slow_by(thresholds)),
            *(ERRORS_5M, ERRORS_30M, ERRORS_SEEN, SLOW_5M, SLOW_SEEN),
        ),
        signals=(failing(thresholds), slow(thresholds), worse(thresholds)),
    )
