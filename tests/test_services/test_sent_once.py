"""A tenant gets one text for one message, whatever is lost, repeated or done at the same moment."""

import asyncio
from collections import defaultdict
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from app.assembly import Orchestrator
from app.models import (
    ApprovalAudit,
    EscalationEvent,
    OutboundMessage,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams
from tests.waiting import until

GARBLED = b"{}"
ESCALATE = {
    "conversation_id": "conversation-1",
    "escalation_type": "payment_dispute",
    "severity": "high",
}


async def _receive(client: httpx.AsyncClient, **changes: str) -> dict[str, str]:
    response = await client.post("/orchestrate/sms-received", json=SMS | changes)
    assert response.status_code == 200, response.text
    answer: dict[str, str] = response.json()
    return answer


async def _status(client: httpx.AsyncClient) -> dict[str, str]:
    answer: dict[str, str] = (
        await client.get("/orchestrate/workflow/conversation-1/status")
    ).json()
    return answer


async def _decide(
    client: httpx.AsyncClient, response_queue_id: str, action: str, **fields: str
) -> httpx.Response:
    body = {"response_queue_id": response_queue_id, "action": action, "manager_id": "m1"}
    return await client.post("/orchestrate/approve-response", json=body | fields)


async def _queued(client: httpx.AsyncClient, upstreams: ScriptedUpstreams) -> str:
    upstreams.confidence = 0.7
    await _receive(client)
    return (await _status(client))["response_queue_id"]


def _what_the_agent_took(upstreams: ScriptedUpstreams) -> set[tuple[str, str]]:
    """Key and text of each call: the agent sends one text for a key."""
    return {
        (headers["idempotency-key"], str(body["content"]))
        for path, headers, body in upstreams.requests
        if path == "/sms/send"
    }


async def test_an_answer_whose_receipt_was_lost_is_sent_again_as_it_was(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.bodies["sms"] = GARBLED  # the agent has taken it, its answer is lost
    failed = await _receive(client)
    assert failed["status"] == "failed"
    assert (await _status(client))["outbound_state"] == "unconfirmed"
    # The AI would write another answer now, and be less sure of it.
    del upstreams.bodies["sms"]
    upstreams.answer, upstreams.confidence = "Something else.", 0.7
    retried = (await client.post(f"/orchestrate/retry/{failed['workflow_id']}")).json()
    assert retried["status"] == "sent"
    assert len(upstreams.sent) == 2
    ((_, text),) = _what_the_agent_took(upstreams)
    status = await _status(client)
    assert (status["outbound_text"], status["outbound_state"]) == (text, "sent")
    assert status["route"] == "auto_sent"


async def test_after_a_lost_receipt_a_changed_text_is_not_sent(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    queued = await _queued(client, upstreams)
    upstreams.bodies["sms"] = GARBLED
    assert (await _decide(client, queued, "approve")).status_code == 503
    del upstreams.bodies["sms"]
    changed = await _decide(client, queued, "modify", modified_text="Another text.")
    assert changed.status_code == 409
    assert "may have it" in changed.json()["error"]["message"]
    assert (await _decide(client, queued, "approve")).status_code == 200
    ((_, text),) = _what_the_agent_took(upstreams)
    async with orchestrator.database.reading() as session:
        audit = (await session.scalars(select(ApprovalAudit))).one()
    assert (audit.text, audit.action) == (text, "approve")


async def test_a_text_that_the_agent_refuses_is_shortened_and_the_short_one_is_sent_once(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    """The agent finds the text too long: nothing is with the tenant, and the manager may change it.

    It goes out under a key of its own: under the old one, the agent may only say again what it has
    said.
    """
    queued = await _queued(client, upstreams)
    upstreams.fail("sms", 400)
    refused = await _decide(client, queued, "modify", modified_text="Far too long.")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert "refuses" in error["message"]
    assert "modified_text" in error["message"]
    assert (await _status(client))["outbound_state"] == "not_sent"
    shortened = await _decide(client, queued, "modify", modified_text="Short.")
    assert shortened.status_code == 200
    assert (await _decide(client, queued, "modify", modified_text="Short.")).status_code == 409
    assert [body["content"] for body in upstreams.sent] == ["Far too long.", "Short."]
    assert len({key for key, _ in _what_the_agent_took(upstreams)}) == 2
    status = await _status(client)
    assert (status["outbound_text"], status["outbound_state"]) == ("Short.", "sent")
    async with orchestrator.database.reading() as session:
        audit = (await session.scalars(select(ApprovalAudit))).one()
    assert (audit.text, audit.action) == ("Short.", "modify")


@pytest.mark.parametrize("status", [408, 409, 500])
async def test_what_is_no_refusal_leaves_the_text_as_it_is(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, status: int
) -> None:
    queued = await _queued(client, upstreams)
    upstreams.fail("sms", *[status] * 4)
    assert (await _decide(client, queued, "approve")).status_code == 503
    upstreams.statuses.clear()
    changed = await _decide(client, queued, "modify", modified_text="Another text.")
    assert changed.status_code == 409
    assert "may have it" in changed.json()["error"]["message"]
    assert (await _decide(client, queued, "approve")).status_code == 200
    assert len(_what_the_agent_took(upstreams)) == 1


@pytest.mark.parametrize("in_one_call", [True, False])
async def test_a_refusal_takes_nothing_back_that_was_on_its_way_before(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, in_one_call: bool
) -> None:
    """The tenant may have the text of the first attempt, whatever the agent says of the next."""
    queued = await _queued(client, upstreams)
    if in_one_call:
        upstreams.fail("sms", 502)
    else:
        upstreams.bodies["sms"] = GARBLED
        assert (await _decide(client, queued, "approve")).status_code == 503
        del upstreams.bodies["sms"]
    upstreams.fail("sms", 400)
    assert (await _decide(client, queued, "approve")).status_code == 503
    changed = await _decide(client, queued, "modify", modified_text="Another text.")
    assert changed.status_code == 409
    assert (await _status(client))["outbound_state"] == "unconfirmed"
    assert len(_what_the_agent_took(upstreams)) == 1


async def test_a_decision_that_took_too_long_leaves_the_next_one_alone(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    """It is given up, another manager decides, and only then the agent refuses the first call."""
    queued = await _queued(client, upstreams)
    upstreams.hanging.add("sms")
    upstreams.fail("sms", 400)
    first_agent = upstreams.hang
    stalled = asyncio.create_task(_decide(client, queued, "approve"))
    await until(lambda: len(upstreams.sent) == 1)
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(hours=1)
        await session.execute(update(QueuedResponse).values(updated_at=earlier))
    await orchestrator.sweep.sweep()
    upstreams.hang = asyncio.Event()
    deciding = asyncio.create_task(_decide(client, queued, "approve"))
    await until(lambda: len(upstreams.sent) == 2)
    first_agent.set()
    assert (await stalled).status_code == 503
    # The second decision is still being carried out, and is nobody else's to make.
    escalated = await _decide(client, queued, "escalate")
    assert escalated.status_code == 409
    upstreams.hang.set()
    assert (await deciding).status_code == 200
    assert len(_what_the_agent_took(upstreams)) == 1


async def test_the_text_is_stored_before_the_agent_is_called(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.hanging.add("sms")
    receiving = asyncio.create_task(_receive(client))
    await until(lambda: upstreams.sent)
    async with orchestrator.database.reading() as session:
        outbound = (await session.scalars(select(OutboundMessage))).one()
    assert outbound.text == upstreams.sent[0]["content"]
    assert _what_the_agent_took(upstreams) == {(outbound.id, outbound.text)}
    upstreams.hanging.clear()
    upstreams.hang.set()
    assert (await receiving)["status"] == "sent"


async def test_a_run_that_was_given_up_changes_nothing_any_more(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.hanging.add("v1")
    stalled = asyncio.create_task(_receive(client))
    await until(lambda: any(path.startswith("/v1") for path, *_ in upstreams.requests))
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(hours=1)
        await session.execute(update(WorkflowInstance).values(updated_at=earlier))
    await orchestrator.sweep.sweep()
    report = await _status(client)
    assert (report["status"], report["error"]) == ("failed", "interrupted")
    upstreams.hanging.clear()
    retried = await client.post(f"/orchestrate/retry/{report['workflow_id']}")
    assert retried.json()["status"] == "sent"
    upstreams.answer = "What the stalled run is told."
    upstreams.hang.set()
    assert (await stalled)["status"] == "sent"
    assert len(upstreams.sent) == 1


async def test_a_run_that_was_given_up_decides_nothing_while_the_next_one_sends(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.hanging.add("v1")
    stalled = asyncio.create_task(_receive(client))
    await until(lambda: any(path.startswith("/v1") for path, *_ in upstreams.requests))
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(hours=1)
        await session.execute(update(WorkflowInstance).values(updated_at=earlier))
    await orchestrator.sweep.sweep()
    ai_answers, upstreams.hang, upstreams.hanging = upstreams.hang, asyncio.Event(), {"sms"}
    workflow_id = (await _status(client))["workflow_id"]
    retrying = asyncio.create_task(client.post(f"/orchestrate/retry/{workflow_id}"))
    await until(lambda: upstreams.sent)
    # Now the stalled run hears from the AI, which would have a manager asked.
    upstreams.confidence = 0.7
    ai_answers.set()
    assert (await stalled)["status"] == "processing"
    upstreams.hang.set()
    assert (await retrying).json()["status"] == "sent"
    assert len(upstreams.sent) == 1
    async with orchestrator.database.reading() as session:
        response = (await session.scalars(select(QueuedResponse))).one()
    assert response.status is QueueStatus.AUTO_SENT


@pytest.mark.parametrize("hold", ["sms", None])
async def test_of_an_approval_and_an_escalation_at_the_same_moment_one_wins(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    hold: str | None,
) -> None:
    queued = await _queued(client, upstreams)
    if hold:
        upstreams.hanging.add(hold)
    approving = asyncio.create_task(_decide(client, queued, "approve"))
    if hold:
        await until(lambda: upstreams.sent)
    escalated = await client.post("/orchestrate/escalate", json=ESCALATE)
    upstreams.hanging.clear()
    upstreams.hang.set()
    approved = await approving
    async with orchestrator.database.reading() as session:
        workflow = (await session.scalars(select(WorkflowInstance))).one()
        escalations = (await session.scalars(select(EscalationEvent))).all()
    if approved.status_code == 200 and escalated.status_code == 200:
        # One after the other: the answer was sent, then the conversation escalated.
        assert hold is None
        assert workflow.status is WorkflowStatus.ESCALATED
    else:
        assert {approved.status_code, escalated.status_code} == {200, 409}
    assert len(upstreams.sent) == (1 if approved.status_code == 200 else 0)
    assert len(escalations) == (1 if escalated.status_code == 200 else 0)


async def test_two_messages_with_the_same_words_are_two_where_the_provider_says_so(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    first = await _receive(client, content="Yes", message_id="SM-1")
    again = await _receive(client, content="Yes", message_id="SM-1")
    second = await _receive(client, content="Yes", message_id="SM-2")
    assert again["workflow_id"] == first["workflow_id"]
    assert second["workflow_id"] != first["workflow_id"]
    assert len(upstreams.sent) == 2


async def test_an_answer_that_comes_after_a_later_one_is_looked_at_by_a_manager(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.bodies["v1"] = GARBLED
    failed = await _receive(client, content="Shall I pay by card?")
    del upstreams.bodies["v1"]
    later = await _receive(client, content="Forget it, I have paid in cash")
    assert (failed["status"], later["status"]) == ("failed", "sent")
    again = (await client.post(f"/orchestrate/retry/{failed['workflow_id']}")).json()
    assert again["status"] == "awaiting_approval"
    assert len(_what_the_agent_took(upstreams)) == 1


async def test_a_text_that_may_be_too_late_waits_for_a_manager_and_goes_out_once(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answer = "Card is fine"
    upstreams.bodies["sms"] = GARBLED  # the agent has taken it, its answer is lost
    failed = await _receive(client, content="Shall I pay by card?")
    del upstreams.bodies["sms"]
    upstreams.answer = "Thanks for the cash"
    await _receive(client, content="Forget it, I have paid in cash")
    again = (await client.post(f"/orchestrate/retry/{failed['workflow_id']}")).json()
    assert again["status"] == "awaiting_approval"
    waiting = (await client.get("/orchestrate/responses/waiting")).json()["items"]
    (response,) = [each["response_queue_id"] for each in waiting]
    assert (await _decide(client, response, "modify", modified_text="Too late")).status_code == 409
    assert (await _decide(client, response, "approve")).status_code == 200
    keys = defaultdict(set)
    for key, text in _what_the_agent_took(upstreams):
        keys[text].add(key)
    assert {text: len(found) for text, found in keys.items()} == {
        "Card is fine": 1,
        "Thanks for the cash": 1,
    }


async def test_a_text_that_is_refused_is_known_not_to_be_sent_and_goes_out_under_a_new_key(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.fail("sms", 400)
    failed = await _receive(client)
    assert (failed["status"], (await _status(client))["outbound_state"]) == ("failed", "not_sent")
    again = (await client.post(f"/orchestrate/retry/{failed['workflow_id']}")).json()
    assert again["status"] == "sent"
    assert (await _status(client))["outbound_state"] == "sent"
    (refused, _), (sent, _) = [
        (headers["idempotency-key"], body)
        for path, headers, body in upstreams.requests
        if path == "/sms/send"
    ]
    assert refused != sent


async def test_a_text_of_an_earlier_release_that_may_be_with_the_tenant_is_not_followed_by_another(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, orchestrator: Orchestrator
) -> None:
    upstreams.bodies["v1"] = GARBLED
    failed = await _receive(client)
    del upstreams.bodies["v1"]
    async with orchestrator.database.writing() as session:
        # As a release left it that stored no text before it sent it.
        await session.execute(
            update(WorkflowInstance).values(error="sms_agent: send_sms failed: timeout")
        )
    again = (await client.post(f"/orchestrate/retry/{failed['workflow_id']}")).json()
    assert again["status"] == "awaiting_approval"
    assert _what_the_agent_took(upstreams) == set()
