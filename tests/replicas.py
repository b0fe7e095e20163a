"""Several orchestrators, each a process of its own, and the balancer before them."""

import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from tests import personal_data
from tests.debian_programs import debian_program
from tests.exposed import summed
from tests.free_port import free_port
from tests.programs import answers, running
from tests.project import ROOT
from tests.waiting import eventually

CONFIGURATION = ROOT / "deploy" / "balancer" / "haproxy.cfg"
_NAMES = ("SERVER_ONE", "SERVER_TWO", "SERVER_THREE")


class Served:
    """A program at an address, which can be stopped, killed and started again."""

    def __init__(self, command: list[str | Path], log: Path, environment: dict[str, str]) -> None:
        self.port = int(environment.pop("PORT"))
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self._command, self._log, self._environment = command, log, environment
        self._running = AsyncExitStack()
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it; returns when it answers."""
        program = running(self._command, ROOT, self._log, self._environment)
        self._process = await self._running.enter_async_context(program)
        await answers(self._process, self.client, "/health", self._log)

    async def stop(self) -> None:
        """SIGTERM; returns when it has ended."""
        await self._running.aclose()

    async def kill(self) -> None:
        """SIGKILL; returns when it has ended."""
        assert self._process is not None
        self._process.kill()
        await self._running.aclose()


def replica(folder: Path, environment: dict[str, str]) -> Served:
    """An orchestrator that is not started yet."""
    port = free_port()
    log = folder / f"orchestrator-{port}.log"
    personal_data.OUTPUTS.add(log)
    variables = environment | {"ORCHESTRATOR_PORT": str(port), "PORT": str(port)}
    return Served([sys.executable, "-m", "app"], log, variables)


class Balancer(Served):
    """The balancer of `deploy/balancer/` before orchestrators; it is not started yet."""

    def __init__(self, folder: Path, replicas: list[Served]) -> None:
        program, port = debian_program("haproxy"), free_port()
        self._metrics = f"http://127.0.0.1:{free_port()}"
        addresses = {
            name: f"127.0.0.1:{each.port}" for name, each in zip(_NAMES, replicas, strict=True)
        }
        variables = {
            **program.variables,
            **addresses,
            "BALANCER_ADDRESS": f"127.0.0.1:{port}",
            "BALANCER_METRICS_ADDRESS": self._metrics.removeprefix("http://"),
            "PORT": str(port),
        }
        super().__init__([program.path, "-f", CONFIGURATION], folder / "balancer.log", variables)

    async def has_up(self, count: int) -> None:
        """Wait until it sends to so many orchestrators."""

        async def is_so() -> bool:
            async with httpx.AsyncClient(base_url=self._metrics) as client:
                status = "haproxy_server_status"
                up = await summed(client, status, proxy="orchestrators", state="UP")
            return up == count

        await eventually(is_so)


@asynccontextmanager
async def all_served(*programs: Served) -> AsyncIterator[None]:
    """Start them one after the other; in the end, stop them in the opposite order."""
    async with AsyncExitStack() as stack:
        for each in programs:
            stack.push_async_callback(each.client.aclose)
            stack.push_async_callback(each.stop)
            await each.start()
        yield
