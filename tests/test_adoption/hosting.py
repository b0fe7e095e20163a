"""Runs a host as its people do, before and after it adopted the layer."""

import difflib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.free_port import free_port
from tests.programs import answers, running
from tests.project import ROOT

HOSTS = Path(__file__).parent / "hosts"

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]


@dataclass(frozen=True)
class Host:
    """One that answers, and where what it prints goes."""

    client: httpx.AsyncClient
    log: Path

    async def samples(self) -> Samples:
        """What a scrape gives."""
        answer = await self.client.get("/metrics")
        assert answer.status_code == 200, answer.text
        return samples_of(answer.text)

    @property
    def lines(self) -> list[dict[str, object]]:
        """The lines of the layer: what is printed as JSON."""
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines(keepends=True)
            if line.startswith("{") and line.endswith("\n")
        ]

    @property
    def printed(self) -> list[str]:
        """The lines of the host itself, and of its server."""
        return [line for line in self.log.read_text().splitlines() if not line.startswith("{")]


def samples_of(exposed: str) -> Samples:
    """The samples of an exposition by name and labels; none comes twice."""
    found = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in parsed(exposed)
        for sample in family.samples
    ]
    assert len(found) == len(dict(found))
    return dict(found)


def environment_of(folder: Path) -> dict[str, str]:
    """Only the layer can be imported, and none of the project's other packages."""
    layer = folder / "installed"
    if not layer.exists():
        layer.mkdir()
        (layer / "asgi_observability").symlink_to(ROOT / "asgi_observability")
    return {"PYTHONPATH": str(layer), "PYTHONDONTWRITEBYTECODE": "1"}


@asynccontextmanager
async def hosted(
    name: str, command: Sequence[str], folder: Path, **headers: str
) -> AsyncIterator[Host]:
    """The host in ``hosts/name``, once it answers; ``{port}`` in its command is replaced.

    Its clients send ``headers``.
    """
    port = free_port()
    log = folder / f"printed-{port}"
    arguments = [sys.executable, "-m", *(part.format(port=port) for part in command)]
    async with (
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={header.replace("_", "-"): value for header, value in headers.items()},
            timeout=120,
        ) as client,
        running(arguments, HOSTS / name, log, environment_of(folder)) as process,
    ):
        await answers(process, client, "/", log)
        yield Host(client, log)


def changed_lines(before: Path) -> int:
    """How many lines of a host had to be changed or added."""
    after = before.with_name("after.py")
    lines = [file.read_text().splitlines() for file in (before, after)]
    return sum(line[0] in "+-" for line in [*difflib.unified_diff(*lines, n=0, lineterm="")][2:])
