"""The service's metrics as a scrape has them, each with one series, for promtool to look at."""

from collections.abc import Iterable

from app.core import catalogue
from asgi_observability.exposition import exposition
from asgi_observability.instruments import Instruments
from asgi_observability.metric import Kind, Metric
from prometheus_tools import metrics_lint


def ill_formed(metrics: Iterable[Metric] | None = None) -> list[str]:
    """Names, units and types that promtool refuses, of ``metrics`` or of the whole catalogue."""
    return [
        f"{problem}; change it in the catalogue"
        for problem in metrics_lint.problems_in(_exposed(metrics or catalogue.metrics()))
    ]


def _exposed(metrics: Iterable[Metric]) -> str:
    instruments = Instruments()
    for metric in metrics:
        values = [label.values[0] if label.values else "any" for label in metric.labels]
        match metric.kind:
            case Kind.COUNTER:
                instruments.counter(metric).expose(*values)
            case Kind.GAUGE:
                instruments.gauge(metric).expose(*values)
            case Kind.HISTOGRAM:
                instruments.histogram(metric).expose(*values)
    return exposition(instruments.own_snapshot(), accept="").body.decode()
