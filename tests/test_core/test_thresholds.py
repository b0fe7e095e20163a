"""Thresholds that contradict each other are refused by name."""

from typing import Any

import pytest

from alerts.model import Comparison
from alerts.signals import groups
from app.core.thresholds import Thresholds
from tests.not_empty import not_empty


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


def _compared(thresholds: Thresholds) -> list[tuple[Comparison, float]]:
    """Every comparison of the rules with a number, in their order."""
    return [
        (compared.comparison, compared.value)
        for group in groups(thresholds)
        for signal in group.signals
        for threshold in signal.thresholds
        for compared in (threshold, *threshold.guards)
    ]


def _shares() -> list[str]:
    """The fields that hold a share, whatever they are called: 1.01 is too much for them."""

    def refuses(name: str, value: float) -> bool:
        try:
            Thresholds(**{name: value})
        except ValueError as error:
            return name in str(error) and "less than" in str(error)
        return False

    return [
        name
        for name, field in Thresholds.model_fields.items()
        if field.annotation is float and refuses(name, 1.01) and not name.endswith("_objective")
    ]


SHARES = _shares()


def test_whatever_is_called_a_share_is_one() -> None:
    named = {name for name in Thresholds.model_fields if name.endswith(("_ratio", "_share"))}
    assert named <= set(SHARES)


def _can_never_be(side: Comparison, value: float) -> bool:
    return {
        Comparison.ABOVE: value >= 1,
        Comparison.BELOW: value <= 0,
        Comparison.AT_LEAST: value > 1,
    }[side]


@pytest.mark.parametrize("name", SHARES)
def test_a_share_that_no_measurement_could_pass_is_refused(name: str) -> None:
    """`> 1` and `< 0` are never so: the alert would be switched off, and nothing would say so."""
    usual = _compared(Thresholds())
    bounds = {0: "greater than 0", 1: "less than 1"}
    useless = []
    for end in bounds:
        there = _compared(Thresholds().model_copy(update={name: end}))
        moved = [now for before, now in zip(usual, there, strict=True) if before != now]
        useless += [end] * any(_can_never_be(*compared) for compared in not_empty(moved))
    for end in not_empty(useless):
        values: dict[str, Any] = {name: end}
        with pytest.raises(ValueError, match=rf"{name}\n.*{bounds[end]}"):
            Thresholds(**values)
