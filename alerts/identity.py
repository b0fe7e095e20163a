"""Which deployment a series belongs to, kept through every rule.

A job's name says what runs, not where: the same job runs in production and in staging, and in two
clusters. Targets are labelled with that (docs/importing.md), and what the rules make of their
series has to keep it: added up over both, a healthy production hides that staging is down, and two
half-full budgets make one. The signals name ``job`` in each ``by (…)`` and ``on (…)``; the identity
is added to these here, in one place, so that no rule can forget it. Where targets have no such
labels, nothing changes.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import promql_parser

from alerts.exporters import known_metrics
from alerts.model import Group, Guard, Record, Signal, Threshold
from prometheus_tools.promql_nodes import nodes

IDENTITY = ("cluster", "environment")
"""The labels that tell deployments apart, unless others are chosen."""

JOB = "job"

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABELS = re.compile(r"\b(by|on)\s*\(([^()]*)\)")
_NAME = re.compile(r"[a-zA-Z_]\w*")


def checked(identity: tuple[str, ...]) -> tuple[str, ...]:
    """``identity``. Raises ValueError for what is no label's name, or means something else."""
    # build_info says the environment too, and means the same.
    taken = {name for metric in known_metrics() for name in metric.label_names} - {*IDENTITY}
    for label in identity:
        if not _NAME.fullmatch(label):
            raise ValueError(f"identity: {label!r} is no name of a label; write it like a_name")
        if label in taken | {JOB, "instance", "le"}:
            raise ValueError(
                f"identity: {label} is a label that series have for another reason; choose one "
                f"that only says where something runs, such as {', '.join(IDENTITY)}"
            )
    return identity


@cache
def with_identity(expr: str, identity: tuple[str, ...]) -> str:
    """PromQL with ``identity`` in each ``by (…)`` and ``on (…)`` that names the job."""
    outside = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), expr)
    written, end = "", 0
    for match in _LABELS.finditer(outside):
        written += expr[end : match.start()]
        written += f"{match[1]} ({', '.join(_with(_split(match[2]), identity))})"
        end = match.end()
    return written + expr[end:]


def identified(group: Group, identity: tuple[str, ...]) -> Group:
    """``group`` with all that it computes told apart by ``identity``."""

    def record(one: Record) -> Record:
        return replace(one, expr=with_identity(one.expr, identity))

    def source(one: Record | str) -> Record | str:
        return record(one) if isinstance(one, Record) else with_identity(one, identity)

    def guard(one: Guard) -> Guard:
        return replace(one, source=source(one.source), on=_with(one.on, identity))

    def threshold(one: Threshold) -> Threshold:
        return replace(one, guards=tuple(map(guard, one.guards)))

    def signal(one: Signal) -> Signal:
        thresholds = tuple(map(threshold, one.thresholds))
        return replace(one, source=source(one.source), thresholds=thresholds)

    return replace(
        group, records=tuple(map(record, group.records)), signals=tuple(map(signal, group.signals))
    )


def anonymous(expr: str) -> Iterator[str]:
    """Where ``expr`` loses the job, and with it the identity; each with its fix."""
    found: list[str] = []

    for node in nodes(expr):
        if isinstance(node, promql_parser.AggregateExpr):
            found.extend(_of_aggregation(node))
        elif isinstance(node, promql_parser.BinaryExpr):
            found.extend(_of_matching(node))
    yield from dict.fromkeys(found)


def _of_aggregation(node: promql_parser.AggregateExpr) -> Iterator[str]:
    if node.modifier is None:
        yield f"{node.op} adds up what runs in different places; write {node.op} by ({JOB}) (…)"
    elif node.modifier.type is not promql_parser.AggModifierType.By:
        yield f"{node.op} without (…) keeps whatever is left; name it: by ({JOB}, …)"
    elif JOB not in node.modifier.labels:
        kept = ", ".join((JOB, *node.modifier.labels))
        yield f"{node.op} by ({', '.join(node.modifier.labels)}) loses the job; write by ({kept})"


def _of_matching(node: promql_parser.BinaryExpr) -> Iterator[str]:
    modifier = node.modifier
    if modifier is None or modifier.matching is None:
        return
    labels = modifier.matching.labels
    if not str(modifier).startswith("on"):
        yield f"{node.op} ignoring (…) matches whatever is left; name it: on ({JOB}, …)"
    elif JOB not in labels:
        kept = ", ".join((JOB, *labels))
        yield f"{node.op} on ({', '.join(labels)}) joins different jobs; write on ({kept})"


def _with(labels: tuple[str, ...], identity: tuple[str, ...]) -> tuple[str, ...]:
    if JOB not in labels:
        return labels
    return (*(each for each in identity if each not in labels), *labels)


def _split(labels: str) -> tuple[str, ...]:
    return tuple(label.strip() for label in labels.split(",") if label.strip())
