"""Opening the overview through VictoriaMetrics, over 10 and 100 instances, beside Prometheus.

The same three hours are in both: Prometheus's blocks, and what it gives of them to the engine. The
overview's queries are asked over the last hour in turns, those of its end too. Goal: under 300 ms
at 100 instances through the engine.
"""

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from alerts import paths
from alerts.prometheus_config import evaluation_seconds
from dashboards.queries import BUILT_IN, of_all, queries, series_in
from prometheus_tools.rulebook import rulebook
from prometheus_tools.scratch import scratch
from prometheus_tools.toolchain import locate
from tests.bench.dashboard_queries import SHOWN, STEP_SECONDS, write_past
from tests.bench.side_by_side import of_today, victoria_metrics

INSTANCES = (10, 100)
GOAL_SECONDS = 0.3
ROUNDS = 7
POSTED_BYTES = 8_000_000


async def run() -> bool:
    """Print the times at each number of instances; False where the goal is missed."""
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    texts = (file.read_text(encoding="utf-8") for file in paths.RULES.glob("*.yml"))
    rules = rulebook(texts, evaluation_seconds())
    document = json.loads((paths.DASHBOARDS / "overview.json").read_text(encoding="utf-8"))
    built_in = {**BUILT_IN, "__range": f"{SHOWN.total_seconds():.0f}s"}
    asked = [query.expr for query in queries(document, of_all(document), built_in)]
    names = {name for expr in asked for name in series_in(expr)}
    print(f"{len(asked)} queries over {SHOWN}, every {STEP_SECONDS} s", flush=True)
    print(
        f"\n{'instances':>9} {'series':>8} {'samples':>12} {'Prometheus':>11} {'engine':>9} "
        f"{'slowest query':>14} {'opened again':>13}",
        flush=True,
    )
    through_the_engine = 0.0
    for instances in INSTANCES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            series = write_past(folder, folder / "data", instances, end, rules)
            with victoria_metrics(folder / "engine", of_today()) as engine:
                samples = _copied(folder / "data", engine, names)
                with (
                    scratch(folder / "data") as prometheus,
                    httpx.Client(base_url=prometheus, timeout=300) as one,
                    httpx.Client(base_url=engine, timeout=300) as other,
                ):
                    given = [_given(each, asked, end) for each in (one, other)]
                    rounds = [
                        (
                            _opened(one, asked, end),
                            _opened(other, asked, end, nocache="1"),
                            _opened(other, asked, end),
                        )
                        for _ in range(ROUNDS)
                    ]
        of_prometheus = statistics.median(sum(first) for first, _, _ in rounds)
        through_the_engine = statistics.median(sum(second) for _, second, _ in rounds)
        slowest = statistics.median(max(second) for _, second, _ in rounds)
        cached = statistics.median(sum(third) for _, _, third in rounds)
        print(
            f"{instances:>9} {series:>8,} {samples:>12,} {of_prometheus * 1000:>8.0f} ms "
            f"{through_the_engine * 1000:>6.0f} ms {slowest * 1000:>11.0f} ms "
            f"{cached * 1000:>10.0f} ms   "
            f"{given[0]} and {given[1]} lines drawn",
            flush=True,
        )
    holds = through_the_engine < GOAL_SECONDS
    print(
        f"Goal: under {GOAL_SECONDS * 1000:.0f} ms at {INSTANCES[-1]} through the engine; "
        f"{'reached' if holds else 'NOT REACHED'}."
    )
    return holds


def _copied(data: Path, engine: str, names: Iterable[str]) -> int:
    """Give the series of these ``names`` to the engine; how many samples they are."""
    command = [str(locate("promtool").path), "tsdb", "dump-openmetrics"]
    command += [f'--match={{__name__="{name}"}}' for name in sorted(names)]
    samples = 0
    # Where nothing was scraped there is no log; promtool looks into it all the same.
    (data / "wal").mkdir(exist_ok=True)
    with (
        subprocess.Popen([*command, str(data)], stdout=subprocess.PIPE) as dump,
        httpx.Client(base_url=engine, timeout=300) as client,
    ):
        assert dump.stdout is not None
        for lines in _batches(dump.stdout):
            samples += len(lines)
            answer = client.post("/api/v1/import/prometheus", content=b"".join(lines))
            answer.raise_for_status()
        client.get("/internal/force_flush").raise_for_status()
    assert samples, "promtool has given nothing"
    return samples


def _batches(output: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in output:
        if not line.startswith(b"#"):
            batch.append(line)
            size += len(line)
        if size > POSTED_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _given(client: httpx.Client, exprs: Iterable[str], end: datetime) -> int:
    """How many series all answers have that are more than NaN: both must draw as much."""
    return sum(
        any(value != "NaN" for _, value in series["values"])
        for expr in exprs
        for series in _answer(client, expr, end)["result"]
    )


def _answer(client: httpx.Client, expr: str, end: datetime, **how: str) -> Any:
    form = {
        "query": expr,
        "start": (end - SHOWN).timestamp(),
        "end": end.timestamp(),
        "step": STEP_SECONDS,
        **how,
    }
    return client.post("/api/v1/query_range", data=form).raise_for_status().json()["data"]


def _opened(client: httpx.Client, exprs: Iterable[str], end: datetime, **how: str) -> list[float]:
    """Seconds that each query took. ``nocache`` asks for an answer of which nothing is kept."""
    took = []
    for expr in exprs:
        began = time.perf_counter()
        _answer(client, expr, end, **how)
        took.append(time.perf_counter() - began)
    return took
