"""The engine is away: what Prometheus's remote write loses, and what it costs meanwhile.

First for ten minutes, or AWAY_MINUTES, the committed queue at the rate of 40 instances: nothing
may be lost, and memory may not grow with the outage. Then how long it may be: blocks of 4 minutes
instead of two hours, so that the write-ahead log is cut every 4 minutes, with as many segments as a
large Prometheus has; queues of one Prometheus lose their engine for different times before a cut.
"""

import asyncio
import http.client
import http.server
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from alerts import paths
from prometheus_tools.toolchain import locate
from stack import remote_write
from tests.capacity.scraped import listening, own_metric, scraping, served
from tests.capacity.victoria_metrics import VictoriaMetrics, victoria_metrics
from tests.free_port import free_port
from tests.programs import answering

SMS_PER_SECOND = 25
INSTANCES = 5
"""Scraped every second: 10,000 samples a second, as 40 instances and their machines every 15 s."""

BEFORE_SECONDS = 120
AWAY_SECONDS = 60 * float(os.environ.get("AWAY_MINUTES", "10"))
LOOKED_EVERY_SECONDS = 5
MEMORY_GOAL = 1.5
"""What memory may be during the outage, as a multiple of before."""

BLOCK_SECONDS = 240
CUT_INSTANCES = 10
CUTS_BEFORE = 2
"""Until the log is as long as it will stay."""

SHARES = (0.25, 0.4, 0.6, 0.75, 1.0, 1.5)
"""Of a block: for how long the engine has been away when the log is cut."""

BACK_AFTER_SECONDS = 20
SEGMENT = "10MB"
"""The smallest there is."""


@dataclass
class Gate:
    """Stands before the engine; ``away`` names queues that reach nobody."""

    engine: str
    away: set[str] = field(default_factory=set)

    @contextmanager
    def open(self) -> Iterator[str]:
        """Give the address; a queue writes to ``/NAME/api/v1/write`` there."""
        gate, target = self, self.engine.removeprefix("http://")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                queue = self.path.split("/")[1]
                status = 503 if queue in gate.away else _passed_on(target, queue, body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not to the terminal."""

        with listening(Handler) as address:
            yield f"http://{address}"


def _passed_on(target: str, queue: str, body: bytes) -> int:
    connection = http.client.HTTPConnection(target, timeout=60)
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
    try:
        connection.request("POST", f"/api/v1/write?extra_label=queue={queue}", body, headers)
        return connection.getresponse().status
    except OSError:
        return 503
    finally:
        connection.close()


async def run() -> bool:
    """Print both; False where ten minutes lose something or memory grows too much."""
    with tempfile.TemporaryDirectory() as name:
        held = await _ten_minutes(Path(name) / "away")
        await _how_long(Path(name) / "cut")
    return held


# --- ten minutes ---


async def _ten_minutes(folder: Path) -> bool:
    folder.mkdir(parents=True)  # noqa: ASYNC240 - at once
    with served(INSTANCES, SMS_PER_SECOND) as targets:
        async with victoria_metrics(folder / "engine") as engine:
            gate = Gate(engine.url)
            with gate.open() as address:
                config = scraping(targets, INSTANCES) | remote_write.section(
                    paths.PROMETHEUS_CONFIG.parent, f"{address}/engine/api/v1/write"
                )
                async with prometheus(folder, config) as client:
                    return await _away(client, engine, gate)


async def _away(client: httpx.AsyncClient, engine: VictoriaMetrics, gate: Gate) -> bool:
    # The first minute fills what is filled once.
    await asyncio.sleep(BEFORE_SECONDS)
    before = await _most_memory(client, BEFORE_SECONDS)
    gate.away.add("engine")
    began = time.time()
    during = await _most_memory(client, AWAY_SECONDS)
    pending = await own_metric(client, "prometheus_remote_storage_samples_pending")
    log = await own_metric(client, "prometheus_tsdb_wal_storage_size_bytes")
    gate.away.clear()
    back = time.time()
    caught_up = await _caught_up(client)
    # Where no more is counted, nothing can be late.
    end = int(time.time()) - 30
    await engine.flush()
    there = await _scrapes(client, began - 60, end)
    arrived = await _scrapes(engine.client, began - 60, end)
    seconds = (caught_up or time.time()) - back
    print(
        f"\naway for {back - began:.0f} s at {await _rate(client):,.0f} samples a second:\n"
        f"  samples of `up` in Prometheus {there:,}, in the engine {arrived:,}: "
        f"{there - arrived:,} lost\n"
        f"  caught up {seconds:.0f} s after it was back\n"
        f"  memory before {before / 1e6:,.0f} MB, during {during / 1e6:,.0f} MB; {pending:,.0f} "
        f"samples waited in the queue, the write-ahead log was {log / 1e6:,.0f} MB",
        flush=True,
    )
    held = there == arrived and during <= MEMORY_GOAL * before
    print(
        f"  Goal: nothing lost, at most {MEMORY_GOAL} times the memory; "
        f"{'reached' if held else 'NOT REACHED'}.",
        flush=True,
    )
    return held


async def _most_memory(client: httpx.AsyncClient, seconds: float) -> float:
    most, end = 0.0, time.time() + seconds
    while time.time() < end:
        most = max(most, await own_metric(client, "process_resident_memory_bytes"))
        await asyncio.sleep(LOOKED_EVERY_SECONDS)
    return most


async def _caught_up(client: httpx.AsyncClient) -> float | None:
    """When what was sent is as new as what was scraped; None where it never is."""
    sent = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds"
    for _ in range(600):
        if time.time() - await own_metric(client, sent) < 15:
            return time.time()
        await asyncio.sleep(1)
    return None


async def _rate(client: httpx.AsyncClient) -> float:
    return await _value(client, "rate(prometheus_tsdb_head_samples_appended_total[1m])", 0) or (
        await _value(client, "sum(scrape_samples_scraped)", 0)
    )


async def _scrapes(client: httpx.AsyncClient, start: float, end: float) -> int:
    """How many scrapes there are of all targets from ``start`` to ``end``."""
    seconds = int(end - start)
    return int(await _value(client, f"sum(count_over_time(up[{seconds}s]))", end))


async def _value(client: httpx.AsyncClient, query: str, at: float) -> float:
    form = {"query": query} | ({"time": str(int(at))} if at else {})
    answer = await client.post("/api/v1/query", data=form, timeout=120)
    result = answer.raise_for_status().json()["data"]["result"]
    return float(result[0]["value"][1]) if result else 0.0


# --- how long ---


async def _how_long(folder: Path) -> None:
    folder.mkdir(parents=True)  # noqa: ASYNC240 - at once
    names = {f"q{number}": share for number, share in enumerate(SHARES)}
    with served(CUT_INSTANCES, SMS_PER_SECOND) as targets:
        async with victoria_metrics(folder / "engine") as engine:
            gate = Gate(engine.url)
            with gate.open() as address:
                config = scraping(targets, CUT_INSTANCES)
                config["remote_write"] = [_small(f"{address}/{name}", name) for name in names]
                flags = (
                    f"--storage.tsdb.min-block-duration={BLOCK_SECONDS}s",
                    f"--storage.tsdb.max-block-duration={BLOCK_SECONDS}s",
                    f"--storage.tsdb.wal-segment-size={SEGMENT}",
                    "--no-storage.tsdb.wal-compression",
                )
                async with prometheus(folder, config, flags) as client:
                    cut = await _cut(client, gate, names)
                    await asyncio.sleep(BACK_AFTER_SECONDS)
                    gate.away.clear()
                    await asyncio.sleep(60)
                    await engine.flush()
                    await _print_lost(client, engine, names, cut)


def _small(url: str, name: str) -> dict[str, Any]:
    """A queue of one series a target that is full at once, as one of all series is in seconds."""
    return {
        "name": name,
        "url": f"{url}/api/v1/write",
        "queue_config": {"max_shards": 1, "capacity": 10, "max_samples_per_send": 10},
        "write_relabel_configs": [{"source_labels": ["__name__"], "regex": "up", "action": "keep"}],
    }


async def _cut(client: httpx.AsyncClient, gate: Gate, names: Mapping[str, float]) -> float:
    """Take the queues' engine away so long before a cut of the log; when that cut was.

    The log is cut once for each block.
    """
    for _ in range(CUTS_BEFORE):
        last = await _next_cut(client, lambda: None)
    expected = last + 2 * BLOCK_SECONDS

    def away() -> None:
        began = {n for n, share in names.items() if time.time() > expected - share * BLOCK_SECONDS}
        gate.away |= began

    await _next_cut(client, away)
    return await _next_cut(client, away)


async def _next_cut(client: httpx.AsyncClient, meanwhile: Callable[[], None]) -> float:
    done = "prometheus_tsdb_checkpoint_creations_total"
    before = await own_metric(client, done)
    while await own_metric(client, done) == before:
        meanwhile()
        await asyncio.sleep(1)
    return time.time()


async def _print_lost(
    client: httpx.AsyncClient, engine: VictoriaMetrics, names: Mapping[str, float], cut: float
) -> None:
    start, end = cut - 2 * BLOCK_SECONDS, int(cut + BACK_AFTER_SECONDS + 30)
    there = await _scrapes(client, start, end)
    print(
        f"\nblocks of {BLOCK_SECONDS} s; away before the log is cut, and {BACK_AFTER_SECONDS} s on"
    )
    print(f"  {'blocks':>7} {'as of 2 h':>10} {'lost':>7}")
    for name, share in names.items():
        query = f'sum(count_over_time(up{{queue="{name}"}}[{int(end - start)}s]))'
        arrived = int(await _value(engine.client, query, end))
        lost = max(0, there - arrived) / CUT_INSTANCES
        print(f"  {share:>7.2f} {share * 120:>6.0f} min {lost:>5.0f} s", flush=True)


@asynccontextmanager
async def prometheus(
    folder: Path, config: Mapping[str, Any], flags: Sequence[str] = ()
) -> AsyncIterator[httpx.AsyncClient]:
    """A Prometheus with this configuration."""
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(dict(config)), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    command = [
        locate("prometheus").path,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        *flags,
    ]
    url = f"http://{address}"
    async with answering(command, folder, folder / "prometheus.log", url, "/-/ready") as client:
        yield client
