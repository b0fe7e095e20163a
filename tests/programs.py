"""Programs in processes of their own, for as long as a test takes."""

import asyncio
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.project import environment
from tests.waiting import eventually


@asynccontextmanager
async def running(
    command: Sequence[str | Path],
    folder: Path,
    log: Path,
    variables: Mapping[str, str] | None = None,
) -> AsyncIterator[Process]:
    """Run ``command`` in ``folder``, and end it gracefully.

    What it says is added to ``log``. ``variables`` come on top of the environment.
    """
    with log.open("ab") as output:
        process = await create_subprocess_exec(
            *map(str, command),
            cwd=folder,
            env=environment(variables),
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        # Only what never ends is a failure: machines may be slow.
        async with asyncio.timeout(300):
            await process.wait()


async def answers(process: Process, client: httpx.AsyncClient, path: str, log: Path) -> None:
    """Wait until ``path`` is answered; AssertionError with the end of ``log`` if it ended."""

    def last_words() -> str:
        return f"it ended; {log} ends with: {log.read_text()[-2000:]}"

    async def ready() -> bool:
        assert process.returncode is None, last_words()
        return (await client.get(path)).is_success

    await eventually(ready)


@asynccontextmanager
async def answering(
    command: Sequence[str | Path], folder: Path, log: Path, url: str, ready_at: str = "/metrics"
) -> AsyncIterator[httpx.AsyncClient]:
    """Run ``command`` as `running` does; gives a client of ``url`` once it answers."""
    async with (
        httpx.AsyncClient(base_url=url, timeout=120) as client,
        running(command, folder, log) as process,
    ):
        await answers(process, client, ready_at, log)
        yield client
