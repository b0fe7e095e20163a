"""The orchestrator and the simulator as processes of their own, logging into one folder."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from asgi_observability.log_query.files import find_files
from asgi_observability.log_query.filters import Filters
from asgi_observability.log_query.query import Line, Query
from tests import personal_data
from tests.programs import running
from tests.project import ROOT
from tests.serving_process import serving_process
from tests.waiting import until

SIMULATED_UPSTREAMS = ("collections_monitor", "sms_agent", "notification_service", "ai_provider")


@dataclass
class Observed:
    """Both processes; ``control`` is the simulator's control API."""

    app: httpx.AsyncClient
    control: str
    folder: Path
    database: Path

    def lines(self, filters: Filters | None = None) -> list[Line]:
        """What both have logged so far."""
        with Query(find_files([self.folder], None), filters or Filters()) as query:
            return query.lines(None)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def observed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Observed]:
    """The orchestrator on top of the simulator, without simulated traffic.

    One for all: to start both takes longer than what is looked at. Each test sends texts with
    numbers of its own, and looks at these.
    """
    async with processes(tmp_path_factory.mktemp("observed"), traffic_per_minute=0) as both:
        yield both


@asynccontextmanager
async def processes(
    tmp_path: Path,
    *,
    traffic_per_minute: float,
    workers: int = 1,
    app_port: int | None = None,
    database_url: str | None = None,
) -> AsyncIterator[Observed]:
    """Both, started and stopped as their users do; without ``database_url`` on a SQLite file."""
    folder, database = tmp_path / "logs", tmp_path / "orchestrator.db"
    async with simulator(folder, traffic_per_minute, app_port, tmp_path) as ready:
        urls = {f"{name.upper()}_URL": ready[name] for name in SIMULATED_UPSTREAMS[:-1]}
        urls["AI_PROVIDER_URL"] = ready["ai"]
        async with serving_process(
            tmp_path / "app.out",
            ready["sms_agent"],
            database_url or f"sqlite:///{database}",
            workers=workers,
            LOGS__FOLDER=str(folder),
            LOG_HASH_KEY="the tests' key",
            LOGS__SAMPLE_EVENTS='{"operation_completed.database": 0}',
            port=app_port,
            **urls,
        ) as app:
            yield Observed(app, ready["control"], folder, database)


@asynccontextmanager
async def simulator(
    folder: Path, traffic_per_minute: float, app_port: int | None, tmp_path: Path
) -> AsyncIterator[dict[str, str]]:
    """The simulator; gives the addresses that it says it is ready at."""
    output = tmp_path / "simulator.out"
    personal_data.OUTPUTS.add(output)
    ports = {f"SIMULATOR_{name.upper()}_PORT": "0" for name in (*SIMULATED_UPSTREAMS, "receiver")}
    variables = ports | {
        "SIMULATOR_APP_URL": f"http://127.0.0.1:{app_port or 1}",
        "SIMULATOR_TRAFFIC_PER_MINUTE": str(traffic_per_minute),
        "SIMULATOR_LOG_FOLDER": str(folder),
        "SIMULATOR_SEED": "1",
    }
    async with running([sys.executable, "-m", "simulator"], ROOT, output, variables):
        await until(lambda: b'"ready"' in output.read_bytes())
        lines = map(json.loads, output.read_text().splitlines())
        yield next(line for line in lines if line["event"] == "ready")
