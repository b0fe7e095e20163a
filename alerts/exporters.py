"""Metrics of others that the rules read: Prometheus, Alertmanager and node_exporter.

Declared as the service's own are, with the labels that the rules use or aggregate away, so that
rules over them are checked in the same way. A test compares them with what the real programs
expose. ``job`` and ``instance`` come with scraping.
"""

from collections.abc import Iterator

from app.core import catalogue
from app.core.catalogue import Kind, Metric

ALERTS = "ALERTS"
"""The alerts that are pending or firing, as Prometheus stores them."""

# --- What Prometheus adds to each target ----------------------------------------------------------

UP = Metric("up", Kind.GAUGE, "bool", "1 where the last scrape of a target worked.")


def exporter_metrics() -> Iterator[Metric]:
    """Every metric of this module, in the order it is declared."""
    for value in globals().values():
        if isinstance(value, Metric):
            yield value


def known_metrics() -> Iterator[Metric]:
    """Every metric that rules and dashboards may read: the service's own, then those of others."""
    yield from catalogue.metrics()
    yield from exporter_metrics()
