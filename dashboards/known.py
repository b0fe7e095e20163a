"""What is known now, and what was only so in the minutes before.

Prometheus answers with samples that are up to five minutes old, a rate goes on for as long as its
window, and what waits keeps its last count while the database can't be asked. So whatever shows
the present is asked through `now`: it gives nothing while the source of its series is gone. The
kinds of panels do that by themselves, so that nobody has to think of it.
"""

from alerts.exporters import ALERTS, UP
from alerts.model import Team
from alerts.signals.monitoring import WATCHDOG
from alerts.signals.scraping import ALL_OURS, REACHABLE
from app.core import catalogue
from app.core.catalogue import BackgroundTask
from dashboards.choices import ALERTS_OF, DEPLOYMENT, of
from dashboards.sources import Source, sources_of


def recent(selector: str) -> str:
    """The series of ``selector`` that are of now.

    What had several samples and has none in the last two minutes has come to its end; samples that
    were always far apart, as in a history made later, are as recent as they can be.
    """
    has_ended = f"count_over_time({selector}[6m]) > 2 unless present_over_time({selector}[2m])"
    return f"({selector} unless ({has_ended}))"


REACHABLE_NOW = recent(of(REACHABLE))
"""Of each deployment: whether any instance can be reached, where that is known."""
OURS = f'team=~"{"|".join(Team)}",{ALERTS_OF}'
"""What alerts are filtered by: those of these rules, of what is chosen."""
EVALUATED = recent(f'{ALERTS}{{alertname="{WATCHDOG}",{OURS}}}')
"""It is there while rules are evaluated."""
_BACKLOG_FAILURES = of(catalogue.BACKGROUND_TASK_FAILURES, f'task="{BackgroundTask.BACKLOG}"')


def while_reachable(expr: str) -> str:
    """``expr`` while each deployment that is chosen can be reached.

    Else it would be of the minutes before, or one that works would hide one that doesn't.
    """
    return f"(({expr}) and on () (min({REACHABLE_NOW}) > 0))"


def while_any_is_reachable(expr: str) -> str:
    """``expr`` while there is a deployment of which it could tell something."""
    return f"(({expr}) and on () (max({REACHABLE_NOW}) > 0))"


def while_counted(expr: str) -> str:
    """``expr`` while any instance counts what waits: the last count stays when it can't."""
    failures = f"increase({_BACKLOG_FAILURES}[$__rate_interval])"
    return f"(({expr}) unless on () (min({failures}) > 0))"


def now(expr: str, *sources: Source) -> str:
    """``expr`` while what it reads is known.

    By default its ``sources`` are those of all that it reads as of now without asking whether that
    is known. What a range of an hour and more tells is of the past.
    """
    for source in sources or sources_of(expr):
        expr = _while_there(expr, source)
    return expr


def measured(expr: str) -> str:
    """``expr`` over time, with a gap where it would repeat or fade out what was before.

    That is while nothing can be reached, and for what waits while it can't be counted.
    """
    sources = sources_of(expr)
    if Source.BACKLOG in sources:
        expr = while_counted(expr)
    return while_any_is_reachable(expr) if Source.SERVICE in sources else expr


def _while_there(expr: str, source: Source) -> str:
    match source:
        case Source.SERVICE:
            return while_reachable(expr)
        case Source.BACKLOG:
            return while_counted(expr)
        case Source.ALERTS:
            return f"(({expr}) and on () {EVALUATED})"
        case Source.RULES:
            return f"(({expr}) and on () (max({REACHABLE_NOW}) >= 0))"
        case Source.TARGETS:
            return f"(({expr}) and on () (max({_targets(ALL_OURS)}) >= 0))"
        case _:
            jobs = f'job="{source}"'
            return f"(({expr}) and on () (max({_targets(jobs)}) > 0))"


def _targets(jobs: str) -> str:
    return recent(f"{UP.name}{{{jobs},{DEPLOYMENT}}}")
