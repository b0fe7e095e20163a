"""Where the series come from that a query reads, and whether it asks if they are known now."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from alerts.exporters import ALERTS, ALERTS_FOR_STATE, exporter_metrics
from alerts.expressions import selectors
from alerts.identity import JOB
from alerts.model import records
from alerts.signals import groups
from alerts.signals.scraping import ALERTMANAGER_JOB, NODE_JOB, PROBE_JOB, PROMETHEUS_JOB
from app.core import catalogue
from app.core.thresholds import Thresholds
from prometheus_tools.promql_nodes import nodes

_ASKING = ("and", "unless")
LONG_RANGE_SECONDS = 3600
"""From here on a range is what a panel is about, and what it tells is of the past."""


class Source(StrEnum):
    """Where series come from. While it is gone, nothing is known of them."""

    SERVICE = "service"
    BACKLOG = "backlog"
    """The service's counts of what waits in its database."""
    ALERTS = "alerts"
    RULES = "rules"
    """What they make of weeks: an outage of the service leaves it true. Said, and never found."""
    TARGETS = "targets"
    """What Prometheus notes of each scrape."""
    PROMETHEUS = PROMETHEUS_JOB
    ALERTMANAGER = ALERTMANAGER_JOB
    NODE = NODE_JOB
    PROBE = PROBE_JOB


_PROGRAMS = {
    "prometheus": Source.PROMETHEUS,
    "alertmanager": Source.ALERTMANAGER,
    "node": Source.NODE,
    "probe": Source.PROBE,
}
"""By what the names of their metrics begin with."""
_COUNTED_IN_THE_DATABASE = (
    catalogue.APPROVAL_QUEUE_LENGTH,
    catalogue.APPROVAL_QUEUE_OLDEST_AGE,
    catalogue.WORKFLOWS_FAILED,
    catalogue.WORKFLOWS_FAILED_OLDEST_AGE,
    catalogue.ESCALATIONS_OPEN,
    catalogue.ESCALATIONS_OLDEST_AGE,
)


def sources_of(expr: str) -> tuple[Source, ...]:
    """Where the series come from that ``expr`` reads without asking whether they are known."""
    known = sources_by_series()
    found = {source for name in unasked(expr) for source in known.get(name, ())}
    if Source.SERVICE in found:
        # Whether it can be reached is known from a scrape.
        found -= {Source.TARGETS}
    return tuple(source for source in Source if source in found)


@cache
def unasked(expr: str) -> frozenset[str]:
    """The series that ``expr`` reads as of now without asking whether they are known.

    None where it can't be parsed, which is a finding already.
    """
    try:
        return _read(promql_parser.parse(plain(expr))).unasked
    except ValueError:
        return frozenset()


def plain(expr: str) -> str:
    """``expr`` with its ranges as the parser knows them, who knows no variables."""
    of_range = re.sub(r"\[\$__range(?=[\]:])", "[1h", expr)
    return re.sub(r"\[\$__\w+(?=[\]:])", "[1m", of_range)


@cache
def told_of(expr: str) -> frozenset[Source]:
    """The sources of what ``expr`` tells: not of what it only asks, after ``and`` or ``unless``."""
    known = sources_by_series()
    names = _told(promql_parser.parse(plain(expr)))
    return frozenset(source for name in names for source in known.get(name, ()))


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a part of a query is shown only while something holds.

    ``held`` is that part; ``series`` are those that say whether it holds, ``how`` is by which
    function or aggregation. ``on`` are the labels that have to agree; None is all of them.
    """

    held: promql_parser.Expr
    operator: str
    on: frozenset[str] | None
    how: str
    series: frozenset[str]


def gates(expr: str) -> Iterator[Gate]:
    """All of ``expr``. Raises ValueError where it can't be parsed."""
    for node in nodes(plain(expr)):
        if isinstance(node, BinaryExpr) and str(node.op) in _ASKING:
            matching = node.modifier.matching if node.modifier else None
            on = None if matching is None else frozenset(matching.labels)
            yield Gate(node.lhs, str(node.op), on, _how(node.rhs), frozenset(_told(node.rhs)))


def _how(node: promql_parser.Expr) -> str:
    match node:
        case AggregateExpr():
            return str(node.op)
        case Call():
            return str(node.func.name)
        case BinaryExpr():
            return _how(node.lhs)
        case ParenExpr():
            return _how(node.expr)
        case _:
            return ""


def _told(node: promql_parser.Expr) -> Iterator[str]:
    match node:
        case VectorSelector():
            yield node.name or ""
        case MatrixSelector():
            yield node.vector_selector.name or ""
        case ParenExpr() | AggregateExpr() | UnaryExpr() | SubqueryExpr():
            yield from _told(node.expr)
        case Call():
            for each in node.args:
                yield from _told(each)
        case BinaryExpr():
            yield from _told(node.lhs)
            if str(node.op) not in _ASKING:
                yield from _told(node.rhs)


@dataclass(frozen=True, slots=True)
class _Read:
    """What a part of a query reads as of now unasked, and whether it asks what is recent."""

    unasked: frozenset[str] = frozenset()
    asks: bool = False


def _read(node: promql_parser.Expr) -> _Read:
    match node:
        case VectorSelector():
            return _Read(frozenset({node.name or ""}))
        case MatrixSelector():
            name = node.vector_selector.name or ""
            return _Read(frozenset({name} if _is_of_now(node.range) else ()))
        case SubqueryExpr():
            return _read(node.expr) if _is_of_now(node.range) else _Read()
        case ParenExpr() | AggregateExpr() | UnaryExpr():
            return _read(node.expr)
        case Call():
            return _read_by_call(node)
        case BinaryExpr():
            left, right = _read(node.lhs), _read(node.rhs)
            if str(node.op) in _ASKING and (right.asks or not left.unasked):
                return _Read(asks=True)
            return _Read(left.unasked | right.unasked, left.asks or right.asks)
        case _:
            return _Read()


def _is_of_now(looks_back: timedelta | None) -> bool:
    return looks_back is None or looks_back.total_seconds() < LONG_RANGE_SECONDS


def _read_by_call(node: Call) -> _Read:
    if node.func.name == "timestamp":
        # How old a sample is says so itself.
        return _Read()
    parts = [_read(each) for each in node.args]
    asks = node.func.name == "present_over_time" or any(part.asks for part in parts)
    return _Read(frozenset().union(*(part.unasked for part in parts)), asks)


@cache
def sources_by_series() -> dict[str, frozenset[Source]]:
    """The sources of each series; those of records are those of what they are made of."""
    metrics = dict(_of_metrics())
    found = dict(metrics)
    made_of: dict[str, set[str]] = {}
    named: dict[str, set[Source]] = {}
    for record in records(groups(Thresholds())):
        read = selectors(record.expr)
        names = {each.name or "" for each in read}
        programs = {source for each in read for source in [_job_in(each)] if source}
        if programs:
            # What names no job is joined to theirs: a program has a start time as the service has.
            names = {name for name in names if Source.TARGETS in metrics.get(name, ())}
        made_of.setdefault(record.name, set()).update(names)
        named.setdefault(record.name, set()).update(programs)

    def of(name: str) -> frozenset[Source]:
        if name not in found:
            found[name] = frozenset()
            its = map(of, made_of.get(name, ()))
            found[name] = frozenset(named.get(name, ())).union(*its)
        return found[name]

    return {name: of(name) for name in (*made_of, *named, *metrics)}


def _job_in(selector: VectorSelector) -> Source | None:
    """The program whose job ``selector`` names, of which it tells something itself."""
    for each in selector.matchers.matchers:
        if each.name == JOB and each.value in _PROGRAMS.values():
            return Source(each.value)
    return None


def _of_metrics() -> Iterator[tuple[str, frozenset[Source]]]:
    yield ALERTS, frozenset({Source.ALERTS})
    yield ALERTS_FOR_STATE, frozenset({Source.ALERTS})
    for metric in exporter_metrics():
        program = metric.name.partition("_")[0]
        yield metric.name, frozenset({_PROGRAMS.get(program, Source.TARGETS)})
    for metric in catalogue.metrics():
        backlog = {Source.BACKLOG} if metric in _COUNTED_IN_THE_DATABASE else set()
        for name in metric.series_names:
            yield name, frozenset({Source.SERVICE, *backlog})
