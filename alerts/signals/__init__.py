"""The signals, a module a subject; `groups` is all of them."""

from alerts.model import Group
from alerts.signals import (
    arrivals,
    business,
    growth,
    http,
    monitoring,
    node,
    operations,
    runtime,
    scraping,
    seasonality,
    slo,
    sms,
    throughput,
)
from app.core.thresholds import Thresholds


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """Every rule group, in the order an operator thinks of them."""
    return (
        scraping.group(thresholds),
        *slo.groups(thresholds),
        http.group(thresholds),
        sms.group(thresholds),
        operations.group(thresholds),
        *business.groups(thresholds),
        runtime.group(thresholds),
        *throughput.groups(),
        seasonality.group(),
        arrivals.group(thresholds),
        monitoring.group(thresholds),
        node.group(thresholds),
        *growth.groups(thresholds),
    )
