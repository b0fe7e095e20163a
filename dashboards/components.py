"""The state of each part of each deployment, in lanes: where is it not well, and since when."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from alerts.exporters import ALERTS
from alerts.model import Severity, Signal
from alerts.signals import business, http, monitoring, operations, scraping, slo, sms
from app.core.catalogue import Component
from app.core.thresholds import Thresholds
from dashboards.choices import ALERTS_OF, DEPLOYMENT, TARGETS, of
from dashboards.colours import Colour, falls
from dashboards.deployments import BY
from dashboards.grafana import Panel
from dashboards.known import NO_TARGET, REACHABLE_NOW, now
from dashboards.panels import Query, state_timeline
from dashboards.signals import matchers_of, worst_of_each
from dashboards.sources import Source, sources_of

STATES: Mapping[str, tuple[str, str]] = {
    "0": ("well", Colour.GOOD),
    "1": ("worse", Colour.WARNING),
    "2": ("failing", Colour.BAD),
    "3": ("no targets", Colour.BAD),
}
"""Red is where an alert pages, orange where it is a ticket, or beyond an objective.

Without targets it may work: Prometheus is told of nothing to scrape. Somebody is paged for that.
"""

_CALLED = {
    Component.AI_PROVIDER: "AI",
    Component.SMS_AGENT: "SMS Agent",
    Component.COLLECTIONS_MONITOR: "Collections",
    Component.NOTIFICATION_SERVICE: "Notifications",
    Component.DATABASE: "Database",
}


def component_states(thresholds: Thresholds) -> Panel:
    """A lane for each component of each deployment, the state of monitoring itself first."""
    lanes = {
        "Monitoring": _monitoring(thresholds),
        "API": _api(thresholds),
        "SMS": _sms(thresholds),
        **{name: _called(thresholds, component) for component, name in _CALLED.items()},
        "Managers": _managers(thresholds),
    }
    return state_timeline(
        "What works, and since when?",
        "Good is green. Red: somebody is paged for it. Orange: it is worse than promised, or a "
        "ticket. Grey: not known, for instance because nothing was called. No targets: Prometheus "
        "is told of nothing to scrape.",
        *(Query(expr, name) for name, expr in lanes.items()),
        states=STATES,
        empty="Not known",
    )


@dataclass(frozen=True, slots=True)
class _Limits:
    """From where on ``expr`` is bad; where ``falls``, below and not above."""

    expr: str
    ticket: float | None = None
    page: float | None = None
    falls: bool = False

    @property
    def state(self) -> str:
        """PromQL: 0, 1 or 2, as in STATES; nothing where ``expr`` is nothing."""
        compared = "<" if self.falls else ">"
        parts = [
            f"{weight}({self.expr} {compared} bool {limit:g})"
            for weight, limit in (("", self.ticket), ("2 * ", self.page))
            if limit is not None
        ]
        return f"clamp_max({' + '.join(parts)}, 2)"


@dataclass(frozen=True, slots=True)
class _Firing:
    """What is no limit of one series: whether any of ``alerts`` fires."""

    alerts: tuple[str, ...]

    @property
    def state(self) -> str:
        """PromQL: 2 for a page, 1 for a ticket; nothing where none fires."""
        names = f'=~"{"|".join(self.alerts)}"' if len(self.alerts) > 1 else f'="{self.alerts[0]}"'

        def fires(severity: Severity) -> str:
            matchers = f'alertstate="firing",severity="{severity}",alertname{names}'
            return f"{ALERTS}{{{matchers},{ALERTS_OF}}}"

        return f"max by ({BY}) ({fires(Severity.PAGE)} * 2 or {fires(Severity.TICKET)})"


class _NoTarget:
    """Whether there is anything to be scraped."""

    state = f"{NO_TARGET} + 3"
    """PromQL: 3 where there is nothing."""


def _monitoring(thresholds: Thresholds) -> str:
    return _worst(
        _of(monitoring.rule_failures(), DEPLOYMENT),
        _of(monitoring.ingesting(thresholds)),
        _of(monitoring.undelivered(thresholds), DEPLOYMENT),
        _of(monitoring.alertmanagers(), DEPLOYMENT),
        _Firing(("AlertmanagerNotificationsFailing",)),
    )


def _api(thresholds: Thresholds) -> str:
    failed = f"max by ({BY}) ({of(slo.error_ratio('5m'), _slo('availability'))})"
    return _worst(
        _Limits(f"min by ({BY}) ({REACHABLE_NOW})", page=1, falls=True),
        _NoTarget(),
        _answered_5xx(thresholds, failed),
        _of(scraping.missing(thresholds)),
        _of(http.intake_refused(thresholds)),
        _Firing(
            ("AvailabilityBudgetBurn", "ReachabilityBudgetBurn", "ReleaseFailing", "ReleaseSlow")
        ),
    )


def _answered_5xx(thresholds: Thresholds, share: str) -> _Limits:
    objective = thresholds.availability_objective
    return _Limits(share, ticket=1 - objective, page=thresholds.rollback_error_ratio)


def _sms(thresholds: Thresholds) -> str:
    late = f"max by ({BY}) ({of(slo.error_ratio('5m'), _slo('sms_latency'))})"
    failed = f"max by ({BY}) ({of(http.ROUTE_ERROR_RATIO, http.BRINGS_SMS)})"
    return _worst(
        # What is not accepted is no SMS that could fail or be late.
        _answered_5xx(thresholds, failed),
        _of(sms.failing(thresholds)),
        _Limits(late, ticket=1 - thresholds.sms_latency_objective),
        _Firing(("SMSLatencyBudgetBurn", "SMSMissing")),
    )


def _called(thresholds: Thresholds, component: Component) -> str:
    matchers = f'component="{component}"'
    failing = f"max by ({BY}) ({of(operations.COMPONENT_ERROR_RATIO, matchers)})"
    page = {
        Component.AI_PROVIDER: thresholds.ai_error_ratio,
        Component.DATABASE: thresholds.database_error_ratio,
    }.get(component)
    slow = operations.slow(thresholds)
    too_slow = [
        _Limits(f"max by ({BY}) ({of(slow.source, matchers)})", ticket=each.value)
        for each in slow.thresholds
        if each.matchers == matchers
    ]
    # A closed breaker says nothing: perhaps nothing was called.
    open_ = f"(max by ({BY}) ({of(operations.BREAKERS_NOT_CLOSED, matchers)}) > 0)"
    return _worst(
        _Limits(failing, ticket=thresholds.upstream_error_ratio, page=page),
        _Limits(open_, ticket=0),
        *too_slow,
    )


def _managers(thresholds: Thresholds) -> str:
    unhandled = business.unhandled(thresholds)
    (critical,) = (t for t in unhandled.thresholds if t.severity is Severity.PAGE)
    return _worst(
        _of(business.queue_age(thresholds)),
        _of(business.queue_work(thresholds)),
        _Limits(
            f"max by ({BY}) ({of(unhandled.source, critical.matchers)})",
            page=thresholds.critical_escalation_seconds,
        ),
    )


def _of(watched: Signal, among: str = TARGETS) -> _Limits:
    """``watched`` with the limits of its alerts."""
    limits = {each.severity: each.value for each in watched.thresholds}
    return _Limits(
        worst_of_each(watched, matchers_of(watched), among),
        limits.get(Severity.TICKET),
        limits.get(Severity.PAGE),
        falls(watched),
    )


def _worst(*measures: _Limits | _Firing | _NoTarget) -> str:
    """The worst state of the ``measures`` that are known now.

    One whose source is gone says nothing of the others.
    """
    by_source: dict[tuple[Source, ...], list[str]] = {}
    for state in _told_apart(each.state for each in measures):
        by_source.setdefault(sources_of(state), []).append(state)
    known = (now(" or ".join(states), *sources) for sources, states in by_source.items())
    return f"max by ({BY}) ({' or '.join(known)})"


def _told_apart(states: Iterable[str]) -> Iterator[str]:
    """``or`` keeps one of several series of the same labels; so each gets one of its own."""
    for number, state in enumerate(states):
        yield f'label_replace({state}, "measure", "{number}", "", "")'


def _slo(name: str) -> str:
    return f'slo="{name}"'
