"""Payment plans that other services bring in."""

import httpx
import pytest


@pytest.mark.parametrize(
    ("message", "answer", "found"),
    [
        ("200 a week for 8 weeks", None, (200, 8, "valid", True)),
        ("$25/week over 12 weeks", None, (25, 12, "valid", True)),
        ("24.99 a week for 12 weeks", None, (24.99, 12, "invalid", False)),
        ("25 a week for 13 weeks", None, (25, 13, "invalid", False)),
        ("I could do 40 weekly", None, (40, None, "needs_review", False)),
        ("I could do 40 weekly", "So 40 a week for 9 weeks?", (40, 9, "valid", True)),
    ],
)
async def test_a_plan_is_found_and_validated(
    client: httpx.AsyncClient, message: str, answer: str | None, found: tuple[object, ...]
) -> None:
    body = {"conversation_id": "c", "tenant_id": "t", "message_content": message}
    if answer:
        body["ai_response"] = answer
    plan = (await client.post("/orchestrate/payment-plan-detected", json=body)).json()
    assert plan["detected"] is True
    assert plan["payment_plan_id"]
    fields = ("weekly_dollars", "weeks", "result", "auto_approvable")
    assert tuple(plan[field] for field in fields) == found


async def test_no_plan(client: httpx.AsyncClient) -> None:
    body = {"conversation_id": "c", "tenant_id": "t", "message_content": "I owe you 300 dollars"}
    plan = (await client.post("/orchestrate/payment-plan-detected", json=body)).json()
    assert plan["detected"] is False
    assert (await client.get("/orchestrate/metrics")).json()["today"]["payment_plans"] == 0
