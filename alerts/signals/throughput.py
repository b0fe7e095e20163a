"""How much is done: a minute, five minutes, an hour, a day, each averaged from the one before.

Dashboards over weeks read the long ones: an average of averages costs as little for fifty instances
as for one.
"""

from alerts.model import Dashboard, Group, Record
from alerts.signals.http import SERVED
from app.core import catalogue
from app.core.catalogue import Component

_CALLS = catalogue.OPERATION_DURATION.count

FLOWS = {
    "sms": f"rate({catalogue.SMS_RECEIVED.name}[1m])",
    "requests": f"rate({catalogue.HTTP_SERVER_REQUEST_DURATION.count}{{{SERVED}}}[1m])",
    "ai_calls": f'rate({_CALLS}{{component="{Component.AI_PROVIDER}"}}[1m])',
}
"""What flows through the service, events a second."""

_NAME = "job_flow:throughput"
RATE_1M = f"{_NAME}:rate1m"
RATE_5M = Record(f"{_NAME}:rate5m", f"avg_over_time({RATE_1M}[5m])")
RATE_1H = Record(f"{_NAME}:rate1h", f"avg_over_time({RATE_5M}[1h])")
RATE_1D = Record(f"{_NAME}:rate1d", f"avg_over_time({RATE_1H}[1d])")
GROWTH_1W = Record(
    f"{_NAME}:growth_ratio1w",
    f"avg_over_time({RATE_1H}[1w]) / (avg_over_time({RATE_1H}[1w] offset 1w) > 0)",
)


def groups() -> tuple[Group, ...]:
    """The rules of throughput: each minute's, and what is averaged from it."""
    return (
        Group(
            name="throughput",
            dashboard=Dashboard.TRENDS,
            source="throughput",
            about="SMS, requests and AI calls a second, of each minute.",
            interval="1m",
            records=tuple(
                Record(RATE_1M, f"sum by (job) ({rate})", {"flow": flow})
                for flow, rate in FLOWS.items()
            ),
            signals=(),
        ),
        Group(
            name="throughput_long",
            dashboard=Dashboard.TRENDS,
            source="throughput",
            about="Throughput of five minutes, an hour and a day; growth from week to week.",
            interval="5m",
            follows=("throughput",),
            records=(RATE_5M, RATE_1H, RATE_1D, GROWTH_1W),
            signals=(),
        ),
    )
