"""What one orchestrator exposes, logs, computes and stores for an SMS: a real one, on PostgreSQL.

First all is well: what each series grows by, lines, CPU, transactions, write-ahead log. Then every
fault in turn: which label values are there at all.
"""

import json
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil

from app.core.catalogue import PROCESS_CPU, SMS_RECEIVED, metrics
from asgi_observability.metric import Kind, Metric
from tests.bench import exposition
from tests.bench.databases import new_databases
from tests.free_port import free_port
from tests.serving_process import serving_process
from tests.test_logs.conftest import SIMULATED_UPSTREAMS, simulator

WARMED_UP_SMS = 100
PATIENCE_SECONDS = 900
SMS = 500
"""Of which the figures are the mean."""

_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Database:
    """What PostgreSQL has done since it was started."""

    cpu_seconds: float
    log_bytes: int
    commits: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Running:
    """One orchestrator under simulated traffic; ``control`` is the simulator's control API."""

    app: httpx.AsyncClient
    control: httpx.AsyncClient
    logs: Path
    database_url: str


@asynccontextmanager
async def orchestrator(folder: Path, **settings: str) -> AsyncIterator[Running]:
    """Run one on PostgreSQL that logs from level info on; ``settings`` are its own."""
    port, logs = free_port(), folder / "logs"
    async with (
        new_databases(folder) as urls,
        simulator(folder / "simulator", exposition.SMS_PER_MINUTE, port, folder) as ready,
    ):
        upstreams = {f"{each.upper()}_URL": ready[each] for each in SIMULATED_UPSTREAMS[:-1]}
        async with (
            serving_process(
                folder / "app.out",
                ready["sms_agent"],
                urls["postgresql"],
                port=port,
                LOGS__FOLDER=str(logs),
                LOG_HASH_KEY="the benchmark's key",
                LOG_LEVEL="info",
                AI_PROVIDER_URL=ready["ai"],
                **upstreams,
                **settings,
            ) as app,
            httpx.AsyncClient(base_url=ready["control"]) as control,
        ):
            yield Running(app, control, logs, urls["postgresql"])


async def measured() -> dict[str, Any]:
    """The part ``service`` of the constants."""
    with tempfile.TemporaryDirectory() as name:
        # Every line is written: how many are kept is a setting.
        async with orchestrator(Path(name), LOGS__SAMPLE_EVENTS="{}") as running:
            found = await _of_an_sms(running)
            after_faults = await exposition.after_faults(running.app, running.control)
        grown = found.pop("grown")
        return found | {"exposed": _exposed(after_faults, grown)}


async def logged(sms: int, **settings: str) -> tuple[float, float]:
    """Lines and bytes that an orchestrator with these ``settings`` logs for an SMS."""
    with tempfile.TemporaryDirectory() as name:
        async with orchestrator(Path(name), **settings) as running:
            await exposition.traffic(running.app, WARMED_UP_SMS, PATIENCE_SECONDS)
            before, earlier = await _samples(running.app), len(_lines(running.logs))
            await exposition.traffic(running.app, sms, PATIENCE_SECONDS)
            after, lines = await _samples(running.app), _lines(running.logs)[earlier:]
    count = after[SMS_RECEIVED.name, ()] - before[SMS_RECEIVED.name, ()]
    return len(lines) / count, sum(map(len, lines)) / count


async def _of_an_sms(running: Running) -> dict[str, Any]:
    app, logs, url = running.app, running.logs, running.database_url
    await exposition.traffic(app, WARMED_UP_SMS, PATIENCE_SECONDS)
    before, lines, database = await _samples(app), _lines(logs), await _database(url)
    began = time.monotonic()
    await exposition.traffic(app, SMS, PATIENCE_SECONDS)
    after, more_lines, later = await _samples(app), _lines(logs), await _database(url)
    grown = {key: value - before.get(key, 0) for key, value in after.items()}
    sms, took = grown[SMS_RECEIVED.name, ()], time.monotonic() - began
    return {
        "sms": sms,
        "sms_per_second": round(sms / took, 1),
        "cpu_seconds_per_sms": grown[PROCESS_CPU.name, ()] / sms,
        "database": {
            "cpu_seconds_per_sms": (later.cpu_seconds - database.cpu_seconds) / sms,
            "log_bytes_per_sms": (later.log_bytes - database.log_bytes) / sms,
            "commits_per_sms": (later.commits - database.commits) / sms,
            "stored_bytes_per_sms": (later.bytes - database.bytes) / sms,
        },
        "lines": list(_by_event(more_lines[len(lines) :], sms)),
        "grown": {key: value / sms for key, value in grown.items()},
    }


async def lines_of(sms: int) -> list[bytes]:
    """The lines of so many SMS, as they are written by default."""
    with tempfile.TemporaryDirectory() as name:
        async with orchestrator(Path(name)) as running:
            await exposition.traffic(running.app, sms, PATIENCE_SECONDS)
            return _lines(running.logs)


Key = tuple[str, tuple[tuple[str, str], ...]]


async def _samples(app: httpx.AsyncClient) -> dict[Key, float]:
    return dict(_parsed(await exposition.metrics(app)))


def _parsed(text: str) -> Iterator[tuple[Key, float]]:
    for line in text.splitlines():
        if found := _SAMPLE.fullmatch(line):
            labels = tuple(_LABEL.findall(found["labels"] or ""))
            yield (found["name"], labels), float(found["value"])


def _exposed(text: str, grown: Mapping[Key, float]) -> dict[str, list[dict[str, Any]]]:
    """By metric: each set of label values that is there, and what it grows by with an SMS."""
    values = dict(_parsed(text))
    found: dict[str, list[dict[str, Any]]] = {}
    for metric in metrics():
        counted = metric.count if metric.kind is Kind.HISTOGRAM else metric.name
        for name, labels in values:
            if name != counted:
                continue
            one: dict[str, Any] = {"labels": [dict(labels)[each] for each in metric.label_names]}
            if metric.kind is Kind.GAUGE:
                one["value"] = values[name, labels]
            elif metric.kind is Kind.COUNTER:
                one["grows"] = [round(grown.get((name, labels), 0), 4)]
            else:
                one["grows"] = list(_histogram(metric, labels, grown))
            found.setdefault(metric.name, []).append(one)
    return found


def _histogram(
    metric: Metric, labels: tuple[tuple[str, str], ...], grown: Mapping[Key, float]
) -> Iterator[float]:
    yield round(grown.get((metric.sum, labels), 0), 4)
    below = 0.0
    bounds = {
        float(dict(of)["le"]): of
        for name, of in grown
        if name == metric.bucket and {k: v for k, v in of if k != "le"} == dict(labels)
    }
    for bound in sorted(bounds):
        until = grown[metric.bucket, bounds[bound]]
        yield round(until - below, 4)
        below = until


def _lines(folder: Path) -> list[bytes]:
    return [
        line
        for file in sorted(folder.glob("*.jsonl"), key=lambda file: file.stat().st_mtime)
        for line in file.read_bytes().splitlines(keepends=True)
    ]


def _by_event(lines: Iterable[bytes], sms: float) -> Iterator[dict[str, Any]]:
    """Lines and bytes for an SMS, by event; by component too where these are sampled apart."""
    counts: Counter[tuple[str, str, str]] = Counter()
    sizes: defaultdict[tuple[str, str, str], int] = defaultdict(int)
    for line in lines:
        said = json.loads(line)
        by = said.get("component", "") if said["event"] == "operation_completed" else ""
        key = said["event"], by, said["level"]
        counts[key] += 1
        sizes[key] += len(line)
    for (event, by, level), count in sorted(counts.items()):
        yield {
            "event": event,
            "sampled_by": by,
            "level": level,
            "lines_per_sms": count / sms,
            "bytes_per_line": sizes[event, by, level] / count,
        }


async def _database(url: str) -> Database:
    """What the server has done; what is waited for is written first."""
    connection = await asyncpg.connect(url)
    try:
        position = await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        commits = await connection.fetchval(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        size = await connection.fetchval("SELECT pg_database_size(current_database())")
        folder = await connection.fetchval("SHOW data_directory")
    finally:
        await connection.close()
    pid = int((Path(folder) / "postmaster.pid").read_text().split()[0])
    server = psutil.Process(pid)
    cpu = sum(_cpu(each) for each in (server, *server.children(recursive=True)))
    return Database(cpu, int(position), int(commits), int(size))


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
