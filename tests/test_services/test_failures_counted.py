"""What fails is counted as failed, listed, and run again on one call."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from app.assembly import Orchestrator
from app.models import (
    PaymentPlanAttempt,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.backlog import Backlog
from app.services.workflow import Workflows
from asgi_observability.observability import Observability
from tests.exposed import summed
from tests.not_empty import not_empty
from tests.sms import SMS, sms
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

PROCESSED = "orchestrator_sms_processing_duration_seconds_count"


async def _interrupt_all(orchestrator: Orchestrator) -> None:
    """What the sweep does a quarter of an hour later."""
    async with orchestrator.database.writing() as session:
        earlier = now() - timedelta(hours=1)
        await session.execute(update(WorkflowInstance).values(updated_at=earlier))
    await orchestrator.sweep.sweep()


async def _fail(client: httpx.AsyncClient, upstreams: ScriptedUpstreams, *numbers: int) -> None:
    upstreams.bodies["v1"] = b"{}"
    for number in not_empty(numbers):
        answer = await client.post("/orchestrate/sms-received", json=sms(number))
        assert answer.json()["status"] == "failed"
    del upstreams.bodies["v1"]


async def test_when_the_database_goes_after_the_text_was_taken_the_message_counts_as_failed_once(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def gone(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("the connection is closed"))

    with monkeypatch.context() as patch:
        # From the moment at which the agent has taken the text.
        patch.setattr(Workflows, "_move", gone)
        lost = await client.post("/orchestrate/sms-received", json=SMS)
    assert lost.status_code == 503
    assert len(upstreams.sent) == 1
    # It is not known yet what has become of it, and nothing says that it is.
    again = await client.post("/orchestrate/sms-received", json=SMS)
    assert again.json()["status"] == "processing"
    assert await summed(client, PROCESSED) == 0
    await _interrupt_all(orchestrator)
    assert await summed(client, "orchestrator_sms_received_total") == 1
    assert await summed(client, PROCESSED, route="failed") == 1
    retried = await client.post(f"/orchestrate/retry/{again.json()['workflow_id']}")
    assert retried.json()["status"] == "sent"
    keys = {h["idempotency-key"] for path, h, _ in upstreams.requests if path == "/sms/send"}
    assert len(keys) == 1
    assert await summed(client, "orchestrator_workflow_retries_total", result="recovered") == 1


async def test_interrupted_workflows_are_counted_as_failed_once_by_all_sweeps(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    await client.post("/orchestrate/sms-received", json=SMS)
    async with orchestrator.database.writing() as session:
        await session.execute(update(WorkflowInstance).values(status=WorkflowStatus.PROCESSING))
    await _interrupt_all(orchestrator)
    await asyncio.gather(*(orchestrator.sweep.sweep() for _ in range(4)))
    assert await summed(client, PROCESSED, route="failed") == 1


async def test_the_same_plan_posted_again_is_one_plan(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    body = {
        "conversation_id": "conversation-1",
        "tenant_id": "tenant-1",
        "message_content": "can I pay 200 a week for 8 weeks?",
    }
    answers = await asyncio.gather(
        *(client.post("/orchestrate/payment-plan-detected", json=body) for _ in range(3))
    )
    assert len({answer.json()["payment_plan_id"] for answer in answers}) == 1
    await client.post(
        "/orchestrate/sms-received", json=SMS | {"content": "can I pay 200 a week for 8 weeks?"}
    )
    assert await summed(client, "orchestrator_payment_plans_total") == 1
    assert await summed(client, "orchestrator_payment_plans_auto_approved_total") == 1
    async with orchestrator.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(PaymentPlanAttempt)) == 1


async def test_what_the_ai_offers_is_no_plan_and_goes_out_within_the_limits_only(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answer = "You may pay 50 a week for 40 weeks."
    answer = await client.post("/orchestrate/sms-received", json=SMS)
    assert answer.json()["status"] == "awaiting_approval"
    assert await summed(client, "orchestrator_payment_plans_total") == 0
    assert await summed(client, "orchestrator_payment_plan_detections_total", result="none") == 1


async def test_the_average_response_time_is_of_those_that_got_an_answer(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    await client.post("/orchestrate/sms-received", json=SMS)
    before = (await client.get("/orchestrate/metrics")).json()["last_hour"]
    async with orchestrator.database.writing() as session:
        await session.execute(update(WorkflowInstance).values(status=WorkflowStatus.PROCESSING))
    await _interrupt_all(orchestrator)  # a failure of an hour
    after = (await client.get("/orchestrate/metrics")).json()["last_hour"]
    assert after["avg_response_time_ms"] == before["avg_response_time_ms"] > 0


async def test_failed_workflows_are_listed_page_by_page_and_measured(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    observability: Observability,
) -> None:
    await _fail(client, upstreams, *range(1, 6))
    seen: list[str] = []
    params: dict[str, str | int] = {"limit": 2}
    while True:
        page = (await client.get("/orchestrate/workflows/failed", params=params)).json()
        assert page["total"] == 5
        seen += [each["tenant_id"] for each in page["items"]]
        if page["after"] is None:
            break
        params["after"] = page["after"]
    assert seen == [f"tenant-{number}" for number in range(1, 6)]
    async with orchestrator.database.writing() as session:
        await session.execute(
            update(WorkflowInstance)
            .where(WorkflowInstance.tenant_id == "tenant-3")
            .values(updated_at=now() - timedelta(hours=2))
        )
    backlog = Backlog(orchestrator.database, observability.instruments, 60)
    await backlog.count()
    assert backlog.waiting.failed == 5
    assert backlog.waiting.oldest_failed_seconds == pytest.approx(7200, abs=60)
    unknown = await client.get("/orchestrate/workflows/failed", params={"after": "nobody"})
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "after")


async def test_after_an_outage_one_call_runs_all_again_that_failed_since(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    since = datetime.now(UTC)
    await _fail(client, upstreams, *range(1, 5))
    async with orchestrator.database.writing() as session:
        await session.execute(
            update(WorkflowInstance)
            .where(WorkflowInstance.tenant_id == "tenant-1")
            .values(updated_at=since - timedelta(hours=1))
        )
    body = {"since": since.isoformat(), "reason": "the AI is back"}
    asked = [await client.post("/orchestrate/retry-failed", json=body) for _ in range(2)]
    assert asked[0].status_code == 202
    assert asked[0].json()["requested"] == 3

    async def recovered() -> bool:
        await orchestrator.recovery.run_requested()
        return len(upstreams.sent) >= 3

    await eventually(recovered)
    page = (await client.get("/orchestrate/workflows/failed")).json()
    assert [each["tenant_id"] for each in page["items"]] == ["tenant-1"]
    assert len(upstreams.sent) == 3

    async def counted() -> bool:
        retries = "orchestrator_workflow_retries_total"
        return await summed(client, retries, result="recovered") == 3

    await eventually(counted)


async def test_a_message_is_processed_once_however_often_it_is_run(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.bodies["v1"] = b"{}"
    workflow = (await client.post("/orchestrate/sms-received", json=SMS)).json()["workflow_id"]
    await client.post(f"/orchestrate/retry/{workflow}")
    del upstreams.bodies["v1"]
    sent = await client.post(f"/orchestrate/retry/{workflow}")
    assert sent.json()["status"] == "sent"
    said = (await client.get("/orchestrate/metrics")).json()
    assert said["sms"]["last_hour"] == {"received": 1, "processed": 1, "failed": 1}
    workflows = said["workflows"]["last_hour"]
    assert (workflows["retries"], workflows["recoveries"]) == (2, 1)


async def test_all_workers_together_run_again_not_more_than_the_pace_allows(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    orchestrator.recovery.per_minute = 2
    await _fail(client, upstreams, *range(1, 5))
    body = {"since": (now() - timedelta(hours=1)).isoformat()}
    await client.post("/orchestrate/retry-failed", json=body)
    await asyncio.gather(*(orchestrator.recovery.run_requested() for _ in range(4)))
    await eventually(lambda: _sent(upstreams, 2))
    async with orchestrator.database.writing() as session:
        minute_ago = now() - timedelta(seconds=61)
        await session.execute(
            update(WorkflowInstance)
            .where(WorkflowInstance.retried_at.is_not(None))
            .values(retried_at=minute_ago)
        )
    await orchestrator.recovery.run_requested()
    await eventually(lambda: _sent(upstreams, 4))


async def _sent(upstreams: ScriptedUpstreams, count: int) -> bool:
    assert len(upstreams.sent) <= count
    return len(upstreams.sent) == count


async def test_a_time_without_a_zone_is_refused_with_the_field(client: httpx.AsyncClient) -> None:
    refused = await client.post("/orchestrate/retry-failed", json={"since": "2026-03-01T09:30:00"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "since")
