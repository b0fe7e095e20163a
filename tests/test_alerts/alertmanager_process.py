"""A real Alertmanager, for as long as a test takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from prometheus_tools.toolchain import locate
from prometheus_tools.toolchain.packages import LOCAL_TEMPLATES, default_templates
from tests.serving_process import free_port
from tests.waiting import until


@asynccontextmanager
async def alertmanager(folder: Path, config: Path) -> AsyncIterator[httpx.Client]:
    """Run one in ``folder`` with ``config`` and no alerts; gives a client of it."""
    tool = locate("alertmanager")
    if templates := default_templates(tool):
        (folder / LOCAL_TEMPLATES).symlink_to(templates.resolve())
    address = f"127.0.0.1:{free_port()}"
    log = folder / "log"
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(tool.path), f"--config.file={config}"),
            *(f"--storage.path={folder / 'data'}", "--cluster.listen-address="),
            f"--web.listen-address={address}",
            cwd=folder,
            stderr=output,
        )

    def ready() -> bool:
        assert process.returncode is None, log.read_text()
        try:
            return client.get("/-/ready").is_success
        except httpx.ConnectError:
            return False

    try:
        with httpx.Client(base_url=f"http://{address}") as client:
            await until(ready, seconds=60)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
