"""What is known now, and what was only so in the minutes before.

Prometheus answers with samples that are up to five minutes old, a rate goes on for as long as its
window, and what waits keeps its last count while the database can't be asked. So whatever shows
the present is asked through `now`: it gives nothing while the source of its series is gone. The
kinds of panels do that by themselves, so that nobody has to think of it.

Which source that is depends on the labels that the query keeps. A row or a lane that says which
deployment it is of asks for that one: another that is down leaves it there. One number for all that
are chosen asks for all of them: it would be complete in looks only.
"""

from collections.abc import Iterable, Iterator

from alerts.exporters import ALERTS, UP
from alerts.model import Team
from alerts.signals.monitoring import WATCHDOG
from alerts.signals.scraping import ALL_OURS, REACHABLE
from app.core import catalogue
from app.core.catalogue import BackgroundTask
from dashboards.choices import ALERTS_OF, DEPLOYMENT, of
from dashboards.deployments import BY, is_told_apart
from dashboards.sources import Source, sources_of, told_of


def recent(selector: str) -> str:
    """The series of ``selector`` that are of now.

    What had several samples and has none in the last two minutes has come to its end; samples that
    were always far apart, as in a history made later, are as recent as they can be.
    """
    has_ended = f"count_over_time({selector}[6m]) > 2 unless present_over_time({selector}[2m])"
    return f"({selector} unless ({has_ended}))"


REACHABLE_NOW = recent(of(REACHABLE))
"""Of each deployment: whether any instance can be reached, where that is known."""
REACHED = f"min by ({BY}) ({REACHABLE_NOW})"
"""Of each deployment: above 0 while an instance of each of its jobs can be reached."""
_TARGETS_NOW = f"max by ({BY}) ({recent(of(UP))})"
OURS = f'team=~"{"|".join(Team)}",{ALERTS_OF}'
"""What alerts are filtered by: those of these rules, of what is chosen."""
_WATCHDOG = f'{ALERTS}{{alertname="{WATCHDOG}",{OURS}}}'
EVALUATED = recent(_WATCHDOG)
"""It is there while rules are evaluated."""
_EVALUATED_FOR_A_MINUTE = f"present_over_time({_WATCHDOG}[1m] offset 1m) and on () {EVALUATED}"
"""So long that whatever is a target has been scraped as well."""
DOWN = f"({REACHED} == 0 and on ({BY}) {_TARGETS_NOW})"
"""The deployments of which no target can be reached."""
NO_TARGET = (
    f"({REACHED} == 0 unless on ({BY}) {_TARGETS_NOW} "
    f"or on () absent({of(UP)}) - 1 and on () {_EVALUATED_FOR_A_MINUTE})"
)
"""Those that have none: none is configured, or discovery finds none. Nothing is said of whether
they run."""
_JOBS = {Source.PROMETHEUS, Source.ALERTMANAGER, Source.NODE, Source.PROBE}
_BACKLOG_FAILURES = of(catalogue.BACKGROUND_TASK_FAILURES, f'task="{BackgroundTask.BACKLOG}"')


def while_any_is_reachable(expr: str) -> str:
    """``expr`` while there is a deployment of which it could tell something."""
    return f"(({expr}) and on () (max({REACHABLE_NOW}) > 0))"


def while_counted(expr: str) -> str:
    """``expr`` while any instance counts what waits: the last count stays when it can't."""
    failing = f"min by ({BY}) (increase({_BACKLOG_FAILURES}[$__rate_interval]))"
    if is_told_apart(expr):
        return f"(({expr}) unless on ({BY}) ({failing} > 0))"
    return f"(({expr}) unless on () (max({failing}) > 0))"


def while_there(expr: str, there: str) -> str:
    """``expr`` while its deployment is ``there``: PromQL by deployment, above 0 where it is.

    One number for all is there while each of them is. Else it would be of the minutes before, or
    one that works would hide one that doesn't.
    """
    if is_told_apart(expr):
        return f"(({expr}) and on ({BY}) ({there} > 0))"
    return f"(({expr}) and on () (min({there}) > 0))"


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
    if Source.SERVICE not in sources:
        return expr
    return while_there(expr, REACHED) if is_told_apart(expr) else while_any_is_reachable(expr)


def deployments_of(expr: str) -> str:
    """PromQL of 1 for each deployment of which ``expr`` should tell something now.

    Empty where it tells none apart.
    """
    return _each(map(recent, _said_to_be_there(expr)))


def deployments_in_range(expr: str) -> str:
    """The same of the range that is shown, at each of its moments."""
    return _each(f"last_over_time({s}[$__range] @ end())" for s in _said_to_be_there(expr))


def _each(series: Iterable[str]) -> str:
    every = " or ".join(series)
    return every and f"group by ({BY}) ({every})"


def _said_to_be_there(expr: str) -> Iterator[str]:
    """What says of the sources of ``expr`` which deployments there are, whether they work or not.

    Of alerts and rules nothing does: they are evaluated for all of them.
    """
    if not is_told_apart(expr):
        return
    told = told_of(expr)
    jobs = [source for source in Source if source in told & _JOBS]
    # What is noted of scrapes is of the service, unless it is of a program's own.
    of_service = {Source.SERVICE, Source.BACKLOG} if jobs else {*Source} - {Source.ALERTS}
    if told & of_service:
        yield of(REACHABLE)
    yield from (_up(f'job="{source}"') for source in jobs)


def _while_there(expr: str, source: Source) -> str:
    match source:
        case Source.SERVICE:
            return while_there(expr, REACHED)
        case Source.BACKLOG:
            return while_counted(expr)
        case Source.ALERTS:
            return f"(({expr}) and on () {EVALUATED})"
        case Source.RULES:
            return f"(({expr}) and on () group({REACHABLE_NOW}))"
        case Source.TARGETS:
            return f"(({expr}) and on () group({recent(_up(ALL_OURS))}))"
        case _:
            up = recent(_up(f'job="{source}"'))
            return while_there(expr, f"max by ({BY}) ({up})")


def _up(jobs: str) -> str:
    return f"{UP.name}{{{jobs},{DEPLOYMENT}}}"
