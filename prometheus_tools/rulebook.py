"""Rules as Prometheus reads them: parsed from the text of rule files, with what each depends on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import promql_parser
from promql_parser import BinaryExpr, MatrixSelector, VectorSelector

from prometheus_tools.promql_nodes import nodes
from prometheus_tools.yaml_reading import read_yaml

Node = TypeVar("Node", MatrixSelector, VectorSelector)


@dataclass(frozen=True, slots=True)
class RecordingRule:
    """A recording rule. ``labels`` are added to its series; ``interval`` is in seconds."""

    name: str
    expr: str
    labels: Mapping[str, str]
    interval: int


@dataclass(frozen=True, slots=True)
class AlertingRule:
    """An alerting rule. ``pending``, ``keep_firing`` and ``interval`` are in seconds."""

    name: str
    expr: str
    labels: Mapping[str, str]
    pending: float
    keep_firing: float
    interval: int

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What tells the rule from others of its name."""
        return self.name, tuple(sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules of some files. Rules that record under one name differ by their labels."""

    records: Mapping[str, tuple[RecordingRule, ...]]
    alerts: tuple[AlertingRule, ...]

    def reads(self, expr: str) -> set[str]:
        """The records that ``expr`` reads itself."""
        return series_names(expr) & self.records.keys()

    def read_over_time(self) -> set[str]:
        """The records of which a rule reads a range."""
        exprs = [rule.expr for rules in self.records.values() for rule in rules]
        exprs += [alert.expr for alert in self.alerts]
        return {name for expr in exprs for name in range_names(expr)} & self.records.keys()

    def closure(self, names: Iterable[str]) -> set[str]:
        """``names`` and every record that they read, however indirectly."""
        found: set[str] = set()
        left = [name for name in names if name in self.records]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += [read for rule in self.records[name] for read in self.reads(rule.expr)]
        return found

    def layers(self, names: Iterable[str]) -> list[list[str]]:
        """``names`` and what they read in groups, each of which reads only groups before it.

        ValueError names records that read each other in a circle.
        """
        left = self.closure(names)
        read_by = {
            name: {read for rule in self.records[name] for read in self.reads(rule.expr)}
            for name in left
        }
        layers: list[list[str]] = []
        while left:
            ready = [name for name in self.records if name in left and not read_by[name] & left]
            if not ready:
                raise ValueError(f"records read each other: {', '.join(sorted(left))}")
            layers.append(ready)
            left -= set(ready)
        return layers


def rulebook(texts: Iterable[str], default_interval: int, at_least: int = 0) -> Rulebook:
    """The rules in the ``texts`` of rule files.

    ``default_interval`` is that of groups that have none of their own; ``at_least`` makes shorter
    ones as long as this. Both are in seconds.
    """
    records: dict[str, tuple[RecordingRule, ...]] = {}
    alerts: list[AlertingRule] = []
    for group in _groups(texts):
        own = group.get("interval")
        interval = max(int(duration(own)) if own else default_interval, at_least)
        for rule in group["rules"]:
            labels = rule.get("labels", {})
            if "record" in rule:
                record = RecordingRule(rule["record"], rule["expr"], labels, interval)
                records[record.name] = (*records.get(record.name, ()), record)
            else:
                pending = duration(rule.get("for", "0s"))
                keep_firing = duration(rule.get("keep_firing_for", "0s"))
                alerts.append(
                    AlertingRule(
                        rule["alert"],
                        rule["expr"],
                        labels=labels,
                        pending=pending,
                        keep_firing=keep_firing,
                        interval=interval,
                    )
                )
    return Rulebook(records, tuple(alerts))


def duration(text: str) -> float:
    """The seconds of a Prometheus duration such as ``1h30m``. Raises ValueError."""
    if text == "0s":
        return 0.0
    seconds: float = promql_parser.parse_duration(text).total_seconds()
    return seconds


def series_names(expr: str) -> set[str]:
    """The names of the series that ``expr`` reads."""
    return set(_series_names(expr))


# Whoever compares dashboards asks for the same expressions again and again.
@lru_cache(maxsize=4096)
def _series_names(expr: str) -> frozenset[str]:
    return frozenset(selector.name for selector in selectors(expr) if selector.name)


_ARITHMETIC = frozenset("+-*/%^") | {"atan2"}


def combined_names(expr: str) -> list[set[str]]:
    """The names of the series that ``expr`` calculates with, those of each calculation together.

    Such as both sides of a ratio, but not what is only compared or looked for beside it.
    """
    return [
        series_names(str(node))
        for node in nodes(expr)
        if isinstance(node, BinaryExpr) and str(node.op) in _ARITHMETIC
    ]


def range_names(expr: str) -> set[str]:
    """The names of the series of which ``expr`` reads a range."""
    found = _found(expr, MatrixSelector)
    return {node.vector_selector.name for node in found if node.vector_selector.name}


def selectors(expr: str) -> list[VectorSelector]:
    """The selectors in ``expr``."""
    return _found(expr, VectorSelector)


def _found(expr: str, kind: type[Node]) -> list[Node]:
    return [node for node in nodes(expr) if isinstance(node, kind)]


def _groups(texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    for text in texts:
        yield from read_yaml(text)["groups"]
