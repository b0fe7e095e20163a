"""1, 10, 100 and 1,000 simulated instances in VictoriaMetrics: what is measured, and the formulas.

What they expose is made from the catalogue. vmalert evaluates the exported rules on it. Printed is
each figure beside that of `python -m stack capacity`. Goal: series are within 5 % of the formula.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from alerts.export.engines import Engine
from alerts.export.files import exported
from alerts.export.options import Options
from alerts.prometheus_config import evaluation_seconds
from alerts.promql import seconds
from alerts.rules import rule_files
from app.core.config import load_settings
from prometheus_tools.toolchain import locate_engine
from prometheus_tools.yaml_reading import read_yaml
from stack.capacity import constants
from stack.capacity.estimate import ABOUT_A_TARGET, Estimate
from stack.capacity.size import Size
from tests.bench import exposition
from tests.bench.exposition import Growth
from tests.capacity.victoria_metrics import (
    SCRAPE_SECONDS,
    Fleet,
    VictoriaMetrics,
    now,
    scrapes_until,
    victoria_metrics,
)
from tests.free_port import free_port
from tests.programs import answering

INSTANCES = (1, 10, 100, 1000)
SMS_PER_SECOND = 25
"""Of each instance."""

SCRAPES = 12
"""Three minutes, and those that come while rules are evaluated: what most rules read."""

UP_OF_EACH = 2
"""That of the instance and that of its machine."""

EVALUATIONS = 3
MOST_SERIES = "-search.maxUniqueTimeseries=10000000"
"""Of one query; 1,000 instances have more buckets than it takes unless it is told."""

TOLERATED = 0.05


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Giving samples: how many, in how long, with which cost."""

    samples: int
    seconds: float
    cpu_seconds: float
    memory: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """CPU of vmalert and of the engine in one interval, and the samples that came in it."""

    cpu_seconds: float
    samples: float
    records: int
    late: int
    """Evaluations that were left out because the one before took too long."""


async def run() -> bool:
    """Print what is measured beside the formulas; False where series don't fit them."""
    node = (await exposition.of_the_node()).text(Growth(now())).decode()
    held = True
    for instances in INSTANCES:
        fleet = Fleet(instances, SMS_PER_SECOND, node)
        with tempfile.TemporaryDirectory() as name:
            async with victoria_metrics(Path(name) / "engine", MOST_SERIES) as engine:
                ingestion = await _given(engine, fleet)
                series = await _series(engine)
                evaluation = await _evaluated(engine, fleet, Path(name))
        held &= _print(instances, series, ingestion, evaluation)
    print(f"Goal: series within {TOLERATED:.0%}; {'reached' if held else 'NOT REACHED'}.")
    return held


async def _given(engine: VictoriaMetrics, fleet: Fleet) -> Ingestion:
    before = await engine.said()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await fleet.scraped(engine, scrapes_until(now(), SCRAPES))
    took = loop.time() - began
    await engine.flush()
    # It makes its own metrics once a second.
    await asyncio.sleep(2)
    after = await engine.said()
    assert after["vm_rows_inserted_total"] >= fleet.series * SCRAPES
    return Ingestion(
        samples=(fleet.series + UP_OF_EACH * fleet.instances) * SCRAPES,
        seconds=took,
        cpu_seconds=_grown(before, after, "process_cpu_seconds_total"),
        memory=_grown(before, after, "process_resident_memory_bytes"),
    )


def _grown(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    return after[name] - before.get(name, 0)


async def _series(engine: VictoriaMetrics) -> int:
    answer = await engine.client.get("/api/v1/series/count", timeout=300)
    return int(answer.raise_for_status().json()["data"][0])


async def _value(engine: VictoriaMetrics, query: Mapping[str, str]) -> float:
    answer = await engine.client.get("/api/v1/query", params=query, timeout=300)
    result = answer.raise_for_status().json()["data"]["result"]
    return float(result[0]["value"][1]) if result else 0


async def _evaluated(engine: VictoriaMetrics, fleet: Fleet, folder: Path) -> Evaluation:
    """Let vmalert evaluate the rules, while scrapes go on."""
    scraping = asyncio.create_task(_scraping(engine, fleet))
    try:
        async with vmalert(engine, folder) as (client, intervals):
            await _evaluations(client, intervals, 1)
            loop = asyncio.get_running_loop()
            began = loop.time()
            before, engine_before = await _said(client), await engine.said()
            await _evaluations(client, intervals, EVALUATIONS)
            took = loop.time() - began
            after, engine_after = await _said(client), await engine.said()
    finally:
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
    every = evaluation_seconds()
    cpu = _grown(before, after, "process_cpu_seconds_total") + _grown(
        engine_before, engine_after, "process_cpu_seconds_total"
    )
    records = await _value(
        engine, {"query": 'count({__name__=~".+:.+"})', "time": str(now()), "nocache": "1"}
    )
    return Evaluation(
        cpu_seconds=cpu * every / took,
        samples=_grown(engine_before, engine_after, "vm_rows_inserted_total") * every / took,
        records=int(records),
        late=round(_grown(before, after, "vmalert_iteration_missed_total")),
    )


async def _scraping(engine: VictoriaMetrics, fleet: Fleet) -> None:
    """A scrape every 15 s, as long as the machine keeps up."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await fleet.scraped(engine, [now()])
        await asyncio.sleep(max(0.0, SCRAPE_SECONDS - (loop.time() - began)))


@asynccontextmanager
async def vmalert(
    engine: VictoriaMetrics, folder: Path, *flags: str
) -> AsyncIterator[tuple[httpx.AsyncClient, Mapping[str, float]]]:
    """vmalert with the exported rules; its client, and the seconds of each group's interval."""
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    settings = load_settings()
    options = Options(Engine.VMALERT, without=frozenset({"monitoring"}))
    intervals = {}
    for name, text in exported(rule_files(settings.thresholds, settings.links), options).items():
        (rules / name).write_text(text, encoding="utf-8")
        for group in read_yaml(text)["groups"]:
            own = group.get("interval")
            intervals[group["name"]] = float(seconds(own) if own else evaluation_seconds())
    address = f"127.0.0.1:{free_port()}"
    command = [
        locate_engine("vmalert").path,
        f"-rule={rules}/*.yml",
        f"-datasource.url={engine.url}",
        f"-remoteWrite.url={engine.url}",
        f"-remoteRead.url={engine.url}",
        f"-evaluationInterval={evaluation_seconds()}s",
        "-notifier.blackhole",
        f"-httpListenAddr={address}",
        *flags,
    ]
    url = f"http://{address}"
    async with answering(command, folder, folder / "vmalert.log", url, "/health") as client:
        yield client, intervals


async def _said(client: httpx.AsyncClient) -> Mapping[str, float]:
    return await VictoriaMetrics(client).said()


async def _evaluations(
    client: httpx.AsyncClient, intervals: Mapping[str, float], more: int
) -> None:
    """Wait for that many more evaluations of the groups that have no interval of their own."""
    usual = [group for group, every in intervals.items() if every == evaluation_seconds()]
    begun = await _said(client)
    while True:
        await asyncio.sleep(1)
        said = await _said(client)
        if all(_count(said, group) >= _count(begun, group) + more for group in usual):
            return


def _count(said: Mapping[str, float], group: str) -> float:
    name = "vmalert_iteration_duration_seconds_count{"
    return sum(
        value
        for series, value in said.items()
        if series.startswith(name) and f'group="{group}"' in series
    )


def _print(instances: int, series: int, ingestion: Ingestion, evaluation: Evaluation) -> bool:
    of, known = Estimate(Size(SMS_PER_SECOND * instances, instances)), constants.measured()
    engine = known.engines.victoria_metrics
    # Here each target has only its `up`.
    expected = of.exposed + of.of_machines + of.about_targets * 1 / ABOUT_A_TARGET
    print(f"\n{instances:,} instances, {ingestion.samples:,} samples given", flush=True)
    print(f"  {'':<44} {'measured':>12} {'formula':>12} {'ratio':>7}")
    a_sample = ingestion.cpu_seconds / ingestion.samples
    of_rules = evaluation.cpu_seconds - evaluation.samples * a_sample
    rows = (
        ("series exposed", series, expected),
        ("series recorded", evaluation.records, sum(of.records.values())),
        (
            "CPU seconds for a million samples",
            a_sample * 1e6,
            engine.cpu_seconds_per_million_samples,
        ),
        ("memory, MB", ingestion.memory / 1e6, series * engine.memory_bytes_per_series / 1e6),
        ("CPU seconds of rules in one interval", of_rules, of.rule_seconds),
    )
    for name, measured, formula in rows:
        print(
            f"  {name:<44} {_short(measured):>12} {_short(formula):>12} {measured / formula:>7.2f}"
        )
    print(
        f"  {'samples a second that it took':<44} {ingestion.samples / ingestion.seconds:>12,.0f} "
        f"{of.scraped / SCRAPE_SECONDS:>12,.0f}  needed"
    )
    if evaluation.late:
        print(f"  {evaluation.late} evaluations were left out, as the machine was busy", flush=True)
    return abs(series / expected - 1) <= TOLERATED


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
