"""The application as its users run it: `python -m app` in a process of its own."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests import personal_data

ROOT = Path(__file__).parents[1]


_PORTS = range(20_000, 30_000)
"""Below those that the kernel gives to whoever asks for any, at any time."""

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that is free, and that no other test process is given while this one lives."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        # UDP's ports are others: holding one keeps the number for TCP among those who ask here.
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        with suppress(OSError), socket.socket() as probe:
            reservation.bind(("127.0.0.1", port))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _reserved.append(reservation)
            return port
        reservation.close()


@asynccontextmanager
async def serving_process(
    log: Path,
    upstreams_url: str,
    database_url: str,
    *,
    workers: int = 1,
    port: int | None = None,
    **settings: str,
) -> AsyncIterator[httpx.AsyncClient]:
    """Start the service, give a client once it is healthy, and stop it gracefully."""
    port = port or free_port()
    variables = {
        "PORT": str(port),
        "WORKERS": str(workers),
        "DATABASE_URL": database_url,
        "COLLECTIONS_MONITOR_URL": upstreams_url,
        "SMS_AGENT_URL": upstreams_url,
        "NOTIFICATION_SERVICE_URL": upstreams_url,
        "AI_PROVIDER_URL": upstreams_url,
        "METRICS_ACCESS__OPEN_ON_LOOPBACK": "true",
        "METRICS_ACCESS__REQUESTS_PER_MINUTE": "100000",
        "LOGS__FOLDER": str(personal_data.LOG_FOLDER),
        **settings,
    }
    personal_data.OUTPUTS.add(log)
    environment = {f"ORCHESTRATOR_{name}": value for name, value in variables.items()}
    process = _started(log, environment)
    limits = httpx.Limits(max_connections=200)
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        try:
            await _healthy(client, process, log)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 60)


def _started(log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
        )


async def _healthy(client: httpx.AsyncClient, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await client.get("/health")).is_success:
                    return
            except httpx.TransportError:
                assert process.poll() is None, f"it ended; see {log}"
            await asyncio.sleep(0.05)
