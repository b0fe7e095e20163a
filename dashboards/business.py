"""The business: how many SMS come, what becomes of them, what a person has to handle."""

from grafanalib import core

from alerts.model import Dashboard, Unit
from alerts.promql import seconds
from alerts.signals import business, throughput
from app.core import catalogue
from app.core.catalogue import ApprovalAction, EscalationType, PlanResult, Route
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric
from dashboards.board import Row, dashboard
from dashboards.choices import of
from dashboards.colours import Colour
from dashboards.grafana import Panel
from dashboards.panels import Query, bar_list, bars, timeseries
from dashboards.panels.graphs import AFTER, BEFORE
from dashboards.signals import signal

_SMS = 'flow="sms"'
_RANGE = "$__range"
_NEEDS_AN_HOUR = "Not known; needs a full hour"
"""A bar ends with its hour: what began within this one has none yet."""


def business_dashboard(thresholds: Thresholds) -> core.Dashboard:
    """What managers and operations look at each morning."""
    return dashboard(
        Dashboard.BUSINESS,
        "business",
        "For managers and operations: how many SMS arrive, how many are answered without a "
        "person, what a person has to handle and how long that takes, and the payment plans.",
        rows=(
            _funnel(),
            _volume(),
            _escalations(thresholds),
            _payment_plans(thresholds),
        ),
        last="24h",
    )


def _in_range(metric: Metric | str, matchers: str = "") -> str:
    """How many events there were in the chosen range."""
    return f"round(sum(increase({of(metric, matchers)}[{_RANGE}])))"


def _received(window: str, later: str = "") -> str:
    """SMS of the ``window`` that ends where it is drawn, or ``later``.

    Of recorded rates, so that weeks cost little. Their sum, not their mean: a window of which only
    a part is known, or over, must not be made up to a whole one. At a step that is said, since the
    sum must not depend on how often the rule is evaluated.
    """
    shift = f" offset -{later}" if later else ""
    rates = f"{of(throughput.RATE_5M, _SMS)}[{window}:5m]{shift}"
    return f"{seconds('5m')} * sum(sum_over_time({rates}))"


def _volume() -> Row:
    def received(
        title: str, description: str, query: Query, last: str, stand: int, empty: str = ""
    ) -> Panel:
        return bars(
            title,
            f"{description} Usual is about as many as in the weeks before.",
            Unit.COUNT,
            query,
            last=last,
            stand=stand,
            empty=empty,
            links=(Dashboard.TRENDS,),
        )

    return Row(
        "How many SMS come?",
        (
            received(
                "By hour",
                "Each bar is an hour, up to its end.",
                Query(_received("1h"), "SMS", step="1h"),
                last="24h",
                stand=BEFORE,
                empty=_NEEDS_AN_HOUR,
            ),
            received(
                "By day",
                "Each bar is the day that begins there; today's bar still grows.",
                Query(_received("1d", "1d"), "SMS", step="1d"),
                last="30d",
                stand=AFTER,
            ),
        ),
    )


def _ended(route: Route) -> tuple[str, str]:
    return catalogue.SMS_PROCESSING_DURATION.count, f'route="{route}"'


def _funnel() -> Row:
    def answered(route: Route) -> str:
        return _in_range(catalogue.AI_RESPONSES, f'route="{route}"')

    def decided(action: ApprovalAction) -> str:
        return _in_range(catalogue.APPROVALS, f'action="{action}"')

    approved, modified = decided(ApprovalAction.APPROVE), decided(ApprovalAction.MODIFY)
    escalated = f"{answered(Route.ESCALATED)} + {decided(ApprovalAction.ESCALATE)}"
    processed = of(catalogue.SMS_PROCESSING_DURATION.count)
    return Row(
        "",
        height=10,
        panels=(
            bar_list(
                "From received to sent",
                "In the chosen range. Answers that were queued before and decided in it are "
                "counted too. Good is nearly all sent, most of them at once, and none failed.",
                Unit.COUNT,
                Query(_in_range(catalogue.SMS_RECEIVED), "received"),
                Query(_in_range(catalogue.AI_RESPONSES), "answered by the AI"),
                Query(
                    f"{answered(Route.AUTO_SENT)} + {approved} + {modified}",
                    "sent",
                    colour=Colour.GOOD,
                ),
                Query(answered(Route.AUTO_SENT), "of these at once", colour=Colour.GOOD),
                Query(approved, "approved by a manager", colour=Colour.GOOD),
                Query(modified, "changed by a manager", colour=Colour.GOOD),
                Query(escalated, "escalated", colour=Colour.WARNING),
                Query(_in_range(*_ended(Route.FAILED)), "failed", colour=Colour.BAD),
                links=(Dashboard.AI,),
            ),
            bars(
                "Where SMS ended, by hour",
                "Each bar is an hour. Usual is most of them sent at once; failed ones "
                "can be retried. Good is none of those.",
                Unit.COUNT,
                Query(f"sum by (route) (increase({processed}[1h]))", "{{route}}", step="1h"),
                last="24h",
                empty=_NEEDS_AN_HOUR,
                links=(Dashboard.SERVICES,),
            ),
        ),
    )


def _escalations(thresholds: Thresholds) -> Row:
    return Row(
        "What does a person have to handle, and how soon is it done?",
        columns=2,
        panels=(
            timeseries(
                "Open escalations by severity",
                "Good is a number that goes down every day, and no critical ones for longer than "
                f"{Unit.SECONDS.text(thresholds.critical_escalation_seconds)}.",
                Unit.COUNT,
                Query(
                    f"max by (severity) ({of(catalogue.ESCALATIONS_OPEN)})",
                    "{{severity}}",
                ),
                links=(Dashboard.AI,),
            ),
            signal(business.unhandled(thresholds), "urgency"),
            signal(business.surge(thresholds), "type"),
            _resolved(),
        ),
    )


def _resolved() -> Panel:
    # A query for each type, so that none reads the buckets of all.
    def closed(kind: EscalationType) -> str:
        resolved = of(catalogue.ESCALATION_RESOLUTION_DURATION.bucket, f'type="{kind}"')
        # A quantile of nothing is no number; it is no less than 0 either.
        return f"histogram_quantile(0.9, sum by (le) (increase({resolved}[{_RANGE}]))) >= 0"

    return bar_list(
        "Time to resolve nine in ten, by type",
        "From opening an escalation to closing it: nine in ten of those closed in the "
        "chosen range. Good is within the working day, and half an hour where somebody may "
        "be hurt.",
        Unit.SECONDS,
        *(Query(closed(kind), kind.replace("_", " ")) for kind in EscalationType),
    )


def _payment_plans(thresholds: Thresholds) -> Row:
    looked = catalogue.PAYMENT_PLAN_DETECTIONS

    def valid(result: PlanResult) -> str:
        return _in_range(catalogue.PAYMENT_PLANS, f'result="{result}"')

    return Row(
        "What happens to payment plans?",
        (
            bar_list(
                "From found to confirmed",
                "In the chosen range: messages looked through, plans found in them, those within "
                "the rules, and those confirmed without a manager. Good is when no step loses "
                "much more than before.",
                Unit.COUNT,
                Query(_in_range(looked), "looked through"),
                Query(_in_range(looked, 'result="found"'), "found"),
                Query(valid(PlanResult.VALID), "valid", colour=Colour.GOOD),
                Query(
                    _in_range(catalogue.PAYMENT_PLANS_AUTO_APPROVED),
                    "confirmed at once",
                    colour=Colour.GOOD,
                ),
                Query(valid(PlanResult.NEEDS_REVIEW), "for a manager to review"),
                Query(valid(PlanResult.INVALID), "too little, or too long", colour=Colour.WARNING),
            ),
            signal(
                business.detection(thresholds),
                "job",
                empty="Not known; needs a day with messages",
            ),
        ),
    )
