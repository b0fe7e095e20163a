"""The AI and the managers: how sure and how fast it is, what waits for them, what they decide."""

from grafanalib import core

from alerts.model import Dashboard, Unit
from alerts.promql import quantile
from alerts.signals import business, durations, operations
from app.core import catalogue
from app.core.catalogue import Component
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome
from dashboards.board import Row, dashboard, tiles
from dashboards.choices import of
from dashboards.colours import FURTHEST_TAIL, MEDIAN, TAIL, signal_steps
from dashboards.deployments import BY
from dashboards.panels import Query, bars, heatmap, stacked, stat, timeseries
from dashboards.panels.graphs import dashed
from dashboards.signals import signal

_WINDOW = "$__rate_interval"
_PROVIDER = f'component="{Component.AI_PROVIDER}"'
_ANSWER_TIMES = of(catalogue.OPERATION_DURATION.bucket, f'{_PROVIDER},outcome="{Outcome.SUCCESS}"')
_WAITS = of(catalogue.APPROVAL_WAIT_DURATION.bucket)
_NOT_KNOWN = "Not known"


def ai_and_approvals(thresholds: Thresholds) -> core.Dashboard:
    """What the AI writes, and what managers make of it."""
    return dashboard(
        Dashboard.AI,
        "AI and approvals",
        "For people who tune the AI, and for the managers' lead: how sure and how fast the AI "
        "is, where its answers go, what waits for a manager and what managers decide.",
        rows=(
            _is_it_good(thresholds),
            _confidence(thresholds),
            _calls(thresholds),
            _decisions(thresholds),
            _failed(thresholds),
        ),
        last="6h",
    )


def _is_it_good(thresholds: Thresholds) -> Row:
    failing, slow = operations.failing(thresholds), operations.slow(thresholds)
    return tiles(
        "",
        stat(
            "AI calls that fail",
            "Share of the calls of a minute that failed or were refused. Good is 0.",
            failing.unit,
            Query(f"max({of(failing.source, _PROVIDER)})", "failing"),
            signal_steps(failing, _PROVIDER),
            empty=_NOT_KNOWN,
            links=(Dashboard.SERVICES,),
        ),
        stat(
            f"Slower than {Unit.SECONDS.text(thresholds.ai_slow_seconds)}",
            "Share of the AI's answers of 5 minutes that took longer. Good is 0.",
            slow.unit,
            Query(f"max({of(slow.source, _PROVIDER)})", "slow"),
            signal_steps(slow, _PROVIDER),
            empty=_NOT_KNOWN,
            links=(Dashboard.SERVICES,),
        ),
    )


def _confidence(thresholds: Thresholds) -> Row:
    bucket = of(catalogue.AI_CONFIDENCE.bucket)
    by_route, all_routes = f"sum by (route) ({of(business.RESPONSES)})", of(business.RESPONSES)
    return Row(
        "How sure is it, and where do its answers go?",
        (
            stacked(
                "Routing in the last hour",
                "Usual is 60 to 70% sent at once and about 10% escalated. If fewer are sent at "
                "once, managers have more to do.",
                Unit.RATIO,
                Query(f"{by_route} / on () group_left () (sum({all_routes}) > 0)", "{{route}}"),
                links=(Dashboard.BUSINESS,),
            ),
            heatmap(
                "Confidence of answers",
                "Answers a minute by how sure the AI is. Answers above 85% are sent at once by "
                "default. Usual is most of them there; many just below 85% are work for managers.",
                Unit.RATIO,
                Query(f"60 * sum by (le) (rate({bucket}[{_WINDOW}]))", "{{le}}"),
            ),
            signal(business.drift(thresholds), "job", empty="Not known; needs a day with answers"),
        ),
    )


def _calls(thresholds: Thresholds) -> Row:
    limit = Unit.SECONDS.text(thresholds.ai_slow_seconds)
    return Row(
        "Do its calls get through, how soon, and at what cost?",
        height=10,
        panels=(
            timeseries(
                "Time to an answer",
                f"Successful calls; each try counts. Good is a p99 below {limit}: the whole SMS "
                "may take no longer than that.",
                Unit.SECONDS,
                Query(f"max({of(durations.P50, _PROVIDER)})", "median", colour=MEDIAN),
                Query(quantile(0.99, _ANSWER_TIMES, "job", _WINDOW), "p99", colour=FURTHEST_TAIL),
                links=(Dashboard.SERVICES,),
            ),
            stacked(
                "Failed calls a minute",
                "By reason. circuit_open: refused by our breaker without being tried; "
                "rate_limited: the provider's quota. Good is none.",
                Unit.COUNT,
                Query(
                    f"60 * sum by (error_type) ({of(operations.ERRORS_BY_TYPE, _PROVIDER)})",
                    "{{error_type}}",
                ),
                links=(Dashboard.SERVICES, Dashboard.LOGS),
            ),
            bars(
                "Tokens",
                "What the AI read (input) and wrote (output), as its provider counts and charges "
                "it, by hour. Usual follows the SMS received. Answers of which it says nothing are "
                "counted by themselves: their tokens are not known.",
                Unit.COUNT,
                Query(
                    f"sum by (kind) (increase({of(catalogue.AI_TOKENS)}[1h])) > 0",
                    "{{kind}}",
                    step="1h",
                ),
                Query(
                    f"sum(increase({of(catalogue.AI_ANSWERS_WITHOUT_USAGE)}[1h])) > 0",
                    "answers of unknown cost",
                    step="1h",
                ),
                last="24h",
                empty="Not known; only the provider tells it",
            ),
        ),
    )


def _failed(thresholds: Thresholds) -> Row:
    return Row(
        "What waits to be run again?",
        (
            timeseries(
                "Failed workflows that wait",
                "Messages whose workflow failed and that nobody has run again or escalated. Good "
                "is 0. `POST /orchestrate/retry-failed` runs them again. Cut off: their process "
                "ended.",
                Unit.COUNT,
                Query(of(business.FAILED_WORKFLOWS), "{{job}}"),
                dashed(
                    Query(
                        f"sum by ({BY}, job) (increase({of(catalogue.WORKFLOWS_INTERRUPTED)}[1h]))",
                        "{{job}}, cut off in the hour before",
                    )
                ),
            ),
            signal(business.failed_workflows(thresholds), "job"),
        ),
    )


def _decisions(thresholds: Thresholds) -> Row:
    promised = Unit.SECONDS.text(thresholds.approval_wait_seconds)

    def waited(q: float) -> Query:
        # Every 5 minutes: each point reads an hour.
        name, colour = ("median", MEDIAN) if q == 0.5 else (f"p{q * 100:g}", TAIL)
        return Query(quantile(q, _WAITS, "job", "1h"), name, colour=colour, step="5m")

    return Row(
        "What waits for a manager, what do managers decide, and how soon?",
        (
            signal(
                business.queue_work(thresholds),
                "job",
                empty="Not known; needs a week with decisions",
            ),
            signal(business.queue_age(thresholds), "job"),
            bars(
                "Decisions",
                "Each bar is the hour before it. Usual is three quarters approved; modified "
                "answers show what the AI should have written.",
                Unit.COUNT,
                Query(f"sum by (action) ({of(business.APPROVALS)})", "{{action}}", step="1h"),
                last="24h",
                empty="Not known; needs a full hour",
            ),
            signal(business.approvals(thresholds), "job"),
            timeseries(
                "Time to decision",
                "From queueing an answer to the decision, over an hour. Promised: "
                f"{promised} at most.",
                Unit.SECONDS,
                waited(0.5),
                waited(0.9),
            ),
        ),
        widths=(8, 8, 8, 12, 12),
    )
