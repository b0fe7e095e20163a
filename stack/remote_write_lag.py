"""Whether the engine gets what Prometheus sends it, told minutes before an alert can say so.

Read from what Prometheus exposes at this moment, beside what it stored of itself within the last
minute: samples that were tried again since then are known at the first try that failed.
"""

import re
from collections.abc import Callable, Iterator, Mapping

LATE_SECONDS = 30.0
"""Two scrapes at the default interval: what is sent every few seconds is never so late."""

_SENT = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds"
_RETRIED = "prometheus_remote_storage_samples_retried_total"
_REFUSED = "prometheus_remote_storage_samples_failed_total"
_NEWEST = "prometheus_remote_storage_highest_timestamp_in_seconds"

Query = Callable[[str], list[tuple[dict[str, str], float]]]
"""What Prometheus has stored for an expression now."""


def troubles(exposed: str, query: Query) -> Iterator[str]:
    """What is wrong with each engine; ``exposed`` is the text of Prometheus's ``/metrics``."""
    sent, newest = _by_engine(exposed, _SENT), _alone(exposed, _NEWEST)
    if not sent:
        return
    retried = _since_a_minute(exposed, _RETRIED, query)
    refused = _since_a_minute(exposed, _REFUSED, query)
    for engine, last in sorted(sent.items()):
        behind = max(0.0, newest - last) if last and newest else None
        if refused.get(engine):
            yield f"remote write: {engine} refuses samples, which are lost for it"
        elif retried.get(engine):
            late = "nothing was sent yet" if behind is None else f"{behind:.0f} s behind"
            yield f"remote write: {late}; {engine} took nothing at times in the last minute"
        elif behind is not None and behind > LATE_SECONDS:
            yield f"remote write: {behind:.0f} s behind; {engine} takes samples too slowly"


def _since_a_minute(exposed: str, name: str, query: Query) -> Mapping[str, float]:
    """How many there were since the lowest count of the last minute, where that is known."""
    stored = {
        labels.get("remote_name", ""): count
        for labels, count in query(f"min by (remote_name) (min_over_time({name}[1m]))")
    }
    counts = _by_engine(exposed, name)
    return {engine: counts.get(engine, 0) - count for engine, count in stored.items()}


def _by_engine(exposed: str, name: str) -> dict[str, float]:
    """The values of ``name`` by the engine's name in the configuration."""
    found = re.findall(rf"^{name}\{{(.*)\}} (\S+)", exposed, re.MULTILINE)
    named = ((re.search(r'remote_name="([^"]*)"', labels), value) for labels, value in found)
    return {name[1]: float(value) for name, value in named if name}


def _alone(exposed: str, name: str) -> float:
    found = re.search(rf"^{name} (\S+)", exposed, re.MULTILINE)
    return float(found[1]) if found else 0.0
