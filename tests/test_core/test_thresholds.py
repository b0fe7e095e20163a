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
