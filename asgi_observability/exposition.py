"""`/metrics`: the instruments of one worker, or of all, in the format that the scraper asks."""

from collections.abc import Iterable
from typing import Protocol, cast

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder


class Collecting(Protocol):
    """What gives metric families: a registry, or `asgi_observability.workers.Workers`."""

    def collect(self) -> Iterable[Metric]:
        """The families, with their samples as of now."""


def exposition(source: Collecting, accept: str) -> tuple[bytes, str]:
    """The exposition and its content type: OpenMetrics or Prometheus text, as ``accept`` prefers.

    It takes about 8 ms per thousand lines, so call it in a thread.
    """
    encode, content_type = choose_encoder(accept)
    return encode(cast("CollectorRegistry", source)), content_type
