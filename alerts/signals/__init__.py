"""The signals, a module a subject; `groups` is all of them."""

from alerts.model import Group
from alerts.signals import business, http, operations, scraping, sms
from app.core.config import Thresholds


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """Every rule group, in the order an operator thinks of them."""
    return (
        scraping.group(),
        http.group(thresholds),
        sms.group(thresholds),
        operations.group(thresholds),
        business.group(),
    )
