"""A Prometheus or an Alertmanager that is killed, halted and started again."""

import asyncio
import signal
from asyncio.subprocess import Process
from pathlib import Path

import httpx
import psutil

from tests.programs import answers
from tests.project import environment


class Member:
    """A program of ``name``, that is not running yet. What it stores is kept from run to run."""

    def __init__(self, name: str, command: list[str], folder: Path, url: str) -> None:
        self.name = name
        self.url = url
        self.command = command
        self._folder = folder
        self._process: Process | None = None

    @property
    def log(self) -> Path:
        """What it has said, in all its runs."""
        return self._folder / "log"

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self.log.open("ab") as output:
            self._process = process = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=self._folder,
                env=environment(),
                stdout=output,
                stderr=output,
            )
        async with httpx.AsyncClient(base_url=self.url) as client:
            await answers(process, client, "/-/ready", self.log)

    async def kill(self) -> None:
        """End it at once: it stores nothing and tells nobody."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """End it as a supervisor does."""
        await self._end(signal.SIGTERM)

    def halt(self) -> None:
        """Let it stand still: it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on where it was halted."""
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """Let it read its configuration anew."""
        self._signal(signal.SIGHUP)

    def has_port(self, port: int) -> bool:
        """Whether ``port`` is its end of one of its connections."""
        assert self._process, f"{self.name} was not started"
        with_ports = psutil.Process(self._process.pid).net_connections("inet")
        return any(each.laddr.port == port for each in with_ports)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        # One that was halted would not hear anything else.
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        async with asyncio.timeout(300):
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process, f"{self.name} was not started"
        self._process.send_signal(number)
