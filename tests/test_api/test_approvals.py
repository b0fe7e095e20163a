"""Managers decide on queued responses, each once."""

import asyncio

import httpx
import pytest
from sqlalchemy import select

from app.assembly import Orchestrator
from app.models import ApprovalAudit, EscalationEvent
from tests.sms import SMS
from tests.test_api.conftest import on_both_databases
from tests.upstreams import ScriptedUpstreams


@pytest.fixture
async def queued(client: httpx.AsyncClient, upstreams: ScriptedUpstreams) -> str:
    """The id of a response that waits for a manager."""
    upstreams.confidence = 0.7
    await client.post("/orchestrate/sms-received", json=SMS)
    report = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    assert report["status"] == "awaiting_approval"
    identifier: str = report["response_queue_id"]
    return identifier


async def decide(
    client: httpx.AsyncClient, queued: str, action: str, **fields: str
) -> httpx.Response:
    body = {"response_queue_id": queued, "action": action, "manager_id": "manager-1", **fields}
    return await client.post("/orchestrate/approve-response", json=body)


@pytest.mark.parametrize(
    ("action", "fields", "text", "done"),
    [
        ("approve", {}, "Thanks, we have noted that.", "approve"),
        ("approve", {"approved_text": "Fine."}, "Fine.", "modify"),
        ("modify", {"modified_text": "On Friday."}, "On Friday.", "modify"),
    ],
)
async def test_a_decision_sends_the_text_and_a_changed_one_is_a_modification(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    queued: str,
    action: str,
    fields: dict[str, str],
    text: str,
    done: str,
) -> None:
    response = await decide(client, queued, action, **fields)
    assert response.json() == {"response_queue_id": queued, "action": done, "status": "sent"}
    assert [body["content"] for body in upstreams.sent] == [text]
    async with orchestrator.database.reading() as session:
        audit = (await session.scalars(select(ApprovalAudit))).one()
    assert (audit.action, audit.manager_id, audit.text) == (done, "manager-1", text)
    exposed = (await client.get("/metrics")).text
    assert f'orchestrator_approvals_total{{action="{done}"}} 1.0' in exposed


async def test_a_manager_escalates(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    queued: str,
) -> None:
    response = await decide(client, queued, "escalate", escalation_reason="needs a call")
    assert response.json()["status"] == "escalated"
    assert upstreams.sent == []
    async with orchestrator.database.reading() as session:
        escalation = (await session.scalars(select(EscalationEvent))).one()
    assert (escalation.type, escalation.detection) == ("manager_request", "manual")
    assert escalation.reason == "needs a call"


@on_both_databases
async def test_of_many_decisions_at_once_one_is_carried_out(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, queued: str
) -> None:
    responses = await asyncio.gather(*(decide(client, queued, "approve") for _ in range(10)))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 9
    assert len(upstreams.sent) == 1
    refused = next(r for r in responses if r.status_code == 409).json()["error"]
    assert (refused["code"], refused["field"]) == ("ORC_002", "response_queue_id")


async def test_a_text_that_cannot_be_sent_waits_as_before(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, queued: str
) -> None:
    upstreams.fail("sms", 400)
    refused = await decide(client, queued, "approve")
    assert refused.status_code == 409
    # The SMS Agent was called under the ID of the SMS; the answer is about the manager's request.
    own = refused.headers["X-Correlation-ID"]
    assert refused.json()["error"]["correlation_id"] == own
    last_path, last_headers, _ = upstreams.requests[-1]
    assert last_path == "/sms/send"
    assert last_headers["x-correlation-id"] != own
    assert refused.json()["error"]["code"] == "ORC_002"
    assert (await decide(client, queued, "approve")).status_code == 200


async def test_an_escalated_conversation_is_not_approved_any_more(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, queued: str
) -> None:
    body = {
        "conversation_id": "conversation-1",
        "escalation_type": "payment_dispute",
        "severity": "high",
    }
    assert (await client.post("/orchestrate/escalate", json=body)).status_code == 200
    assert (await decide(client, queued, "approve")).status_code == 409
    assert upstreams.sent == []
