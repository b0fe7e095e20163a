"""The signals, a module a subject; `groups` is all of them."""

from alerts.model import Group
from alerts.signals import business, http, operations, runtime, scraping, slo, sms
from app.core.thresholds import Thresholds


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """Every rule group, in the order an operator thinks of them."""
    return (
        scraping.group(),
        *slo.groups(thresholds),
        http.group(thresholds),
        sms.group(thresholds),
        operations.group(thresholds),
        *business.groups(thresholds),
        runtime.group(thresholds),
    )
