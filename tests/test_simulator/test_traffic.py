"""Tenants and managers: when they act and what they send."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import mean, pvariance
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from app.schemas.orchestrate import ApproveResponse, ResolveEscalation, SMSReceived
from app.services.escalation_triggers import find_trigger
from simulator.listener import Listener
from simulator.managers import Managers, decide
from simulator.notification_service import Notification
from simulator.rhythm import Arrivals, rhythm
from tests.test_simulator.conftest import quiet_settings, simulating
from tests.waiting import eventually, until

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
STEP = timedelta(minutes=5)
WEEK = [MONDAY + number * STEP for number in range(7 * 24 * 12)]


@dataclass
class RecordingApp:
    """An orchestrator that only takes down what it is sent."""

    url: str = ""
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)


@asynccontextmanager
async def recording_app() -> AsyncIterator[RecordingApp]:
    recorded = RecordingApp()
    app = FastAPI()

    @app.post("/{path:path}")
    async def take_down(path: str, request: Request) -> dict[str, str]:
        recorded.requests.append((path, dict(request.headers), await request.json()))
        return {}

    listener = Listener(app, "127.0.0.1", 0)
    await listener.open()
    recorded.url = listener.url
    yield recorded
    await listener.close()


def test_the_rhythm_keeps_the_mean_and_never_stops() -> None:
    factors = [rhythm(moment) for moment in WEEK]
    assert mean(factors) == pytest.approx(1, abs=1e-6)
    assert 0.3 <= min(factors) < max(factors) <= 3


def test_evenings_are_busier_than_nights_and_weekends_quieter() -> None:
    for day in range(7):
        midnight = MONDAY + timedelta(days=day)
        assert rhythm(midnight + timedelta(hours=19)) > 2 * rhythm(midnight + timedelta(hours=3))
    saturday_noon = MONDAY + timedelta(days=5, hours=12)
    assert rhythm(saturday_noon) < 0.7 * rhythm(MONDAY + timedelta(hours=12))


def test_the_rhythm_has_no_jumps_within_a_day() -> None:
    steps = [abs(rhythm(moment + STEP) / rhythm(moment) - 1) for moment in WEEK]
    jumps = [moment for moment, step in zip(WEEK, steps, strict=True) if step > 0.05]
    # Only at the midnights when the weekend begins and ends.
    assert [(moment + STEP).weekday() for moment in jumps] == [5, 0]


def test_a_week_of_arrivals_follows_rate_and_rhythm() -> None:
    arrivals = Arrivals(Random(2))
    counts = [arrivals.pass_time(STEP.total_seconds(), rhythm(moment)) for moment in WEEK]

    assert sum(counts) == pytest.approx(7 * 24 * 3600, rel=0.01)
    by_hour: Counter[int] = Counter()
    for moment, count in zip(WEEK, counts, strict=True):
        by_hour[moment.hour] += count
    assert by_hour[19] > 2 * by_hour[3]


def test_arrivals_scatter_as_a_poisson_process_does() -> None:
    arrivals = Arrivals(Random(3))
    counts = [arrivals.pass_time(1, per_second=4) for _ in range(20_000)]
    assert mean(counts) == pytest.approx(4, rel=0.02)
    assert pvariance(counts) == pytest.approx(4, rel=0.05)


def test_the_next_arrival_comes_when_it_is_announced() -> None:
    arrivals = Arrivals(Random(4))
    for _ in range(100):
        wait = arrivals.seconds_to_next(2)
        assert arrivals.pass_time(wait * 0.999, 2) == 0
        assert arrivals.pass_time(wait * 0.002, 2) >= 1
    assert arrivals.seconds_to_next(0) == float("inf")


async def test_traffic_is_what_the_orchestrator_takes() -> None:
    async with (
        recording_app() as app,
        simulating(quiet_settings(app_url=app.url)) as simulation,
    ):
        await simulation.control.put("/traffic", json={"messages_per_minute": 600})
        await until(lambda: len(app.requests) >= 60)
        await simulation.control.put("/traffic", json={"messages_per_minute": 0})

        assert {path for path, _, _ in app.requests} == {"orchestrate/sms-received"}
        messages = [SMSReceived.model_validate(body) for _, _, body in app.requests]
        correlation_ids = {headers["x-correlation-id"] for _, headers, _ in app.requests}
        assert len(correlation_ids) == len(messages)
        assert len({message.content for message in messages}) > 30
        shown = (await simulation.control.get("/traffic")).json()
        assert shown["failed"] == 0
        assert shown["sent"] > 0


async def test_hostile_messages_come_while_the_fault_is_on() -> None:
    def hostile_share(requests: list[tuple[str, dict[str, str], dict[str, Any]]]) -> float:
        triggers = [find_trigger(body["content"], None) for _, _, body in requests]
        hostile = [t for t in triggers if t is not None and t.type.value == "hostile_language"]
        return len(hostile) / len(requests)

    async with (
        recording_app() as app,
        simulating(quiet_settings(app_url=app.url, traffic_per_minute=3000)) as simulation,
    ):
        await until(lambda: len(app.requests) >= 50)
        assert hostile_share(app.requests) < 0.2
        await simulation.switch_on("hostile_messages")
        # Some were written before and are on their way; of those that follow, 60 % should be.
        await until(lambda: hostile_share(app.requests[-70:]) > 0.3)


async def test_traffic_goes_on_when_the_orchestrator_comes_back() -> None:
    listener = Listener(FastAPI(), "127.0.0.1", 0)
    await listener.open()
    await listener.close()
    settings = quiet_settings(app_url=listener.url, traffic_per_minute=3000)
    async with simulating(settings) as simulation:
        app = FastAPI()

        @app.post("/orchestrate/sms-received")
        async def accept() -> dict[str, str]:
            return {}

        async def counted(name: str, least: int) -> None:
            async with asyncio.timeout(20):
                while (await simulation.control.get("/traffic")).json()[name] < least:  # noqa: ASYNC110 only HTTP knows
                    await asyncio.sleep(0.02)

        await counted("failed", 5)
        returned = Listener(app, "127.0.0.1", listener.port)
        await returned.open()
        await counted("sent", 5)
        await returned.close()


async def test_an_sms_whose_workflow_failed_is_counted_as_failed_and_the_page_says_so() -> None:
    app = FastAPI()

    @app.post("/orchestrate/sms-received")
    async def fail() -> dict[str, str]:
        return {"status": "failed"}

    listener = Listener(app, "127.0.0.1", 0)
    await listener.open()
    settings = quiet_settings(app_url=listener.url, traffic_per_minute=3000)
    async with simulating(settings) as simulation:

        async def counted() -> bool:
            return bool((await simulation.control.get("/traffic")).json()["failed"] >= 5)

        await eventually(counted)
        await simulation.control.put("/traffic", json={"messages_per_minute": 0})
        assert (await simulation.control.get("/traffic")).json()["sent"] == 0
        page = (await simulation.control.get("/")).text
    await listener.close()
    assert re.search(r"\b0 handled\b", page)
    assert re.search(r"[1-9]\d* failed: not taken, or taken and its workflow failed", page)


def _told(kind: str, conversation_id: str = "simulated-7") -> Notification:
    return Notification(
        recipient="managers",
        subject="s",
        body="b",
        conversation_id=conversation_id,
        kind=kind,
        reference="reference-1",
    )


def test_managers_decide_on_all_that_waits_and_on_most_at_once() -> None:
    rng = Random(6)
    acts = [decide(rng, _told("approval")) for _ in range(2000)]

    done = [act for act in acts if act]
    assert len(done) == len(acts)
    assert sum(act.is_put_off for act in done) / len(done) == pytest.approx(0.3, abs=0.04)
    requests = [ApproveResponse.model_validate(act.body) for act in done]
    assert {request.action.value for request in requests} == {"approve", "modify", "escalate"}
    assert {request.response_queue_id for request in requests} == {"reference-1"}
    assert {act.path for act in done} == {"/orchestrate/approve-response"}


def test_managers_resolve_all_escalations_and_most_at_once() -> None:
    rng = Random(7)
    acts = [decide(rng, _told("escalation")) for _ in range(2000)]

    done = [act for act in acts if act]
    assert len(done) == len(acts)
    assert sum(act.is_put_off for act in done) / len(done) == pytest.approx(0.2, abs=0.04)
    for act in done:
        assert act.path == "/orchestrate/escalations/reference-1/resolve"
        ResolveEscalation.model_validate(act.body)


def test_managers_leave_alone_what_others_began() -> None:
    rng = Random(8)
    for kind in ("approval", "escalation"):
        assert not any(decide(rng, _told(kind, "conversation-1")) for _ in range(50))
        without_reference = _told(kind).model_copy(update={"reference": None})
        assert not any(decide(rng, without_reference) for _ in range(50))
    assert not any(decide(rng, _told("greeting")) for _ in range(50))


async def test_managers_try_again_what_the_orchestrator_cant_do_now() -> None:
    app, statuses = FastAPI(), [503, 409, 500, 200]
    seen: list[str] = []

    @app.post("/orchestrate/{path:path}")
    async def answer(path: str) -> Response:
        seen.append(path)
        return Response(status_code=statuses[len(seen) - 1])

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(base_url="http://app", transport=transport) as client:
        managers = Managers(client, Random(9), pause_seconds=(0, 0), later_seconds=(0, 0))
        managers.tell(_told("approval"))
        # Refused with 409: another manager was quicker. That is not tried again.
        await until(lambda: seen == ["approve-response"] * 2)
        managers.tell(_told("escalation"))
        await until(lambda: len(seen) == 4)
        await managers.stop()
    assert seen[2:] == ["escalations/reference-1/resolve"] * 2


async def test_managers_act_on_the_orchestrator() -> None:
    async with recording_app() as app, httpx.AsyncClient(base_url=app.url) as client:
        managers = Managers(client, Random(9), pause_seconds=(0, 0.05))
        for _ in range(20):
            managers.tell(_told("approval"))
            managers.tell(_told("escalation"))
        await until(lambda: len({path for path, _, _ in app.requests}) == 2)
        await managers.stop()
