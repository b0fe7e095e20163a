"""The signals, a module a subject; `groups` is all of them."""

from alerts.identity import IDENTITY, identified
from alerts.model import Group
from alerts.signals import (
    arrivals,
    business,
    durations,
    growth,
    http,
    monitoring,
    node,
    operations,
    release,
    runtime,
    scraping,
    seasonality,
    slo,
    sms,
    throughput,
)
from app.core.thresholds import Thresholds


def groups(thresholds: Thresholds, identity: tuple[str, ...] = IDENTITY) -> tuple[Group, ...]:
    """Every rule group, in the order an operator thinks of them.

    ``identity`` are the labels by which deployments are told apart.
    """
    declared = (
        scraping.group(thresholds),
        *slo.groups(thresholds),
        http.group(thresholds),
        release.group(thresholds),
        sms.group(thresholds),
        operations.group(thresholds),
        durations.group(),
        *business.groups(thresholds),
        runtime.group(thresholds),
        *throughput.groups(),
        seasonality.group(),
        arrivals.group(thresholds),
        monitoring.group(thresholds),
        node.group(thresholds),
        *growth.groups(thresholds),
    )
    return tuple(identified(group, identity) for group in declared)
