"""Several workers: one answer at /metrics, also after one of them was killed."""

from pathlib import Path

import psutil
import pytest

from app.core import catalogue
from tests.exposed import summed
from tests.length import only_long
from tests.serving_process import serving_process
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually, until

WORKERS = 2
CLOSED = {"component": "sms_agent", "state": "closed"}


def workers() -> set[int]:
    """The process ids of the workers that serve."""
    return {child.pid for child in psutil.Process().children(recursive=True) if _serves(child)}


def _serves(process: psutil.Process) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


# With what tenants send meanwhile it is in test_killed.py; counts alone in test_several_workers.py.
@only_long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_killed_worker_takes_its_gauges_along_and_leaves_its_counts(
    tmp_path: Path, database_url: str, upstreams: ScriptedUpstreams
) -> None:
    async with serving_process(
        tmp_path / "app.log", upstreams.url, database_url, workers=WORKERS
    ) as client:

        async def all_workers_show() -> bool:
            state = catalogue.CIRCUIT_BREAKER_STATE.name
            return await summed(client, state, **CLOSED) == len(workers()) == WORKERS

        await eventually(all_workers_show)
        for number in range(30):
            assert (await client.post("/orchestrate/sms-received", json=sms(number))).is_success

        async def all_are_told() -> bool:
            return await summed(client, catalogue.SMS_RECEIVED.name) == 30

        # A worker that is killed takes along what it has counted since its last snapshot, and
        # nothing that was told.
        await eventually(all_are_told)
        cpu = await summed(client, catalogue.PROCESS_CPU.name)

        victim = min(workers())
        psutil.Process(victim).kill()
        await until(lambda: victim not in workers())
        # A new one takes its place; the dead one's gauges are not added to the living ones'.
        await eventually(all_workers_show)
        assert await summed(client, catalogue.SMS_RECEIVED.name) == 30
        assert await summed(client, catalogue.PROCESS_CPU.name) >= cpu
