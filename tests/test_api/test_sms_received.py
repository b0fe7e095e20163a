"""One SMS through the workflow: routing, idempotency, failures."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update

from app.assembly import Orchestrator
from app.core.catalogue import ErrorType, Route
from app.models import (
    EscalationEvent,
    PaymentPlanAttempt,
    QueuedResponse,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from tests.captured_logs import captured_logs
from tests.sms import SMS
from tests.test_api.conftest import on_both_databases
from tests.upstreams import ScriptedUpstreams
from tests.waiting import until


async def receive(client: httpx.AsyncClient, **changes: str) -> dict[str, str]:
    response = await client.post("/orchestrate/sms-received", json=SMS | changes)
    assert response.status_code == 200, response.text
    answer: dict[str, str] = response.json()
    return answer


async def status(
    client: httpx.AsyncClient, conversation: str = "conversation-1"
) -> dict[str, object]:
    response = await client.get(f"/orchestrate/workflow/{conversation}/status")
    assert response.status_code == 200, response.text
    answer: dict[str, object] = response.json()
    return answer


@pytest.mark.parametrize(
    ("confidence", "workflow_status", "route"),
    [
        (0.86, "sent", "auto_sent"),
        (0.85, "awaiting_approval", "queued"),
        (0.60, "awaiting_approval", "queued"),
        (0.59, "escalated", "escalated"),
        (None, "escalated", "escalated"),
    ],
)
async def test_confidence_routes_the_answer(
    client: httpx.AsyncClient,
    upstreams: ScriptedUpstreams,
    confidence: float | None,
    workflow_status: str,
    route: str,
) -> None:
    upstreams.confidence = confidence
    answer = await receive(client)
    assert answer["status"] == workflow_status
    report = await status(client)
    assert report["route"] == route
    assert report["workflow_id"] == answer["workflow_id"]
    assert len(upstreams.sent) == (1 if route == "auto_sent" else 0)


@on_both_databases
async def test_steps_are_recorded_with_their_times(client: httpx.AsyncClient) -> None:
    await receive(client)
    report = await status(client)
    steps = {step["step"]: step for step in report["steps"]}  # type: ignore[attr-defined]
    assert {name: step["status"] for name, step in steps.items()} == {
        "tenant_context": "completed",
        "message_history": "completed",
        "ai_response": "completed",
        "payment_plan": "skipped",
        "send_sms": "completed",
        "queue_for_approval": "skipped",
        "open_escalation": "skipped",
    }
    assert steps["ai_response"]["step_type"] == "ai_processing"
    assert steps["ai_response"]["duration_ms"] > 0


async def test_the_correlation_id_goes_everywhere(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.confidence = 0.7
    sent = {"X-Correlation-ID": "from-the-caller-1"}
    response = await client.post("/orchestrate/sms-received", json=SMS, headers=sent)
    assert response.headers["X-Correlation-ID"] == "from-the-caller-1"
    assert (await status(client))["correlation_id"] == "from-the-caller-1"
    await until(lambda: len(upstreams.notifications) == 1)
    assert {headers["x-correlation-id"] for _, headers, _ in upstreams.requests} == {
        "from-the-caller-1"
    }
    assert [path for path, _, _ in upstreams.requests] == [
        "/monitor/tenant/tenant-1",
        "/conversations/+15550100001",
        "/v1/chat/completions",
        "/notifications/send",
    ]


@on_both_databases
async def test_a_repeated_delivery_runs_nothing_twice(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    answers = await asyncio.gather(*(receive(client) for _ in range(10)))
    assert len({answer["workflow_id"] for answer in answers}) == 1
    assert len(upstreams.sent) == 1
    metrics = (await client.get("/orchestrate/metrics")).json()
    assert metrics["today"]["total_messages"] == 1


@on_both_databases
async def test_the_same_words_later_are_another_message(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    first = await receive(client)
    async with orchestrator.database.writing() as session:
        await session.execute(
            update(WorkflowInstance).values(created_at=now() - timedelta(minutes=11))
        )
    second = await receive(client)
    assert second["workflow_id"] != first["workflow_id"]
    assert len(upstreams.sent) == 2


async def test_an_answered_conversation_completes_what_was_sent(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    first = await receive(client)
    await receive(client, content="Thank you")
    async with orchestrator.database.reading() as session:
        workflow = await session.get(WorkflowInstance, first["workflow_id"])
    assert workflow is not None
    assert workflow.status is WorkflowStatus.COMPLETED


@pytest.mark.parametrize(
    ("content", "kind", "severity"),
    [
        ("You idiots!", "hostile_language", "high"),
        ("I will burn the place down", "hostile_language", "critical"),
        ("I dispute this amount", "payment_dispute", "medium"),
        ("My lawyer will call you", "payment_dispute", "high"),
        ("I can pay 10 a week for 4 weeks", "unrealistic_proposal", "low"),
    ],
)
async def test_a_trigger_beats_confidence(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    content: str,
    kind: str,
    severity: str,
) -> None:
    upstreams.confidence = 0.99
    assert (await receive(client, content=content))["status"] == "escalated"
    assert upstreams.sent == []
    async with orchestrator.database.reading() as session:
        escalation = (await session.scalars(select(EscalationEvent))).one()
    assert (escalation.type, escalation.severity) == (kind, severity)
    assert escalation.detection == "auto"


@pytest.mark.parametrize(
    ("content", "result", "workflow_status"),
    [
        ("can I pay 200 a week for 8 weeks?", "valid", "sent"),
        ("can I pay 100 a week?", "needs_review", "awaiting_approval"),
        ("can I pay 30 a week for 2 weeks?", "needs_review", "awaiting_approval"),
        ("can I pay 100 a week for 52 weeks?", "invalid", "escalated"),
    ],
)
async def test_a_plan_is_validated_before_it_is_agreed_to(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    content: str,
    result: str,
    workflow_status: str,
) -> None:
    assert (await receive(client, content=content))["status"] == workflow_status
    async with orchestrator.database.reading() as session:
        plan = (await session.scalars(select(PaymentPlanAttempt))).one()
    assert plan.result == result


@pytest.mark.parametrize("segment", ["monitor", "conversations", "v1", "sms"])
async def test_an_upstream_that_stays_down_fails_the_workflow_and_a_retry_recovers_it(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, segment: str
) -> None:
    upstreams.fail(segment, *[500] * 4)
    answer = await receive(client)
    assert answer["status"] == "failed"
    # It fails for one tenant so far, which opens no breaker.
    assert str((await status(client))["error"]).endswith(ErrorType.SERVER_ERROR)
    retried = await client.post(
        f"/orchestrate/retry/{answer['workflow_id']}", json={"reason": "up"}
    )
    assert retried.json()["status"] == "sent"
    again = await client.post(f"/orchestrate/retry/{answer['workflow_id']}")
    assert again.status_code == 409
    exposed = (await client.get("/metrics")).text
    assert 'orchestrator_workflow_retries_total{result="recovered"} 1.0' in exposed


async def test_a_short_failure_is_retried_unnoticed(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.fail("v1", 503, 429, 500)
    assert (await receive(client))["status"] == "sent"
    exposed = (await client.get("/metrics")).text
    retries = 'operation_retries_total{component="ai_provider",operation="chat_completion"} 3.0'
    assert retries in exposed


async def test_an_answer_that_is_not_what_was_agreed_fails_the_workflow(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.bodies["v1"] = b'{"choices": []}'
    assert (await receive(client))["status"] == "failed"
    assert str((await status(client))["error"]).endswith("invalid_response")


async def test_managers_are_told_later_when_the_notification_service_is_down(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.confidence = 0.7
    upstreams.fail("notifications", *[500] * 4)
    assert (await receive(client))["status"] == "awaiting_approval"
    await until(lambda: len(upstreams.notifications) == 4)
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(minutes=2)
        await session.execute(update(QueuedResponse).values(created_at=earlier))
    await orchestrator.sweep.sweep()
    assert len(upstreams.notifications) == 5
    await orchestrator.sweep.sweep()
    assert len(upstreams.notifications) == 5
    async with orchestrator.database.reading() as session:
        response = (await session.scalars(select(QueuedResponse))).one()
    assert response.notified_at is not None


@on_both_databases
async def test_every_route_is_counted(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    for number, confidence in enumerate((0.9, 0.7, 0.3)):
        upstreams.confidence = confidence
        await receive(client, conversation_id=f"c{number}", content="200 a week for 8 weeks")
    exposed = (await client.get("/metrics")).text
    for route in (Route.AUTO_SENT, Route.QUEUED, Route.ESCALATED):
        assert f'orchestrator_ai_responses_total{{route="{route}"}} 1.0' in exposed
        assert f'sms_processing_duration_seconds_count{{route="{route}"}} 1.0' in exposed
    assert 'orchestrator_payment_plans_total{result="valid"} 3.0' in exposed
    answer = (await client.get("/orchestrate/metrics")).json()
    assert answer["last_hour"]["sms_received"] == 3
    assert answer["last_hour"]["ai_responses"] == 3
    assert answer["last_hour"]["auto_approval_rate"] == pytest.approx(1 / 3, abs=1e-4)
    assert answer["last_hour"]["avg_response_time_ms"] > 0
    assert answer["today"] == {"total_messages": 3, "escalations": 1, "payment_plans": 3}


async def test_a_defect_is_a_500_whose_log_has_the_trace_and_not_the_text(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(content: str, _: object) -> None:
        raise ValueError(f"can't read {content!r}")

    monkeypatch.setattr("app.services.workflow.find_trigger", defective)
    with captured_logs() as lines:
        answer = await client.post("/orchestrate/sms-received", json=SMS)
    assert answer.status_code == 500
    assert answer.json()["error"]["correlation_id"] == answer.headers["X-Correlation-ID"]
    (broken,) = [line for line in lines if line["event"] == "workflow_broken"]
    assert broken["error_type"] == "ValueError"
    (unhandled,) = [line for line in lines if line["event"] == "unhandled_error"]
    assert unhandled["exception"][0]["frames"][-1]["function"].endswith("defective")
    assert unhandled["correlation_id"] == answer.headers["X-Correlation-ID"]
    assert SMS["content"] not in str(lines)
    report = await status(client)
    assert (report["status"], report["error"]) == ("failed", "ValueError")
