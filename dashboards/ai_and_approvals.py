"""The AI and the managers: how sure and how fast it is, what waits for them, what they decide."""

from grafanalib import core

from alerts.model import Dashboard, Unit
from alerts.promql import quantile
from alerts.signals import business, growth, operations, throughput
from app.core import catalogue
from app.core.catalogue import Component
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome
from dashboards.board import Row, dashboard
from dashboards.choices import of
from dashboards.colours import Colour, neutral, signal_steps
from dashboards.grafana import Panel
from dashboards.panels import Query, bars, heatmap, stacked, stat, timeseries
from dashboards.signals import signal

_WINDOW = "$__rate_interval"
_PROVIDER = f'component="{Component.AI_PROVIDER}"'
_ANSWER_TIMES = of(catalogue.OPERATION_DURATION.bucket, f'{_PROVIDER},outcome="{Outcome.SUCCESS}"')
_WAITS = of(catalogue.APPROVAL_WAIT_DURATION.bucket)
_NO_ANSWERS = "No answers"
_NO_DECISIONS = "No decisions"


def ai_and_approvals(thresholds: Thresholds) -> core.Dashboard:
    """What the AI writes, and what managers make of it."""
    return dashboard(
        Dashboard.AI,
        "AI and approvals",
        "For people who tune the AI, and for the managers' lead: how sure and how fast the AI "
        "is, where its answers go, what waits for a manager and what managers decide.",
        rows=(
            _is_it_good(thresholds),
            _routing(),
            _confidence(thresholds),
            _speed(thresholds),
            _calls(thresholds),
            _queue(thresholds),
            _decisions(thresholds),
        ),
        last="6h",
    )


def sent_at_once(leads_to: Dashboard) -> Panel:
    """The share of the AI's answers that no manager has to see."""
    return stat(
        "Sent at once, last hour",
        "Share of the AI's answers that were sent without a manager. Usual is 60 to 70%.",
        Unit.RATIO,
        Query(f"avg({of(business.AUTO_SENT_RATIO)})", "sent at once"),
        neutral(),
        empty=_NO_ANSWERS,
        links=(leads_to,),
    )


def decisions_that_approve(thresholds: Thresholds, leads_to: Dashboard) -> Panel:
    """The share of managers' decisions that change nothing."""
    approved = business.approvals(thresholds)
    return stat(
        "Decisions that approve",
        approved.meaning,
        approved.unit,
        Query(f"min({of(approved.source)})", "approved unchanged"),
        signal_steps(approved),
        empty=_NO_DECISIONS,
        links=(leads_to,),
    )


def _is_it_good(thresholds: Thresholds) -> Row:
    age = business.queue_age(thresholds)
    failing, slow = operations.failing(thresholds), operations.slow(thresholds)
    too_slow = Unit.SECONDS.text(thresholds.ai_slow_seconds)
    return Row(
        "Are the AI's answers good, and does anybody wait?",
        height=5,
        panels=(
            sent_at_once(leads_to=Dashboard.BUSINESS),
            stat(
                "Mean confidence, last hour",
                "How sure the AI is of its answers. Usual is the mean of the week before.",
                Unit.RATIO,
                Query(f"avg({of(business.CONFIDENCE_MEAN_1H)})", "confidence"),
                neutral(),
                empty=_NO_ANSWERS,
            ),
            decisions_that_approve(thresholds, leads_to=Dashboard.BUSINESS),
            stat(
                "Decisions, last hour",
                "Answers that managers decided on. Good is as many as are queued.",
                Unit.COUNT,
                Query(f"round(sum({of(business.APPROVALS)}))", "decisions"),
                neutral(),
            ),
            stat(
                "Answers that wait",
                "Answers of the AI that wait for a decision now. Good is when the number falls to "
                "a few several times a day.",
                Unit.COUNT,
                Query(f"max({of(business.QUEUE_LENGTH)})", "waiting"),
                neutral(),
            ),
            stat(
                "Age of the oldest",
                age.meaning,
                age.unit,
                Query(f"max({of(age.source)})", "oldest"),
                signal_steps(age),
            ),
            stat(
                "AI calls that fail",
                "Share of the calls of a minute that failed or were refused. Good is 0.",
                failing.unit,
                Query(f"max({of(failing.source, _PROVIDER)})", "failing"),
                signal_steps(failing, _PROVIDER),
                empty="No calls",
                links=(Dashboard.SERVICES,),
            ),
            stat(
                f"Answers slower than {too_slow}",
                f"Share of the AI's answers of 5 minutes that took longer than {too_slow}. Good "
                "is 0.",
                slow.unit,
                Query(f"max({of(slow.source, _PROVIDER)})", "slow"),
                signal_steps(slow, _PROVIDER),
                empty=_NO_ANSWERS,
                links=(Dashboard.SERVICES,),
            ),
        ),
    )


def _routing() -> Row:
    by_route, all_routes = f"sum by (route) ({of(business.RESPONSES)})", of(business.RESPONSES)
    return Row(
        "Where do its answers go?",
        (
            stacked(
                "Routing, shares of the last hour",
                "Usual is 60 to 70% sent at once and about 10% escalated. If fewer are sent at "
                "once, managers have more to do.",
                Unit.RATIO,
                Query(f"{by_route} / on () group_left () (sum({all_routes}) > 0)", "{{route}}"),
                empty=_NO_ANSWERS,
                links=(Dashboard.BUSINESS,),
            ),
            bars(
                "Answers of each hour by route",
                "Each bar is the hour before it. Usual follows the SMS received.",
                Unit.COUNT,
                Query(by_route, "{{route}}", step="1h"),
                last="24h",
                links=(Dashboard.TRENDS,),
            ),
        ),
    )


def _confidence(thresholds: Thresholds) -> Row:
    bucket = of(catalogue.AI_CONFIDENCE.bucket)
    return Row(
        "How sure is it?",
        (
            heatmap(
                "Confidence of answers",
                "Answers a minute by how sure the AI is. Answers above 85% are sent at once by "
                "default. Usual is most of them there; many just below 85% are work for managers.",
                Unit.RATIO,
                Query(f"60 * sum by (le) (rate({bucket}[{_WINDOW}]))", "{{le}}"),
                empty=_NO_ANSWERS,
            ),
            timeseries(
                "Mean and lowest tenth of confidence",
                "Over 5 minutes; one answer in ten is below p10. Usual is a mean near that of "
                "the week before, which is not known during the first day.",
                Unit.RATIO,
                Query(f"avg({of(business.CONFIDENCE_MEAN)})", "mean", colour=Colour.NEUTRAL),
                Query(f"min({of(business.CONFIDENCE_P10)})", "p10", colour=Colour.WARNING),
                Query(
                    f"avg({of(business.CONFIDENCE_USUAL)})",
                    "mean of the week before",
                    colour=Colour.MUTED,
                ),
                empty=_NO_ANSWERS,
            ),
            signal(
                business.drift(thresholds), "job", empty="No answers, or less than a day is known"
            ),
        ),
    )


def _speed(thresholds: Thresholds) -> Row:
    limit = Unit.SECONDS.text(thresholds.ai_slow_seconds)
    return Row(
        "How long does it take?",
        (
            timeseries(
                "Time to generate an answer",
                f"Successful calls; each try counts. Good is a p99 below {limit}: the whole SMS "
                "may take no longer than that.",
                Unit.SECONDS,
                Query(f"max({of(operations.P50, _PROVIDER)})", "p50", colour=Colour.GOOD),
                # Of the buckets themselves: recorded series have no exemplars.
                Query(
                    quantile(0.99, _ANSWER_TIMES, "job", _WINDOW),
                    "p99",
                    exemplars=True,
                    colour=Colour.BAD,
                ),
                empty=_NO_ANSWERS,
                links=(Dashboard.SERVICES,),
            ),
            heatmap(
                "Generation times",
                f"Answers a minute by how long they took. Good is one dark band below {limit}; a "
                "second band means another model, or calls that time out.",
                Unit.SECONDS,
                Query(f"60 * sum by (le) (rate({_ANSWER_TIMES}[{_WINDOW}]))", "{{le}}"),
                empty=_NO_ANSWERS,
                links=(Dashboard.SERVICES,),
            ),
        ),
    )


def _calls(thresholds: Thresholds) -> Row:
    retries = of(catalogue.OPERATION_RETRIES, _PROVIDER)
    calls = of(throughput.RATE_1M, 'flow="ai_calls"')
    return Row(
        "Do its calls get through?",
        (
            signal(operations.failing(thresholds), "component", empty="No calls"),
            stacked(
                "Failed calls a minute by reason",
                "circuit_open: refused by our breaker without being tried; rate_limited: the "
                "provider's quota. Good is none.",
                Unit.COUNT,
                Query(
                    f"60 * sum by (error_type) ({of(operations.ERRORS_BY_TYPE, _PROVIDER)})",
                    "{{error_type}}",
                ),
                empty="No call failed",
                links=(Dashboard.SERVICES, Dashboard.LOGS),
            ),
            timeseries(
                "Calls and retries a minute",
                "Good is no retries; many of them make a slow provider slower.",
                Unit.COUNT,
                Query(
                    f"60 * sum({calls})",
                    "calls",
                    colour=Colour.NEUTRAL,
                ),
                Query(f"60 * sum(rate({retries}[{_WINDOW}]))", "retries", colour=Colour.WARNING),
                empty="No calls",
                links=(Dashboard.SERVICES,),
            ),
            signal(growth.quota(thresholds), "job", empty="No calls"),
        ),
    )


def _queue(thresholds: Thresholds) -> Row:
    return Row(
        "What waits for a manager?",
        (
            signal(business.queue_work(thresholds), "job", empty="Nobody decided in the past week"),
            signal(business.queue_age(thresholds), "job"),
            timeseries(
                "Failed workflows",
                "Messages whose workflow failed and that nobody has run again or escalated. Good "
                "is 0. `POST /orchestrate/retry-failed` runs them again. Cut off: their process "
                "ended.",
                Unit.COUNT,
                Query(of(business.FAILED_WORKFLOWS), "{{job}}"),
                Query(
                    f"sum by (job) (increase({of(catalogue.WORKFLOWS_INTERRUPTED)}[1h]))",
                    "{{job}}, cut off in the hour before",
                ),
            ),
            signal(business.failed_workflows(thresholds), "job", empty="None failed"),
        ),
    )


def _decisions(thresholds: Thresholds) -> Row:
    promised = Unit.SECONDS.text(thresholds.approval_wait_seconds)

    def waited(q: float) -> Query:
        # Every 5 minutes: each point reads an hour.
        return Query(quantile(q, _WAITS, "job", "1h"), f"p{q * 100:g}", step="5m")

    return Row(
        "What do managers decide, and how soon?",
        (
            bars(
                "Decisions of each hour",
                "Each bar is the hour before it. Usual is three quarters approved; modified "
                "answers show what the AI should have written.",
                Unit.COUNT,
                Query(f"sum by (action) ({of(business.APPROVALS)})", "{{action}}", step="1h"),
                last="24h",
                links=(Dashboard.BUSINESS,),
            ),
            signal(business.approvals(thresholds), "job", empty=_NO_DECISIONS),
            timeseries(
                "Time to decision",
                "From queueing an answer to the decision, over an hour. Promised: "
                f"{promised} at most.",
                Unit.SECONDS,
                waited(0.5),
                waited(0.9),
                empty=_NO_DECISIONS,
            ),
            heatmap(
                "Waits before a decision",
                "Decisions of each hour by how long the tenant had waited. Good is within the "
                "working day.",
                Unit.SECONDS,
                Query(f"sum by (le) (increase({_WAITS}[1h]))", "{{le}}", step="1h"),
                empty=_NO_DECISIONS,
            ),
        ),
    )
