"""`python -m simulator`: check the settings, then simulate until stopped."""

import argparse
import asyncio
import signal
import sys

import uvloop

from app.core.environment import SettingsError
from asgi_observability.event import FromCode
from asgi_observability.logging import LogOptions, configure_logging, get_logger
from asgi_observability.resource import Resource
from asgi_observability.utf8 import begin_in_utf8
from simulator.events import Ready, Stopping
from simulator.settings import Settings, load_settings
from simulator.simulation import running

log = get_logger("simulator")


def main() -> int:
    """Simulate until SIGTERM or SIGINT. 2: the settings can't be used; 1: a port can't."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Simulates the orchestrator's upstreams, tenants and managers.",
        epilog=f"environment variables and their defaults:\n{Settings.described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"The settings can't be used:\n{error}", file=sys.stderr)
        return 2
    try:
        options = LogOptions(
            levels={"uvicorn": "warning"},
            stdout=settings.log_format,
            folder=settings.log_folder,
            replace_handlers=True,
        )
        configure_logging(Resource("simulator", environment="development"), options)
        uvloop.run(_simulate(settings))
    except OSError as error:
        print(f"The simulator can't run: {error}", file=sys.stderr)
        return 1
    return 0


async def _simulate(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(settings) as addresses:
        urls = {u.value: FromCode(url) for u, url in addresses.upstreams.items()}
        control, app = FromCode(addresses.control), FromCode(str(settings.app_url))
        log.event(Ready(control=control, app=app, **urls))
        await stop.wait()
        log.event(Stopping())


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(main())
