"""A clock that is set back makes no duration negative, and that is counted."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import update

from app.assembly import Orchestrator
from app.core import catalogue
from app.core.instrumentation import orchestrator_instruments
from app.core.wall_time import WallTime
from app.models import EscalationEvent, QueuedResponse, now
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "expected", "counted"), [(5, 5, 0), (0, 0, 0), (-3590, 0, 1)])
def test_less_than_nothing_is_nothing_and_counted(
    seconds: float, expected: float, counted: int
) -> None:
    instruments = orchestrator_instruments()
    wall_time = WallTime(instruments)
    assert wall_time.seconds(BEGAN, BEGAN + timedelta(seconds=seconds)) == expected
    instruments.recorder.drain()
    assert instruments.registry.get_sample_value(catalogue.CLOCK_SET_BACK.name) == counted


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_manager_who_decides_before_the_response_was_queued_waited_for_nothing(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.confidence = 0.7
    await client.post("/orchestrate/sms-received", json=SMS)
    in_an_hour = now() + timedelta(hours=1)
    async with orchestrator.database.writing() as session:
        await session.execute(update(QueuedResponse).values(created_at=in_an_hour))
    waiting = (await client.get("/orchestrate/responses/waiting")).json()["items"]
    decision = {
        "response_queue_id": waiting[0]["response_queue_id"],
        "action": "escalate",
        "manager_id": "manager-1",
    }
    assert (await client.post("/orchestrate/approve-response", json=decision)).is_success
    async with orchestrator.database.writing() as session:
        await session.execute(update(EscalationEvent).values(created_at=in_an_hour))
    (escalation,) = (await client.get("/orchestrate/escalations/open")).json()["items"]
    path = f"/orchestrate/escalations/{escalation['escalation_id']}/resolve"
    resolved = await client.post(path, json={"manager_id": "manager-1"})
    assert resolved.json()["resolution_seconds"] == 0
    exposed = (await client.get("/metrics")).text.splitlines()
    sums = [line for line in exposed if "_wait_duration_seconds_sum" in line]
    assert sums
    assert all(float(line.split()[-1]) >= 0 for line in sums)
    counted = [line for line in exposed if line.startswith(f"{catalogue.CLOCK_SET_BACK.name} ")]
    assert float(counted[0].split()[-1]) >= 2
