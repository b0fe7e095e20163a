"""How far back the rules look, and the same rules with a short memory."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import promql_parser as promql
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

from prometheus_tools.yaml_reading import read_yaml

SHORT_SECONDS = 300
"""What a stack has seen of itself soon enough; only what reaches back further needs a history."""

STEP_SECONDS = 15
"""Between the evaluations within a shortened subquery."""

_MADE_BY_PROMETHEUS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
_RATES = frozenset({"rate", "increase", "irate"})
_GROWS_WITH_RANGE = frozenset({"increase", "sum_over_time", "count_over_time"})


@dataclass(frozen=True, slots=True)
class Reach:
    """Series that a rule reads: ``seconds`` back at most, as a counter or as they are."""

    selector: str
    seconds: float
    is_counter: bool

    @property
    def name(self) -> str:
        """The name of the series."""
        return self.selector.partition("{")[0]


def rules(folder: Path) -> dict[str, dict[str, Any]]:
    """The parsed rule files of ``folder``, by file name."""
    return {file.name: read_yaml(file.read_text()) for file in sorted(folder.glob("*.yml"))}


def reaches(files: dict[str, dict[str, Any]]) -> list[Reach]:
    """Each selector that some rule reads further back than SHORT_SECONDS, once."""
    found = [
        reach for rule in _rules(files) for reach in _reaches(promql.parse(rule["expr"]), 0, "")
    ]
    counters = {reach.name for reach in found if reach.is_counter}
    furthest: dict[str, Reach] = {}
    for reach in sorted(found, key=lambda reach: reach.seconds):
        furthest[reach.selector] = replace(reach, is_counter=reach.name in counters)
    return [reach for reach in furthest.values() if reach.seconds > SHORT_SECONDS]


def with_short_memory(files: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The recording rules of ``files`` as they would be if nothing ever changed.

    Ranges are shortened to SHORT_SECONDS and offsets left out. While all is steady these record
    after minutes what the committed ones record after weeks.
    """
    shortened = {}
    for name, content in files.items():
        groups = [
            group | {"rules": [_shortened(rule) for rule in group["rules"] if "record" in rule]}
            for group in content["groups"]
        ]
        shortened[name] = content | {"groups": [group for group in groups if group["rules"]]}
    return {name: content for name, content in shortened.items() if content["groups"]}


def _rules(files: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for content in files.values():
        for group in content["groups"]:
            yield from group["rules"]


def _reaches(node: promql.Expr, back: float, within: str) -> Iterator[Reach]:
    match node:
        case VectorSelector():
            if node.name not in _MADE_BY_PROMETHEUS:
                seconds = back + _seconds(node.offset)
                yield Reach(_without_offset(node), seconds, within in _RATES)
        case MatrixSelector():
            yield from _reaches(node.vector_selector, back + _seconds(node.range), within)
        case SubqueryExpr():
            yield from _reaches(node.expr, back + _seconds(node.range) + _seconds(node.offset), "")
        case Call():
            for argument in node.args:
                yield from _reaches(argument, back, node.func.name)
        case BinaryExpr():
            yield from _reaches(node.lhs, back, "")
            yield from _reaches(node.rhs, back, "")
        case AggregateExpr() | ParenExpr() | UnaryExpr():
            yield from _reaches(node.expr, back, within)


def _shortened(rule: dict[str, Any]) -> dict[str, Any]:
    expr = promql.transform(promql.parse(rule["expr"]), _short_range)
    return rule | {"expr": promql.transform(expr, _no_offset).prettify()}


def _short_range(node: promql.Expr) -> promql.Expr | None:
    match node:
        case Call() if node.func.name in _GROWS_WITH_RANGE and (factor := _factor(node.args[0])):
            call = promql.transform(node, lambda n: None if n is node else _short_selection(n))
            return promql.parse(f"({factor:.10g} * {call.prettify()})")
    return _short_selection(node)


def _short_selection(node: promql.Expr) -> promql.Expr | None:
    match node:
        case MatrixSelector() if _seconds(node.range) > SHORT_SECONDS:
            return promql.parse(f"{_without_offset(node.vector_selector)}[{SHORT_SECONDS}s]")
        case SubqueryExpr() if _seconds(node.range) > SHORT_SECONDS:
            inner = promql.transform(node.expr, _short_range).prettify()
            return promql.parse(f"({inner})[{SHORT_SECONDS}s:{STEP_SECONDS}s]")
    return None


def _factor(selection: promql.Expr) -> float | None:
    """How many times as much the whole range holds as the shortened one; None if it is short."""
    seconds = _seconds(getattr(selection, "range", None))
    if seconds <= SHORT_SECONDS:
        return None
    step = _seconds(getattr(selection, "step", None)) or STEP_SECONDS
    return seconds / SHORT_SECONDS * (STEP_SECONDS / step)


def _no_offset(node: promql.Expr) -> promql.Expr | None:
    match node:
        case MatrixSelector() if node.vector_selector.offset:
            inside = _without_offset(node.vector_selector)
            return promql.parse(f"{inside}[{_seconds(node.range):g}s]")
        case VectorSelector() if node.offset:
            return promql.parse(_without_offset(node))
    return None


def _without_offset(selector: VectorSelector) -> str:
    matchers = ",".join(str(matcher) for matcher in selector.matchers.matchers)
    return f"{selector.name}{{{matchers}}}" if matchers else str(selector.name)


def _seconds(duration: Any) -> float:
    """A ``timedelta``, or none, in seconds; offsets into the future count as none."""
    return max(0.0, duration.total_seconds()) if duration else 0.0
