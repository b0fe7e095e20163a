"""What opening the overview costs, over 1, 10 and 50 instances, in a real Prometheus.

Every query of its panels, as Grafana asks it for the last hour, one after the other; and, once, the
same panels as they would be without recording rules, with the records' expressions put in.
Instances have three hours of synthetic history, so that windows of days hold three hours: without
records, older instances would cost more. Goal: under 150 ms at 50 instances.
"""

import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from alerts import paths
from alerts.prometheus_config import evaluation_seconds
from dashboards.queries import BUILT_IN, PanelQuery, of_all, queries
from prometheus_tools import blocks
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.expansion import expanded
from prometheus_tools.rulebook import Rulebook, rulebook
from prometheus_tools.scratch import scratch
from simulator.history.openmetrics import write
from simulator.history.past import INSTANCE, Past

INSTANCES = (1, 10, 50)
GOAL_SECONDS = 0.15
PAST = timedelta(hours=3)
SHOWN = timedelta(hours=1)
STEP_SECONDS = 15
"""Between two samples."""
ROUNDS = 5
_INSTANCE = re.compile(re.escape(f'instance="{INSTANCE}"'))


@dataclass(frozen=True, slots=True)
class Opened:
    """What opening the dashboard takes: seconds, and samples that Prometheus looks at."""

    seconds: float
    samples: int


async def run() -> bool:
    """Print the cost at each number of instances; False when it is above the goal."""
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    rules = rulebook(
        (file.read_text(encoding="utf-8") for file in paths.RULES.glob("*.yml")),
        evaluation_seconds(),
    )
    document = json.loads((paths.DASHBOARDS / "overview.json").read_text(encoding="utf-8"))
    built_in = {**BUILT_IN, "__range": f"{SHOWN.total_seconds():.0f}s"}
    asked = list(queries(document, of_all(document), built_in))
    written_out = [
        replace(query, expr=expanded(query.expr, rules, rules.records)) for query in asked
    ]
    of_now = sum(query.is_instant for query in asked)
    print(
        f"{len(asked) - of_now} queries over {SHOWN}, every {STEP_SECONDS} s; {of_now} of its end",
        flush=True,
    )
    print(
        f"\n{'instances':>9} {'series':>8} {'opened in':>10} {'samples':>11}   "
        f"{'without records':>15} {'samples':>12} {'ratio':>7}",
        flush=True,
    )
    recorded = Opened(0, 0)
    for instances in INSTANCES:
        with tempfile.TemporaryDirectory() as name:
            data = Path(name) / "data"
            series = write_past(Path(name), data, instances, end, rules)
            with scratch(data) as url, httpx.Client(base_url=url, timeout=300) as client:
                rounds = [_opened(client, asked, end) for _ in range(ROUNDS)]
                raw = _opened(client, written_out, end)
        recorded = Opened(statistics.median(each.seconds for each in rounds), rounds[0].samples)
        print(
            f"{instances:>9} {series:>8,} {recorded.seconds * 1000:>7.0f} ms "
            f"{recorded.samples:>11,}   {raw.seconds * 1000:>12.0f} ms {raw.samples:>12,} "
            f"{recorded.seconds / raw.seconds:>7.2f}",
            flush=True,
        )
    holds = recorded.seconds < GOAL_SECONDS
    print(
        f"Goal: under {GOAL_SECONDS * 1000:.0f} ms at {INSTANCES[-1]}; "
        f"{'reached' if holds else 'NOT REACHED'}."
    )
    return holds


def _opened(client: httpx.Client, asked: Iterable[PanelQuery], end: datetime) -> Opened:
    """Ask everything once, as Prometheus's own answer times tell it."""
    samples = 0
    began = time.perf_counter()
    for query in asked:
        path, span = "query", {"time": end.timestamp()}
        if not query.is_instant:
            began_at = (end - SHOWN).timestamp()
            path = "query_range"
            span = {"start": began_at, "end": end.timestamp(), "step": STEP_SECONDS}
        form = {"query": query.expr, "stats": "true", **span}
        data = client.post(f"/api/v1/{path}", data=form).raise_for_status().json()["data"]
        samples += data["stats"]["samples"]["totalQueryableSamples"]
    return Opened(time.perf_counter() - began, samples)


def write_past(folder: Path, data: Path, instances: int, end: datetime, rules: Rulebook) -> int:
    """The past of as many instances, with its records, as blocks; returns the series."""
    past = Past(end, duration=PAST)
    one, all_of_them = folder / "one.om", folder / "all.om"
    with one.open("w", encoding="utf-8") as output:
        write(past, output, recent=PAST)
    names = set()
    with one.open() as lines, all_of_them.open("w", encoding="utf-8") as output:
        for line in lines:
            if line.startswith("#"):
                output.write(line)
                continue
            names.add(line[: line.index("}")])
            # A family's series have to stay together.
            output.writelines(
                _INSTANCE.sub(f'instance="app-{number}"', line) for number in range(instances)
            )
    blocks.create(all_of_them, data)
    all_of_them.unlink()
    stretch = Stretch(int(past.start.timestamp()), int(end.timestamp()))
    backfill(rules, rules.records, data, [stretch])
    return len(names) * instances
