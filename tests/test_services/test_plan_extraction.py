"""Payment plans in the words that tenants use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.catalogue import PlanResult
from app.core.config import PaymentPlanLimits
from app.services.plan_extraction import PaymentPlan, proposed, validate


@pytest.mark.parametrize(
    ("text", "weekly", "weeks"),
    [
        ("can I pay 200 a week for 8 weeks?", 200, 8),
        ("$50/week over 10 weeks", 50, 10),
        ("I can do $1,200 per month for 3 months", 276.92, 13),
        ("200 weekly for 4 weeks", 200, 4),
        ("100 fortnightly", 50, None),
        ("$80.50 every fortnight for 6 weeks", 40.25, 6),
        ("40 pw for 3 weeks", 40, 3),
        ("pay 100 dollars a week", 100, None),
        ("30 bucks each week for the next 6 weeks", 30, 6),
    ],
)
def test_found(text: str, weekly: float, weeks: int | None) -> None:
    assert PaymentPlan.found_in(text) == PaymentPlan(weekly, weeks)


@pytest.mark.parametrize(
    "text",
    ["ok thanks", "I owe 300 dollars", "see you in 2 weeks", "call 5550100001 this week", ""],
)
def test_not_found(text: str) -> None:
    assert PaymentPlan.found_in(text) is None


def test_the_tenant_is_heard_before_the_ai() -> None:
    assert proposed("50 a week for 4 weeks", "100 a week for 8 weeks?") == PaymentPlan(50, 4)
    assert proposed("50 a week", "100 a week for 8 weeks?") == PaymentPlan(50, None)


LIMITS = PaymentPlanLimits()


@pytest.mark.parametrize(
    ("plan", "arrears", "result"),
    [
        (PaymentPlan(25, 12), None, PlanResult.VALID),
        (PaymentPlan(25, 12), 300, PlanResult.VALID),
        (PaymentPlan(25, 12), 300.01, PlanResult.NEEDS_REVIEW),
        (PaymentPlan(25, None), None, PlanResult.NEEDS_REVIEW),
        (PaymentPlan(24.99, None), None, PlanResult.INVALID),
        (PaymentPlan(24.99, 12), None, PlanResult.INVALID),
        (PaymentPlan(25, 13), None, PlanResult.INVALID),
        (PaymentPlan(25, 0), None, PlanResult.INVALID),
    ],
)
def test_validated(plan: PaymentPlan, arrears: float | None, result: PlanResult) -> None:
    assert validate(plan, LIMITS, arrears) is result


WORDS = st.sampled_from(
    [
        "$",
        "0",
        "200",
        "9" * 400,
        "1,2",
        "a week",
        "weekly",
        "for",
        "weeks",
        "months",
        "\n",
        "²",
        "pw",
    ]
)


@given(st.text() | st.lists(WORDS).map(" ".join))
def test_no_text_breaks_it(text: str) -> None:
    plan = PaymentPlan.found_in(text)
    assert plan is None or plan.weekly_dollars >= 0


@given(
    weekly=st.floats(0, 1e9),
    weeks=st.none() | st.integers(0, 10**9),
    arrears=st.none() | st.floats(0, 1e9),
)
def test_every_plan_has_a_result(weekly: float, weeks: int | None, arrears: float | None) -> None:
    assert validate(PaymentPlan(weekly, weeks), LIMITS, arrears) in PlanResult


@given(weekly=st.integers(1, 9999), weeks=st.integers(1, 99))
def test_what_is_written_is_what_is_found(weekly: int, weeks: int) -> None:
    assert PaymentPlan.found_in(f"${weekly} a week for {weeks} weeks") == PaymentPlan(weekly, weeks)


@pytest.mark.parametrize(
    "text",
    [
        "I sent you 300 a week ago",
        "I paid 200 a week for 8 weeks already",
        "I can't pay 200 a week",
        "I was paying 100 a week until March",
    ],
)
def test_what_was_paid_or_is_refused_is_no_plan(text: str) -> None:
    assert PaymentPlan.found_in(text) is None


@pytest.mark.parametrize(
    ("text", "dollars"),
    [
        ("I sent you 300 a week ago and can pay 200 a week for 8 weeks", 200),
        ("I can't pay 200 a week, but 50 a week is fine", 50),
        ("I paid 300 yesterday. 120 a week from now on?", 120),
    ],
)
def test_a_plan_beside_what_was_paid_is_found(text: str, dollars: float) -> None:
    plan = PaymentPlan.found_in(text)
    assert plan is not None
    assert plan.weekly_dollars == dollars
