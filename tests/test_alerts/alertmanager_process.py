"""A real Alertmanager, for as long as a test takes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from prometheus_tools.toolchain import locate
from prometheus_tools.toolchain.packages import LOCAL_TEMPLATES, default_templates
from tests.free_port import free_port
from tests.programs import answers, running


def alertmanager_command(folder: Path, config: Path, address: str, cluster: str = "") -> list[str]:
    """What starts one in ``folder``, where it then finds what it needs.

    Without a ``cluster`` address it looks for no peers.
    """
    tool = locate("alertmanager")
    if templates := default_templates(tool):
        (folder / LOCAL_TEMPLATES).symlink_to(templates.resolve())
    return [
        *(str(tool.path), f"--config.file={config}", f"--storage.path={folder / 'data'}"),
        *(f"--cluster.listen-address={cluster}", f"--web.listen-address={address}"),
    ]


@asynccontextmanager
async def alertmanager(folder: Path, config: Path) -> AsyncIterator[httpx.Client]:
    """Run one in ``folder`` with ``config`` and no alerts; gives a client of it."""
    address = f"127.0.0.1:{free_port()}"
    command, log = alertmanager_command(folder, config, address), folder / "log"
    url = f"http://{address}"
    async with running(command, folder, log) as process:
        async with httpx.AsyncClient(base_url=url) as asked:
            await answers(process, asked, "/-/ready", log)
        with httpx.Client(base_url=url) as client:
            yield client
