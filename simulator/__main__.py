"""`python -m simulator`: check the settings, then simulate until stopped."""

import argparse
import asyncio
import logging
import signal
import sys

import structlog
import uvloop

from simulator.settings import Settings, SettingsError, described_variables, load_settings
from simulator.simulation import running

log = structlog.get_logger("simulator")


def main() -> int:
    """Simulate until SIGTERM or SIGINT. 2: the settings can't be used; 1: a port can't."""
    argparse.ArgumentParser(
        prog="python -m simulator",
        description="Simulates the orchestrator's upstreams, tenants and managers.",
        epilog=f"environment variables and their defaults:\n{described_variables()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"The settings can't be used:\n{error}", file=sys.stderr)
        return 2
    _configure_logging()
    try:
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
        log.info(
            "ready",
            control=addresses.control,
            app=str(settings.app_url),
            **{upstream.value: url for upstream, url in addresses.upstreams.items()},
        )
        await stop.wait()
        log.info("stopping")


def _configure_logging() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        cache_logger_on_first_use=True,
    )
    # What the libraries have to say; httpx would log every request.
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
