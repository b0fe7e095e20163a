"""Whether a PromQL expression can mean what it says.

Prometheus takes much that can't be right: a counter without a rate, a ratio whose sides never
match, an aggregation by a label that is not there. It answers with nothing, or with nonsense. Here
each series' type and labels are known, from the catalogue and from the recording rules, so those
are found before anybody waits for an alert. The rules are those of pint and of the mixins.
"""

import re
from collections.abc import Iterator
from functools import cache

import promql_parser as promql
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    MatchOp,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorMatchCardinality,
    VectorSelector,
)

from alerts.exporters import ALERTS, ALERTS_FOR_STATE, known_metrics
from alerts.expressions import TARGET_LABELS
from alerts.model import Record
from asgi_observability.metric import Kind

SAMPLES_PER_RANGE = 4
"""Scrape intervals in a range, so that one failed scrape, or a late one, leaves a rate."""

_OWN_LABELS: dict[str, frozenset[str] | None] = dict.fromkeys((ALERTS, ALERTS_FOR_STATE))
_RATES = frozenset({"rate", "increase", "irate"})
_OF_GAUGES = frozenset({"delta", "idelta", "deriv", "predict_linear"})
# What may be asked of a counter as it is: whether it is there, and how many of it.
_PRESENCE = frozenset({"absent", "absent_over_time", "count", "group", "present_over_time"})
_WITHOUT_LABELS = frozenset({"vector", "scalar", "time", "pi"})
_KEEP_ALL = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_PLAIN = re.compile(r"[\w /:-]*")

_parsed = cache(promql.parse)

Labels = frozenset[str] | None
"""The labels of a result; None where they can't be known."""


class Semantics:
    """Checks expressions over the catalogue and ``records``, scraped every ``scrape_seconds``."""

    def __init__(self, records: list[Record], scrape_seconds: float) -> None:
        self._kinds = {name: m.kind for m in known_metrics() for name in m.series_names}
        self._labels: dict[str, Labels] = dict(_OWN_LABELS)
        for metric in known_metrics():
            for name in metric.series_names:
                bucket = (
                    {"le"} if metric.kind is Kind.HISTOGRAM and name == metric.bucket else set()
                )
                self._labels[name] = TARGET_LABELS | {*metric.label_names, *bucket}
        self._shortest = SAMPLES_PER_RANGE * scrape_seconds
        # In the order of evaluation: a record reads only those before it.
        for record in records:
            labels = self.labels(record.expr)
            self._labels[record.name] = None if labels is None else labels | record.labels.keys()

    def problems(self, expr: str) -> list[str]:
        """What can't be right in ``expr``, each with its fix; empty when nothing is."""
        return list(dict.fromkeys(self._problems(_parsed(expr), within="")))

    def labels(self, expr: str) -> Labels:
        """The labels that the results of ``expr`` have at least."""
        return self.labels_of(_parsed(expr))

    def template_problems(self, expr: str, *texts: str) -> list[str]:
        """Labels that ``texts`` fill in, but the results of ``expr`` don't have."""
        kept = self.labels(expr)
        if kept is None:
            return []
        together = " ".join(texts)
        # What a template asks for before it uses it may be missing.
        asked = set(re.findall(r"(?:with|if) \$labels\.(\w+)", together))
        used = set(re.findall(r"\$labels\.(\w+)", together)) - asked
        return [
            f"$labels.{name} is always empty: the expression keeps {_listed(kept)}; "
            "aggregate by it too, or leave it out"
            for name in sorted(used - kept)
        ]

    def _problems(self, node: promql.Expr, within: str) -> Iterator[str]:
        match node:
            case VectorSelector():
                yield from self._of_selector(node, within)
            case MatrixSelector():
                yield from self._of_range(node, within)
            case Call():
                for argument in node.args:
                    yield from self._problems(argument, node.func.name)
                if node.func.name == "histogram_quantile":
                    yield from self._of_quantile(node)
            case AggregateExpr():
                yield from self._problems(node.expr, str(node.op))
                yield from self._of_aggregation(node)
            case BinaryExpr():
                if _asks_what_is_new(node):
                    return
                yield from self._problems(node.lhs, within)
                yield from self._problems(node.rhs, within)
                yield from self._of_matching(node)
            case ParenExpr() | UnaryExpr() | SubqueryExpr():
                yield from self._problems(node.expr, within)

    def _of_selector(self, node: VectorSelector, within: str) -> Iterator[str]:
        name = node.name or ""
        if self._is_counter(name) and within not in _PRESENCE:
            yield (
                f"{name}: a counter only grows, until a restart; take rate() or increase() of it"
            )
        for matcher in node.matchers.matchers:
            if matcher.op in (MatchOp.Re, MatchOp.NotRe) and _PLAIN.fullmatch(matcher.value):
                equal = "=" if matcher.op is MatchOp.Re else "!="
                yield (
                    f"{name}: {matcher.name} is matched by a regex that is plain text; write "
                    f'{matcher.name}{equal}"{matcher.value}"'
                )

    def _of_range(self, node: MatrixSelector, within: str) -> Iterator[str]:
        name = node.vector_selector.name or ""
        is_counter = self._is_counter(name)
        if within in _RATES and not is_counter and name in self._labels:
            yield f"{within}({name}): that is not a counter; use delta() or deriv() of a gauge"
        if within in _OF_GAUGES and is_counter:
            yield f"{within}({name}): a counter, whose restart looks like a fall; use rate()"
        if within in _RATES and node.range.total_seconds() < self._shortest:
            yield (
                f"{within}({name}[{node.range.total_seconds():g}s]): a range holds at least "
                f"{SAMPLES_PER_RANGE} scrapes; write [{self._shortest:g}s] or more"
            )

    def _of_quantile(self, node: Call) -> Iterator[str]:
        labels = self.labels_of(node.args[1])
        if labels is not None and "le" not in labels:
            yield "histogram_quantile: its argument has no le; keep le in the aggregation"

    def _of_aggregation(self, node: AggregateExpr) -> Iterator[str]:
        inner, modifier = self._labels_of_any_side(node.expr), node.modifier
        if inner is None or modifier is None:
            return
        word = "by" if modifier.type is AggModifierType.By else "without"
        for label in modifier.labels:
            if label not in inner:
                yield (
                    f"{node.op} {word} {label}: what is aggregated has no such label; it has "
                    f"{_listed(inner)}"
                )

    def _labels_of_any_side(self, node: promql.Expr) -> Labels:
        """The labels that some results of ``node`` have: those of each side of an ``or``."""
        if isinstance(node, ParenExpr):
            return self._labels_of_any_side(node.expr)
        if isinstance(node, BinaryExpr) and str(node.op) == "or":
            left, right = map(self._labels_of_any_side, (node.lhs, node.rhs))
            return None if left is None or right is None else left | right
        return self.labels_of(node)

    def _of_matching(self, node: BinaryExpr) -> Iterator[str]:
        if node.modifier is not None and node.modifier.matching is not None:
            return
        if _is_scalar(node.lhs) or _is_scalar(node.rhs) or str(node.op) == "or":
            return
        if _writes_labels(node.lhs) or _writes_labels(node.rhs):
            return
        left, right = self.labels_of(node.lhs), self.labels_of(node.rhs)
        if left is not None and right is not None and left != right:
            yield (
                f"{node.op}: the sides never match: the left has {_listed(left)}, the right "
                f"{_listed(right)}; aggregate both alike, or say on (…)"
            )

    def _is_counter(self, name: str) -> bool:
        return self._kinds.get(name) in (Kind.COUNTER, Kind.HISTOGRAM)

    def labels_of(self, node: promql.Expr) -> Labels:
        """The same of a parsed part of one."""
        match node:
            case VectorSelector():
                return self._labels.get(node.name or "")
            case MatrixSelector():
                return self.labels_of(node.vector_selector)
            case ParenExpr() | UnaryExpr() | SubqueryExpr():
                return self.labels_of(node.expr)
            case AggregateExpr():
                return self._labels_of_aggregation(node)
            case Call():
                return self._labels_of_call(node)
            case BinaryExpr():
                return self._labels_of_binary(node)
        return frozenset()

    def _labels_of_aggregation(self, node: AggregateExpr) -> Labels:
        inner = self.labels_of(node.expr)
        if str(node.op) in _KEEP_ALL:
            return inner
        if node.modifier is None:
            return frozenset()
        named = frozenset(node.modifier.labels)
        if node.modifier.type is AggModifierType.By:
            return named
        return None if inner is None else inner - named

    def _labels_of_call(self, node: Call) -> Labels:
        name = node.func.name
        if name in _WITHOUT_LABELS:
            return frozenset()
        if name.startswith("absent"):
            selector = node.args[0]
            selector = (
                selector.vector_selector if isinstance(selector, MatrixSelector) else selector
            )
            if not isinstance(selector, VectorSelector):
                return frozenset()
            matchers = selector.matchers.matchers
            return frozenset(m.name for m in matchers if m.op is MatchOp.Equal)
        if name.startswith("label_"):
            inner, written = self.labels_of(node.args[0]), node.args[1]
            return None if inner is None else inner | {written.val}
        vectors = [arg for arg in node.args if not _is_scalar(arg)]
        labels = self.labels_of(vectors[-1]) if vectors else frozenset()
        if name == "histogram_quantile" and labels is not None:
            return labels - {"le"}
        return labels

    def _labels_of_binary(self, node: BinaryExpr) -> Labels:
        left, right = self.labels_of(node.lhs), self.labels_of(node.rhs)
        operator = str(node.op)
        if _is_scalar(node.lhs):
            return right
        if _is_scalar(node.rhs) or operator in ("and", "unless"):
            return left
        if operator == "or":
            return None if left is None or right is None else left & right
        modifier = node.modifier
        if modifier is None or modifier.matching is None:
            return left
        brought = frozenset(modifier.group_labels or ())
        if modifier.card == VectorMatchCardinality.OneToMany:
            return None if right is None else right | brought
        if modifier.card == VectorMatchCardinality.ManyToOne:
            return None if left is None else left | brought
        named = frozenset(modifier.matching.labels)
        is_on = str(modifier).startswith("on")
        return named if is_on else None if left is None else left - named


def values_of(label: str) -> tuple[str, ...]:
    """Values that a label has, for examples: those of its closed set, or two made up."""
    closed = [
        value
        for metric in known_metrics()
        for each in metric.labels
        if each.name == label and each.values
        for value in each.values
    ]
    return tuple(dict.fromkeys(closed)) or (f"some-{label}", f"another-{label}")


def _asks_what_is_new(node: BinaryExpr) -> bool:
    """Whether this is ``counter unless counter offset …``: a counter that begins has only now
    counted what it shows."""
    left, right = node.lhs, node.rhs
    return (
        str(node.op) == "unless"
        and isinstance(left, VectorSelector)
        and isinstance(right, VectorSelector)
        and left.name == right.name
        and right.offset is not None
    )


def _writes_labels(node: promql.Expr) -> bool:
    """Whether results of ``node`` may lack a label, or have one more: by what others are."""
    match node:
        case Call():
            return node.func.name.startswith("label_") or any(map(_writes_labels, node.args))
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            return _writes_labels(node.expr)
        case BinaryExpr():
            return _writes_labels(node.lhs) or _writes_labels(node.rhs)
    return False


def _is_scalar(node: promql.Expr) -> bool:
    match node:
        case promql.NumberLiteral() | promql.StringLiteral():
            return True
        case ParenExpr() | UnaryExpr():
            return _is_scalar(node.expr)
        case Call():
            return node.func.name in ("scalar", "time", "pi")
        case BinaryExpr():
            return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    return False


def _listed(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels)) or "none"
