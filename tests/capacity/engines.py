"""What a sample and a series cost Prometheus and VictoriaMetrics: disk, memory, CPU.

Bytes of a sample: six hours of two simulated instances, compacted. Memory and CPU: simulated
instances that Prometheus scrapes every second until each series has a whole chunk, and as many
series given to VictoriaMetrics.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import yaml

from prometheus_tools import blocks
from prometheus_tools.toolchain import locate
from stack.capacity.constants import EngineCost
from tests.bench.rule_evaluation import Server
from tests.capacity.fleet import Instance
from tests.capacity.scraped import own_metric, scraping, served
from tests.capacity.victoria_metrics import (
    SCRAPE_SECONDS,
    Fleet,
    now,
    scrapes_until,
    victoria_metrics,
)
from tests.free_port import free_port
from tests.programs import answering
from tests.waiting import eventually

SMS_PER_SECOND = 25
STORED_INSTANCES, STORED_SCRAPES = 2, 6 * 240
SCRAPED_INSTANCES, SAMPLES_OF_A_CHUNK = 20, 120
IN_MEMORY_INSTANCES, IN_MEMORY_SCRAPES = 50, 24


async def measured() -> dict[str, Any]:
    """The part ``engines`` of the constants."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        history = await asyncio.to_thread(_history)
        of_prometheus = await _of_prometheus(folder, history)
        of_victoria_metrics = await _of_victoria_metrics(folder, history)
    return {
        "sms_per_second": SMS_PER_SECOND,
        "prometheus": of_prometheus.model_dump(),
        "victoria_metrics": of_victoria_metrics.model_dump(),
    }


History = list[tuple[str, list[float]]]


def _history() -> History:
    """Each series of the stored instances, with its values."""
    found: History = []
    for seed in range(STORED_INSTANCES):
        instance = Instance(SMS_PER_SECOND, seed)
        columns = zip(*(instance.after(SCRAPE_SECONDS) for _ in range(STORED_SCRAPES)), strict=True)
        for line, values in zip(instance.lines, columns, strict=True):
            name, _, labels = line.name.rstrip("}").partition("{")
            labels = ",".join(filter(None, (f'instance="app-{seed}"', labels)))
            found.append((f"{name}{{{labels}}}", list(values)))
    # The series of a family have to stay together.
    return sorted(found, key=lambda series: series[0].partition("{")[0])


async def _of_prometheus(folder: Path, history: History) -> EngineCost:
    text, data = folder / "history.om", folder / "blocks"
    end = now()
    with text.open("w", encoding="utf-8") as output:
        for name, values in history:
            times = scrapes_until(end, len(values))
            output.writelines(
                f"{name} {v:.10g} {at:.0f}\n" for at, v in zip(times, values, strict=True)
            )
        output.write(blocks.END)
    await asyncio.to_thread(blocks.create, text, data)
    text.unlink()
    size = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    samples = sum(len(values) for _, values in history)
    memory, cpu = await _scraping(folder)
    return EngineCost(
        bytes_per_sample=round(size / samples, 3),
        memory_bytes_per_series=round(memory),
        cpu_seconds_per_million_samples=round(cpu, 3),
    )


async def _scraping(folder: Path) -> tuple[float, float]:
    """Bytes of memory for each series, and CPU seconds for a million samples."""
    with served(SCRAPED_INSTANCES, SMS_PER_SECOND) as address:
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(scraping(address, SCRAPED_INSTANCES)), encoding="utf-8")
        own = f"127.0.0.1:{free_port()}"
        command = [
            locate("prometheus").path,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'head'}",
            f"--web.listen-address={own}",
        ]
        async with answering(command, folder, folder / "log", f"http://{own}", "/-/ready") as c:
            server = Server(c)
            empty = await own_metric(c, "process_resident_memory_bytes")

            async def is_a_chunk() -> bool:
                samples = await own_metric(c, "prometheus_tsdb_head_samples_appended_total")
                series = await own_metric(c, "prometheus_tsdb_head_series")
                return series > 0 and samples / series > SAMPLES_OF_A_CHUNK

            await eventually(is_a_chunk, seconds=1200)
            memory = await own_metric(c, "process_resident_memory_bytes") - empty
            samples = await own_metric(c, "prometheus_tsdb_head_samples_appended_total")
            cpu = await own_metric(c, "process_cpu_seconds_total")
            series = await server.series()
    return memory / series, cpu / samples * 1e6


async def _of_victoria_metrics(folder: Path, history: History) -> EngineCost:
    async with victoria_metrics(folder / "stored") as stored:
        end = now()
        for name, values in history:
            times = scrapes_until(end, len(values))
            text = "".join(
                f"{name} {v:.10g} {at * 1000:.0f}\n" for at, v in zip(times, values, strict=True)
            )
            answer = await stored.client.post("/api/v1/import/prometheus", content=text.encode())
            answer.raise_for_status()
        await stored.flush(merge=True)
        said = await stored.said()
    size = _of_kind(said, "vm_data_size_bytes", ("storage/", "indexdb/"))
    samples = sum(len(values) for _, values in history)
    async with victoria_metrics(folder / "fleet") as engine:
        before = await engine.said()
        fleet = Fleet(IN_MEMORY_INSTANCES, SMS_PER_SECOND)
        await fleet.scraped(engine, scrapes_until(now(), IN_MEMORY_SCRAPES))
        await engine.flush()
        after = await engine.said()
    given = fleet.series * IN_MEMORY_SCRAPES
    grown = after["process_resident_memory_bytes"] - before["process_resident_memory_bytes"]
    cpu = after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]
    return EngineCost(
        bytes_per_sample=round(size / samples, 3),
        memory_bytes_per_series=round(grown / fleet.series),
        cpu_seconds_per_million_samples=round(cpu / given * 1e6, 3),
    )


def _of_kind(said: Any, name: str, kinds: tuple[str, ...]) -> float:
    return sum(
        value
        for series, value in said.items()
        if series.startswith(f"{name}{{") and any(f'type="{kind}' in series for kind in kinds)
    )
