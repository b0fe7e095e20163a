"""Payment plans in the words that tenants use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.catalogue import PlanResult
from app.core.config import PaymentPlanLimits
from app.services.plan_extraction import (
    PaymentPlan,
    held_against,
    named_in,
    proposed,
    validate,
)


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
        ("sure, I can probably make payments of 100 a week for 9 weeks", 100, 9),
        ("would you accept 100 a week for 9 weeks? thanks", 100, 9),
        ("ok. I'd like to pay 100 a week for 9 weeks if that is ok", 100, 9),
        ("I don't have much, I can do 50 a week", 50, None),
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


@pytest.mark.parametrize(
    "text",
    [
        "Do I have to find 100 a week for 8 weeks?",
        "I don't want to pay 100 a week for 8 weeks",
        "If only I could pay 100 a week for 8 weeks",
        "why would I pay 100 a week for 8 weeks",
        "100 a week for 8 weeks? lol no",
        "can I stop paying 100 a week for 8 weeks",
        "can I skip the 100 a week for 8 weeks",
        "could you pay me 100 a week for 8 weeks",
        "how can I pay 100 a week for 8 weeks when I have no job",
        "I would pay 100 a week for 8 weeks but I have no job",
        "I could pay 100 a week for 8 weeks if I won the lottery",
        "can I pay 100 a week for 8 weeks or not? no, I cannot",
        "I will pay you 100 a week for 8 weeks when hell freezes over",
        "yeah right like I'll pay 100 a week for 8 weeks",
        "Who can pay 100 a week for 8 weeks",
        "can I pay 100 a week for 8 weeks? actually make it 10 a week",
        "I can pay 100 a week for 8 weeks if you waive the other 3000",
        "100 a week for 8 weeks, are you kidding me",
        "My brother would pay 100 a week for 8 weeks",
        "It says 100 a week for 8 weeks in the letter",
    ],
)
def test_what_may_be_no_offer_is_read_by_a_person(text: str) -> None:
    plan = PaymentPlan.found_in(text)
    assert plan == PaymentPlan(100, 8, is_offered=False)
    assert validate(plan, LIMITS, None) is PlanResult.NEEDS_REVIEW


def test_a_plan_that_the_answer_declines_is_read_by_a_person() -> None:
    plan = proposed("can I pay 100 a week for 8 weeks?", "No, we can't accept that.")
    assert plan == PaymentPlan(100, 8, is_offered=False)


def test_a_beginning_is_no_duration() -> None:
    found = PaymentPlan.found_in("can I pay 50 a week starting in 3 weeks")
    assert found == PaymentPlan(50, None)


def test_each_amount_has_its_own_duration() -> None:
    text = "You said 200 a week for 8 weeks. I can do 100 a week for 11 weeks"
    assert PaymentPlan.found_in(text) == PaymentPlan(100, 11)
    assert PaymentPlan.found_in("for 8 weeks I could pay 100 a week") == PaymentPlan(100, 8)


def test_a_duration_beyond_all_bounds_is_refused() -> None:
    plan = PaymentPlan.found_in(f"60 a week for {'9' * 500} weeks")
    assert plan is not None
    assert validate(plan, LIMITS, None) is PlanResult.INVALID


LIMITS = PaymentPlanLimits()


@pytest.mark.parametrize(
    ("plan", "arrears", "result"),
    [
        (PaymentPlan(25, 12), None, PlanResult.NEEDS_REVIEW),
        (PaymentPlan(25, 12), 0, PlanResult.VALID),
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


def test_a_plan_of_which_nobody_asked_whether_it_covers_the_arrears() -> None:
    assert held_against(PaymentPlan(25, 12), LIMITS) is PlanResult.VALID
    assert held_against(PaymentPlan(25, 13), LIMITS) is PlanResult.INVALID


def test_a_number_beyond_all_numbers_is_a_large_one() -> None:
    plan = PaymentPlan.found_in(f"I can pay 999{',999' * 300} a week for 8 weeks")
    assert plan == PaymentPlan(9_999_999, 8)


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
        "I was going to pay 100 a week for 5 weeks but I lost my job",
        "No way I pay 100 a week for 4 weeks",
        "You said 200 a week for 8 weeks, that is too much",
        "200 a week for 8 weeks is too much for me",
        "rent is 300 a week for 5 weeks I lived there",
        "she owes 100 a week for 5 weeks",
        "I make 500 a week",
        "my wage is 600 a week",
        "1e9 a week",
        "can I pay 20-30 a week for 8 weeks",
        "\u20ac100 a week for 8 weeks",
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


def test_what_the_ai_has_written_down_is_held_against_the_limits_too() -> None:
    plan = named_in("Thank you. I have noted $50 a week for 20 weeks")
    assert plan == PaymentPlan(50, 20)
    assert validate(plan, LIMITS, None) is PlanResult.INVALID
