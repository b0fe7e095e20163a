"""Thresholds that contradict each other are refused by name."""

import pytest

from app.core.thresholds import Thresholds


@pytest.mark.parametrize(
    ("ticket", "page"),
    [
        ("disk_left_ticket_ratio", "disk_left_page_ratio"),
        ("certificate_ticket_days", "certificate_page_days"),
    ],
)
def test_a_ticket_comes_before_its_page(ticket: str, page: str) -> None:
    limit = getattr(Thresholds(), page)
    with pytest.raises(ValueError, match=f"{ticket} of {limit:g} is not above {page} of {limit:g}"):
        Thresholds(**{ticket: limit})


@pytest.mark.parametrize("days", [7, 29, 60])
def test_a_period_that_the_windows_are_not_made_for_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match=f"{days} days are no month.*use 28 or 30"):
        Thresholds(slo_period_days=days)


def test_an_objective_that_could_never_page_is_refused() -> None:
    """At 90 % all failing is ten times what is allowed, and the page asks for 14.4 times."""
    with pytest.raises(ValueError, match=r"sms_latency_objective of 0.9 would never page.*0\.94"):
        Thresholds(sms_latency_objective=0.9)
    Thresholds(sms_latency_objective=0.94)
