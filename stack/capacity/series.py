"""How many series an orchestrator exposes: the catalogue's, with the label values that are met."""

from itertools import product
from math import prod

from app.core.catalogue import metrics
from asgi_observability.metric import Kind, Metric
from stack.capacity import constants
from stack.capacity.constants import Exposed


def exposed(metric: Metric) -> tuple[Exposed, ...]:
    """The sets of label values of ``metric`` that a real orchestrator exposed.

    All that its labels allow, where it is younger than the measurement.
    """
    if found := constants.measured().service.exposed.get(metric.name):
        return found
    allowed = [label.values or ("",) for label in metric.labels]
    return tuple(Exposed(labels=labels) for labels in product(*allowed))


def of_each(metric: Metric) -> int:
    """Series for one set of label values: a histogram has its buckets, +Inf, sum and count."""
    return len(metric.buckets) + 3 if metric.kind is Kind.HISTOGRAM else 1


def usual() -> int:
    """Series of one instance that has seen traffic and every fault."""
    return sum(len(exposed(metric)) * of_each(metric) for metric in metrics())


def at_most() -> int:
    """Series of one instance if all label values that are allowed came together.

    Of a label without a closed set, such as the route, the values that were met are counted.
    """
    return sum(_combinations(metric) * of_each(metric) for metric in metrics())


def not_measured() -> list[str]:
    """Metrics of the catalogue that the measured orchestrator did not expose."""
    known = constants.measured().service.exposed
    return [metric.name for metric in metrics() if metric.name not in known]


def _combinations(metric: Metric) -> int:
    met = exposed(metric)
    return prod(
        len(label.values) if label.values else len({one.labels[place] for one in met})
        for place, label in enumerate(metric.labels)
    )
