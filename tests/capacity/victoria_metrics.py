"""A VictoriaMetrics of one's own, and simulated scrapes that are given to it."""

import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from prometheus_tools.toolchain import Tool, locate_engine
from tests.capacity.fleet import Instance
from tests.free_port import free_port
from tests.programs import answering

SCRAPE_SECONDS = 15
DIFFERENT = 16
"""Simulated instances that differ; others say what one of these says, under names of their own."""

_SAMPLE = re.compile(r"^(\w+)(\{[^}]*\})? (\S+)", re.MULTILINE)


class VictoriaMetrics:
    """A running one."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    async def give(self, text: str, at: float, **labels: str) -> None:
        """Take an exposition as if it had been scraped ``at`` that time, with these labels."""
        query = [("timestamp", f"{at * 1000:.0f}")]
        query += [("extra_label", f"{name}={value}") for name, value in labels.items()]
        answer = await self.client.post(
            "/api/v1/import/prometheus", params=query, content=text.encode()
        )
        answer.raise_for_status()

    async def said(self) -> Mapping[str, float]:
        """Its own metrics, by name and labels; those of one name added up under the name."""
        text = (await self.client.get("/metrics")).raise_for_status().text
        found: dict[str, float] = {}
        for name, labels, value in _SAMPLE.findall(text):
            found[name + labels] = float(value)
            found[name] = found.get(name, 0) + (float(value) if labels else 0)
        return found

    async def flush(self, *, merge: bool = False) -> None:
        """Make what was given visible to queries; ``merge`` it into what it will be on disk."""
        (await self.client.get("/internal/force_flush")).raise_for_status()
        if merge:
            (await self.client.get("/internal/force_merge", timeout=600)).raise_for_status()

    async def cpu_seconds(self) -> float:
        return (await self.said())["process_cpu_seconds_total"]


@asynccontextmanager
async def victoria_metrics(
    folder: Path, *flags: str, tool: Tool | None = None
) -> AsyncIterator[VictoriaMetrics]:
    """Run one that keeps its data in ``folder``: of versions.env's version, or ``tool``."""
    address = f"127.0.0.1:{free_port()}"
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - at once
    command = [
        (tool or locate_engine("victoria-metrics")).path,
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr={address}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
        *flags,
    ]
    async with answering(command, folder, folder / "log", f"http://{address}", "/health") as client:
        yield VictoriaMetrics(client)


class Fleet:
    """``instances`` orchestrators behind one another, scraped together every 15 s."""

    def __init__(self, instances: int, sms_per_second: float, node: str = "") -> None:
        """``sms_per_second`` are those of one instance; ``node`` is what its machine exposes."""
        self.instances = instances
        self._node = node
        self._different = [
            Instance(sms_per_second, seed) for seed in range(min(instances, DIFFERENT))
        ]

    @property
    def series(self) -> int:
        of_node = sum(not line.startswith("#") for line in self._node.splitlines())
        return self.instances * (len(self._different[0].lines) + of_node)

    def expositions(self) -> Iterator[tuple[str, dict[str, str]]]:
        """What all of them say at the next scrape, with the labels of each target."""
        texts = [one.text(one.after(SCRAPE_SECONDS)) for one in self._different]
        for number in range(self.instances):
            labels = {"cluster": "a", "environment": "production"}
            its = {**labels, "job": "orchestrator", "instance": f"app-{number}"}
            yield f"{texts[number % len(texts)]}up 1\n", its
            if self._node:
                its = {**labels, "job": "node", "instance": f"node-{number}"}
                yield f"{self._node}up 1\n", its

    async def scraped(self, into: VictoriaMetrics, times: Sequence[float]) -> None:
        """Give it as many scrapes, at these times."""
        for at in times:
            for text, labels in self.expositions():
                await into.give(text, at, **labels)


def scrapes_until(end: float, count: int) -> list[float]:
    """The times of ``count`` scrapes, the last one at ``end``."""
    return [end - SCRAPE_SECONDS * back for back in range(count - 1, -1, -1)]


def now() -> float:
    """The present, in whole seconds since the epoch."""
    return float(int(time.time()))
