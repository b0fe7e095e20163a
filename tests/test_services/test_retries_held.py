"""What is asked to be run again stays asked for while an upstream takes no calls."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select, update
from starlette.responses import Response

from app.assembly import Orchestrator
from app.core.catalogue import BreakerState, Component
from app.core.config import Calls, Settings
from app.models import WorkflowInstance, WorkflowStatus, now
from app.services.recovery import AT_ONCE, Recovery
from tests.application import application
from tests.exposed import summed
from tests.not_empty import not_empty
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually, until

NUMBERS = range(1, 16)
RETRIES = "orchestrator_workflow_retries_total"


@asynccontextmanager
async def _worker(
    settings: Settings, reset_seconds: float
) -> AsyncIterator[tuple[httpx.AsyncClient, Orchestrator]]:
    """One failure opens the AI's breaker, for so long; after the start nothing runs by itself."""
    calls = Calls(
        retry_waits_seconds=(0, 0, 0),
        timeout_seconds=60,
        longest_retry_after_seconds=300,
        breaker_reset_seconds=reset_seconds,
        ai_provider_breaker_failures=1,
    )
    changed = {"calls": calls, "recovery_interval_seconds": 3600}
    looked = asyncio.Event()
    look = Recovery.run_requested

    async def look_and_tell(recovery: Recovery) -> int:
        try:
            return await look(recovery)
        finally:
            looked.set()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Recovery, "run_requested", look_and_tell)
        async with application(settings.model_copy(update=changed), "127.0.0.1") as worker:
            # Else what a test asks for could be taken by the look at the start.
            await looked.wait()
            yield worker


@pytest.fixture
def down(upstreams: ScriptedUpstreams) -> Iterator[None]:
    """The AI is down."""
    upstreams.answers["v1"] = lambda _: Response(status_code=503)
    yield
    upstreams.answers.pop("v1", None)


async def _failed(client: httpx.AsyncClient) -> None:
    for number in not_empty(NUMBERS):
        answer = await client.post("/orchestrate/sms-received", json=sms(number))
        assert answer.json()["status"] == "failed"


async def _ask(client: httpx.AsyncClient, expected: int = len(NUMBERS)) -> None:
    body = {"since": (now() - timedelta(hours=1)).isoformat()}
    answer = await client.post("/orchestrate/retry-failed", json=body)
    assert answer.json()["requested"] == expected


async def _failed_and_asked_for(client: httpx.AsyncClient) -> None:
    """All fail, and all are asked to be run again."""
    await _failed(client)
    await _ask(client)


async def _asked_for(client: httpx.AsyncClient) -> int:
    """How many of those that failed are asked to be run again."""
    page = (await client.get("/orchestrate/workflows/failed", params={"limit": 100})).json()
    return sum(each["retry_requested_at"] is not None for each in page["items"])


async def _all_sent_once(orchestrator: Orchestrator, upstreams: ScriptedUpstreams) -> None:
    async def sent() -> bool:
        await orchestrator.recovery.run_requested()
        async with orchestrator.database.reading() as session:
            found = await session.scalars(select(WorkflowInstance.status))
            return set(found) == {WorkflowStatus.SENT}

    await eventually(sent, 30)
    numbers = sorted(str(body["phone_number"]) for body in upstreams.sent)
    assert numbers == [sms(number)["phone_number"] for number in NUMBERS]
    async with orchestrator.database.reading() as session:
        asked = await session.scalars(select(WorkflowInstance.retry_requested_at))
        assert set(asked) == {None}


async def test_while_a_breaker_is_open_nothing_is_run_again(
    settings: Settings, upstreams: ScriptedUpstreams, down: None
) -> None:
    async with _worker(settings, 3600) as (client, orchestrator):
        await _failed_and_asked_for(client)
        called = len(upstreams.requests)
        assert await orchestrator.recovery.run_requested() == 0
        assert len(upstreams.requests) == called
        assert await _asked_for(client) == len(NUMBERS)
        assert await summed(client, RETRIES) == 0


async def test_what_a_breaker_cut_short_outlives_the_restart_and_is_sent_once(
    settings: Settings, upstreams: ScriptedUpstreams, down: None
) -> None:
    async with _worker(settings, 3600) as (client, _):
        await _failed_and_asked_for(client)
    # Started again, its breakers are closed, and the AI isn't there yet.
    async with _worker(settings, 3600) as (client, orchestrator):

        async def run_by_itself() -> bool:
            return await summed(client, RETRIES, result="failed") == AT_ONCE

        # They were run again, and that did not help: this is counted as it was.
        await eventually(run_by_itself, 30)
        assert await orchestrator.recovery.run_requested() == 0
        assert await _asked_for(client) == len(NUMBERS)
    del upstreams.answers["v1"]
    async with _worker(settings, 0.01) as (client, orchestrator):
        await _all_sent_once(orchestrator, upstreams)
        assert await _asked_for(client) == 0


async def test_another_worker_whose_breaker_is_closed_loses_nothing(
    settings: Settings, upstreams: ScriptedUpstreams, down: None
) -> None:
    async with (
        _worker(settings, 0.01) as (client, one),
        _worker(settings, 3600) as (_, other),
    ):
        await _failed_and_asked_for(client)
        await asyncio.gather(one.recovery.run_requested(), other.recovery.run_requested())
        await other.recovery.run_requested()
        assert await _asked_for(client) == len(NUMBERS)
        del upstreams.answers["v1"]
        await _all_sent_once(one, upstreams)


async def test_a_half_open_breaker_is_asked_with_one_of_them(
    settings: Settings, upstreams: ScriptedUpstreams, down: None
) -> None:
    async with _worker(settings, 0.01) as (client, orchestrator):
        await _failed_and_asked_for(client)

        async def half_open() -> bool:
            states = await orchestrator.dependencies.states(60)
            return states[Component.AI_PROVIDER].breaker is BreakerState.HALF_OPEN

        await eventually(half_open, 30)
        assert await orchestrator.recovery.run_requested() == 1
        assert await _asked_for(client) == len(NUMBERS)
        del upstreams.answers["v1"]
        await _all_sent_once(orchestrator, upstreams)


async def test_while_everybody_is_asked_to_wait_nothing_is_run_again(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    async with _worker(settings, 3600) as (client, orchestrator):
        upstreams.answers["v1"] = lambda _: Response(
            status_code=429, headers={"Retry-After": "300"}
        )
        await _failed_and_asked_for(client)
        del upstreams.answers["v1"]
        assert await orchestrator.recovery.run_requested() == 0
        assert await _asked_for(client) == len(NUMBERS)


async def test_who_alone_was_asked_to_wait_is_asked_for_until_the_call_is_made(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    async with _worker(settings, 3600) as (client, orchestrator):
        upstreams.answers["v1"] = lambda _: Response(
            status_code=429, headers={"Retry-After": "300"}
        )
        await client.post("/orchestrate/sms-received", json=sms(1))
        del upstreams.answers["v1"]
        await _ask(client, expected=1)
        assert await orchestrator.recovery.run_requested() == 1
        assert await _asked_for(client) == 1
        # It is not tried at every look: nothing has changed.
        assert await orchestrator.recovery.run_requested() == 0
        # Who asks again means now.
        await _ask(client, expected=1)
        assert await orchestrator.recovery.run_requested() == 1


async def test_what_was_tried_and_failed_is_not_tried_for_ever(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    async with _worker(settings, 3600) as (client, orchestrator):
        upstreams.answers["v1"] = lambda _: Response(status_code=400)
        await _failed_and_asked_for(client)
        assert await orchestrator.recovery.run_requested() == AT_ONCE
        assert await _asked_for(client) == len(NUMBERS) - AT_ONCE


async def test_one_that_is_run_again_by_hand_while_the_breaker_is_open_stays_asked_for(
    settings: Settings, upstreams: ScriptedUpstreams, down: None
) -> None:
    async with _worker(settings, 3600) as (client, _):
        await _failed_and_asked_for(client)
        page = (await client.get("/orchestrate/workflows/failed")).json()
        again = await client.post(f"/orchestrate/retry/{page['items'][0]['workflow_id']}")
        assert again.json()["status"] == "failed"
        assert await _asked_for(client) == len(NUMBERS)


async def test_one_whose_run_was_cut_off_stays_asked_for(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    async with _worker(settings, 3600) as (client, orchestrator):
        upstreams.answers["v1"] = lambda _: Response(status_code=400)
        await _failed_and_asked_for(client)
        del upstreams.answers["v1"]
        upstreams.hanging.add("v1")
        called = len(upstreams.requests)
        running = asyncio.create_task(orchestrator.recovery.run_requested())
        await until(lambda: any("chat" in path for path, *_ in upstreams.requests[called:]))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        upstreams.hanging.clear()
        upstreams.hang.set()
        async with orchestrator.database.writing() as session:
            earlier = now() - timedelta(hours=2)
            await session.execute(
                update(WorkflowInstance).values(updated_at=earlier, retried_at=earlier)
            )
        await orchestrator.sweep.sweep()
        assert await _asked_for(client) == len(NUMBERS)
        await _all_sent_once(orchestrator, upstreams)
