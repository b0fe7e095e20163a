"""Everything put together."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx

from asgi_observability.logger import get_logger
from simulator.ai_provider import create_ai_provider
from simulator.collections_monitor import create_collections_monitor
from simulator.control import create_control
from simulator.faults import ActiveFaults, Upstream
from simulator.listener import CannotListenError, Listener
from simulator.managers import Managers
from simulator.notification_service import create_notification_service
from simulator.receiver import Receiver
from simulator.settings import Settings
from simulator.sms_agent import Texts, create_sms_agent
from simulator.switchboard import Switchboard
from simulator.traffic import MAX_UNANSWERED, Traffic

log = get_logger(__name__)

# The orchestrator may try an upstream four times at 30 s; a caller that leaves earlier would
# distort what is measured.
APP_TIMEOUT_SECONDS = 150
PORT_SETTINGS = {
    Upstream.COLLECTIONS_MONITOR: "collections_monitor_port",
    Upstream.SMS_AGENT: "sms_agent_port",
    Upstream.NOTIFICATION_SERVICE: "notification_service_port",
    Upstream.AI: "ai_provider_port",
}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the simulation is reached, as URLs."""

    upstreams: Mapping[Upstream, str]
    control: str


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Addresses]:
    """The simulation, serving. Raises OSError where a port or the data folder can't be used."""
    rng = Random(settings.seed)
    faults = ActiveFaults()
    receiver = Receiver(settings.data_dir)
    texts = Texts()
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=str(settings.app_url),
                timeout=APP_TIMEOUT_SECONDS,
                headers=_authorization(settings.app_token_file),
                # With a transport of our own httpx looks for no proxy in the environment.
                transport=httpx.AsyncHTTPTransport(
                    # Idle connections are given up before the server does so, at 5 s.
                    limits=httpx.Limits(max_connections=MAX_UNANSWERED, keepalive_expiry=2),
                ),
            )
        )
        managers = Managers(app, rng)
        traffic = Traffic(app, faults, texts.received, rng, settings.traffic_per_minute)
        stack.push_async_callback(managers.stop)
        upstreams = {
            Upstream.COLLECTIONS_MONITOR: create_collections_monitor(faults, rng),
            Upstream.SMS_AGENT: create_sms_agent(texts, faults, rng),
            Upstream.NOTIFICATION_SERVICE: create_notification_service(managers.tell, faults, rng),
            Upstream.AI: create_ai_provider(faults, rng),
        }
        host = str(settings.host)
        listeners = {
            upstream: Listener(app, host, getattr(settings, PORT_SETTINGS[upstream]))
            for upstream, app in upstreams.items()
        }
        control = Listener(
            create_control(
                faults,
                Switchboard(faults, listeners),
                traffic=traffic,
                receiver=receiver,
                runbooks_dir=settings.runbooks_dir,
                preview_dir=settings.preview_dir,
            ),
            host,
            settings.receiver_port,
        )
        # The control API last: when it answers, all do.
        by_setting = {PORT_SETTINGS[upstream]: one for upstream, one in listeners.items()}
        by_setting["receiver_port"] = control
        stack.push_async_callback(_closed, by_setting.values())
        for setting, listener in by_setting.items():
            try:
                await listener.open()
            except CannotListenError as error:
                raise CannotListenError(f"{Settings.variable(setting)}: {error}") from None
        sending = asyncio.create_task(traffic.run())
        stack.push_async_callback(_stopped, sending)
        yield Addresses({name: one.url for name, one in listeners.items()}, control.url)


def _authorization(token_file: Path | None) -> dict[str, str]:
    if token_file is None:
        return {}
    return {"Authorization": f"Bearer {token_file.read_text(encoding='utf-8').strip()}"}


async def _closed(listeners: Iterable[Listener]) -> None:
    await asyncio.gather(*(listener.close() for listener in listeners))


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
