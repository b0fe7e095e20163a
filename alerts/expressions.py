"""Whether a PromQL expression speaks of things that exist.

Every metric has to be in the catalogue, be recorded by a rule, or be Prometheus's own; every
matched label has to be one of the metric's, and every value matched by equality one it can have.
"""

from collections.abc import Iterator
from functools import cache

from promql_parser import MatchOp, VectorSelector

from alerts.exporters import ALERTS, ALERTS_FOR_STATE, known_metrics
from alerts.identity import IDENTITY
from alerts.model import Record
from asgi_observability.metric import Metric
from asgi_observability.nearest import did_you_mean
from prometheus_tools.promql_nodes import nodes

TARGET_LABELS = frozenset({"job", "instance", *IDENTITY})
"""Labels that scraping adds to every series."""


class Vocabulary:
    """The series that rules and dashboards may use."""

    def __init__(self, records: list[Record]) -> None:
        self._metrics = {name: m for m in known_metrics() for name in m.series_names}
        self._without_labels = {ALERTS, ALERTS_FOR_STATE, *(record.name for record in records)}

    def problems(self, expr: str) -> list[str]:
        """What is wrong with ``expr``, one line each; empty when nothing is."""
        try:
            read = selectors(expr)
        except ValueError as error:
            return [f"can't be parsed: {error}"]
        return [problem for selector in read for problem in self._check(selector)]

    def _check(self, selector: VectorSelector) -> Iterator[str]:
        name = selector.name
        if name in self._without_labels:
            return
        if name not in self._metrics:
            yield f"{name}: neither the catalogue nor a recording rule has it; {self._mend(name)}"
            return
        for matcher in selector.matchers.matchers:
            yield from _check_label(
                self._metrics[name], name, matcher.name, matcher.op, matcher.value
            )

    def _mend(self, name: str | None) -> str:
        known = (*self._metrics, *self._without_labels)
        return did_you_mean(name or "", known, otherwise="take the name from there")


def _check_label(metric: Metric, series: str, label: str, op: MatchOp, value: str) -> Iterator[str]:
    if label in TARGET_LABELS:
        return
    if label == "le" and series == metric.bucket:
        bounds = (*(str(float(bound)) for bound in metric.buckets), "+Inf")
        allowed: tuple[str, ...] | None = bounds
    elif label in metric.label_names:
        allowed = metric.label(label).values
    else:
        yield f"{series}: has no label {label}; it has {', '.join(metric.label_names) or 'none'}"
        return
    if op in (MatchOp.Equal, MatchOp.NotEqual) and allowed is not None and value not in allowed:
        yield f'{series}: {label} is never "{value}"; it is one of {", ".join(allowed)}'


@cache
def selectors(expr: str) -> tuple[VectorSelector, ...]:
    """Every series that ``expr`` reads, those within ranges included.

    Raises ValueError where it can't be parsed.
    """
    return tuple(node for node in nodes(expr) if isinstance(node, VectorSelector))
