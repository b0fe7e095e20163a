"""Evaluating all rules over 1, 10 and 50 instances of the app, in a real Prometheus.

Each instance exposes what a real one does after traffic and faults, with counters that go on. What
the rules read of the past is there too, as densely as it would have been scraped or recorded.
Goal: under 4 % of the evaluation interval at 50 instances. At that many it says which groups and
which rules are dear.
"""

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from alerts import paths
from alerts.promql import seconds
from prometheus_tools.toolchain import locate
from prometheus_tools.yaml_reading import read_yaml
from tests.bench import exposition, rule_history
from tests.bench.exposition import Exposition, Growth
from tests.bench.rule_history import Group, Reading
from tests.free_port import free_port
from tests.programs import answering

INSTANCES = (1, 10, 50)
GOAL = 0.04
"""Of the interval, at the most instances."""

ROUNDS = 6
EVALUATED_EVERY = "5s"
"""Oftener than committed, to see more evaluations: what one costs stays the same."""

LOOKED_AT_EVERY = "1s"
LOOKED_AT_ROUNDS = 8
"""For the names and labels of records, which take an evaluation for each record they read."""

PATIENCE_SECONDS = 900
SHOWN = 12
"""Rows of each table: what is dear comes first."""

KEPT = "60d"
GROWING_SINCE = 45 * 86400
_OFFSET = re.compile(r"\boffset\s+-?\w+")


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds that something took, of each evaluation that was seen."""

    group: str
    rule: str = ""
    """Empty for the whole group, which takes a little more than its rules."""
    took: list[float] = field(default_factory=list, compare=False)

    @property
    def seconds(self) -> float:
        """Of a usual evaluation. The first one finds no cache filled."""
        return statistics.median(self.took[1:])


@dataclass(frozen=True, slots=True)
class Cost:
    """What evaluating costs: seconds in one of the committed intervals."""

    instances: int
    series: int
    backfilled: int
    unseen: list[str]
    """What rules read that there was no series of, so none was backfilled."""
    by_group: dict[str, float]
    by_rule: dict[tuple[str, str], float]
    """By group and name; rules that record the same thing of several subjects are added up."""
    records: dict[int, int]
    """Recorded series, by the seconds between two of their samples."""

    @property
    def seconds(self) -> float:
        """Of all groups."""
        return sum(self.by_group.values())


class Server:
    """A running Prometheus, by its API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def ask(self, path: str, **query: str) -> Any:
        """What its API says."""
        answer = await self._client.get(f"/api/v1/{path}", params=query)
        return answer.raise_for_status().json()["data"]

    async def series(self) -> int:
        """How many there are now."""
        said = await self.ask("status/tsdb")
        return int(said["headStats"]["numSeries"])

    async def records(self, every: Callable[[str], float]) -> dict[int, int]:
        """Recorded series, by how often they are recorded."""
        counts = await self.ask("query", query='count by (__name__) ({__name__=~".+:.+"})')
        found: defaultdict[int, int] = defaultdict(int)
        for each in counts["result"]:
            found[round(every(each["metric"]["__name__"]))] += int(each["value"][1])
        return dict(sorted(found.items()))

    async def samples(self, name: str) -> list[rule_history.Sample]:
        """The present series called ``name``."""
        found = (await self.ask("query", query=f'{{__name__="{name}"}}'))["result"]
        return [
            ({k: v for k, v in each["metric"].items() if k != "__name__"}, float(each["value"][1]))
            for each in found
        ]

    async def durations(self, rounds: int) -> list[Timed]:
        """The seconds of ``rounds`` evaluations of each group, and of its rules.

        These are what prometheus_rule_group_last_duration_seconds shows. AssertionError on a rule
        that fails.
        """
        at: dict[str, set[str]] = {}
        found: dict[tuple[str, str, int], Timed] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not at or any(len(seen) < rounds for seen in at.values()):
                # Seldom, so as not to be measured as well.
                await asyncio.sleep(0.5)
                for group in (await self.ask("rules"))["groups"]:
                    name, evaluated = group["name"], group["lastEvaluation"]
                    for rule in group["rules"]:
                        assert rule["health"] != "err", (name, rule)
                    if evaluated.startswith("0001-") or evaluated in at.setdefault(name, set()):
                        continue
                    at[name].add(evaluated)
                    for number, each in enumerate((group, *group["rules"])):
                        rule = each["name"] if number else ""
                        timed = found.setdefault((name, rule, number), Timed(name, rule))
                        timed.took.append(each["evaluationTime"])
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Measurement:
    """What each instance exposes, by job, and what the rules cost at each number of instances."""

    exposed: Mapping[str, Exposition]
    costs: list[Cost]


async def run() -> bool:
    """Print the cost at each number of instances; False when it is above the goal."""
    interval = _interval()
    cost = (await measured()).costs[-1]
    _print_dear(cost, interval)
    if unseen := cost.unseen:
        print(f"read by rules, but exposed and recorded by nothing here: {', '.join(unseen)}")
    holds = cost.seconds < GOAL * interval
    print(f"Goal: under {GOAL:.0%} at {INSTANCES[-1]}; {'reached' if holds else 'NOT REACHED'}.")
    return holds


async def measured() -> Measurement:
    """Measure at each number of instances, and print what comes out."""
    config = read_yaml(paths.PROMETHEUS_CONFIG.read_text())
    interval = _interval()
    documents = [read_yaml(file.read_text()) for file in sorted(paths.RULES.glob("*.yml"))]
    groups = rule_history.groups(documents, interval)
    read = rule_history.readings(groups)
    furthest = max(read, key=lambda reading: reading.oldest)
    print(
        f"{sum(len(group.rules) for group in groups)} rules in {len(groups)} groups, every "
        f"{interval} s unless a group says otherwise; the longest memory is that of "
        f"{furthest.name}, {furthest.oldest / 3600:.1f} h",
        flush=True,
    )
    exposed = {
        "orchestrator": await exposition.of_the_app(),
        "node": await exposition.of_the_node(),
        "alertmanager": await exposition.of_alertmanager(),
    }
    print(f"an instance of the app exposes {exposed['orchestrator'].series} series", flush=True)
    if not _ahead_of_others():
        busy = os.getloadavg()[0]
        print(f"what else the machine does is in the figures; its load is {busy:.1f}", flush=True)
    print(
        f"\n{'instances':>9} {'series':>8} {'backfilled':>11} {'evaluation':>11} "
        f"{f'of {interval} s':>8} {'of one':>7}",
        flush=True,
    )
    costs: list[Cost] = []
    for instances in INSTANCES:
        costs.append(await _cost(instances, exposed, config, groups, read))
        _print(costs[-1], costs[0], interval)
    return Measurement(exposed, costs)


def _interval() -> float:
    config = read_yaml(paths.PROMETHEUS_CONFIG.read_text())
    return seconds(config["global"]["evaluation_interval"])


def _print(cost: Cost, one: Cost, interval: float) -> None:
    print(
        f"{cost.instances:>9} {cost.series:>8,} {cost.backfilled:>11,} {cost.seconds:>9.4f} s "
        f"{cost.seconds / interval:>8.2%} {cost.seconds / one.seconds:>7.1f}",
        flush=True,
    )


def _print_dear(cost: Cost, interval: float) -> None:
    """The dearest groups and rules, and what all others cost together."""
    rules = {f"{group}: {rule}": took for (group, rule), took in cost.by_rule.items()}
    for what, table in (("group", cost.by_group), ("rule", rules)):
        dear = sorted(table.items(), key=lambda item: -item[1])
        print(f"\n{'ms':>8} {f'of {interval} s':>8} {what}, at {cost.instances} instances")
        for name, took in dear[:SHOWN]:
            print(f"{took * 1000:>8.1f} {took / interval:>8.2%} {name}")
        if others := dear[SHOWN:]:
            took = sum(each for _, each in others)
            print(f"{took * 1000:>8.1f} {took / interval:>8.2%} {len(others)} others")
    print(flush=True)


def _progress(instances: int, doing: str) -> None:
    """Say what takes time now, beside the table."""
    print(f"  {instances} instances: {doing}", file=sys.stderr, flush=True)


async def _cost(
    instances: int,
    exposed: Mapping[str, Exposition],
    config: dict[str, Any],
    groups: list[Group],
    read: list[Reading],
) -> Cost:
    """Look at what there is to record, make its past, then measure."""
    interval = seconds(config["global"]["evaluation_interval"])
    every = rule_history.density(groups, seconds(config["global"]["scrape_interval"]))
    growth = Growth(time.time() - GROWING_SINCE)
    with (
        tempfile.TemporaryDirectory() as name,
        exposition.serving(exposed, growth) as served,
    ):
        folder = Path(name)
        counts = dict.fromkeys(exposed, instances) | {"alertmanager": 1}
        _write_targets(folder, config, counts, served)
        _write_rules(folder, [_without_offsets(group) for group in groups])
        _write_config(folder, config, LOOKED_AT_EVERY, LOOKED_AT_EVERY)
        _progress(instances, "looking at what is recorded")
        async with _prometheus(folder, "first-look") as server:
            await server.durations(LOOKED_AT_ROUNDS)
            names = {reading.name for reading in read}
            series = {each: await server.samples(each) for each in sorted(names)}
        _write_rules(folder, groups)
        _write_config(folder, config, config["global"]["scrape_interval"], EVALUATED_EVERY)
        _progress(instances, "writing the past")
        now = time.time()
        backfilled = await asyncio.to_thread(
            rule_history.backfill, folder, series, read, every, growth, now
        )
        _progress(instances, f"waiting for {ROUNDS + 1} evaluations")
        async with _prometheus(folder, "data") as server:
            took = await server.durations(ROUNDS + 1)
            present, records = await server.series(), await server.records(every)
    share = {group.name: interval / group.interval for group in groups}
    by_group: dict[str, float] = {}
    by_rule: defaultdict[tuple[str, str], float] = defaultdict(float)
    for timed in took:
        cost = timed.seconds * share[timed.group]
        if timed.rule:
            by_rule[timed.group, timed.rule] += cost
        else:
            by_group[timed.group] = cost
    return Cost(
        instances,
        present,
        backfilled,
        unseen=[name for name, samples in series.items() if not samples],
        by_group=by_group,
        by_rule=dict(by_rule),
        records=records,
    )


def _write_rules(folder: Path, groups: list[Group]) -> None:
    """The rules, every group evaluated as often as all."""
    (folder / "rules").mkdir(exist_ok=True)
    document = {"groups": [{"name": group.name, "rules": group.rules} for group in groups]}
    (folder / "rules" / "all.yml").write_text(yaml.safe_dump(document, sort_keys=False))


def _without_offsets(group: Group) -> Group:
    """The group as if the past were now: before there is a past, it records what it will."""
    rules = [{**rule, "expr": _OFFSET.sub("", rule["expr"])} for rule in group.rules]
    return replace(group, rules=rules)


def _write_config(folder: Path, config: dict[str, Any], scrape: str, evaluation: str) -> None:
    """The committed configuration with other intervals, and nobody to notify."""
    changed = {name: value for name, value in config.items() if name != "alerting"}
    changed["global"] = config["global"] | {
        "scrape_interval": scrape,
        "evaluation_interval": evaluation,
    }
    changed["global"].pop("scrape_timeout", None)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(changed, sort_keys=False))


def _write_targets(
    folder: Path, config: dict[str, Any], counts: dict[str, int], served: str
) -> None:
    """As many targets of each job as ``counts`` says; none of a job that nothing is known of."""
    for job in config["scrape_configs"]:
        name = job["job_name"]
        targets = [
            {
                "targets": [served],
                "labels": {"__metrics_path__": f"/{name}/{number}", "instance": f"{name}-{number}"},
            }
            for number in range(counts.get(name, 0))
        ]
        for file in (file for each in job["file_sd_configs"] for file in each["files"]):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(yaml.safe_dump(targets))
        if secret := job.get("authorization", {}).get("credentials_file"):
            (folder / secret).parent.mkdir(exist_ok=True)
            (folder / secret).write_text("anybody")


@cache
def _ahead_of_others() -> tuple[str, ...]:
    """How to run a program so that a busy machine does not make it look slow.

    Nothing where that is not allowed.
    """
    ahead = ("chrt", "--rr", "10")
    if not shutil.which(ahead[0]):
        return ()
    tried = subprocess.run([*ahead, "true"], check=False, capture_output=True)
    return ahead if tried.returncode == 0 else ()


@asynccontextmanager
async def _prometheus(folder: Path, data: str) -> AsyncIterator[Server]:
    """A Prometheus with the configuration in ``folder``, which keeps its series in ``data``."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "targets" / "prometheus.yml").write_text(yaml.safe_dump([{"targets": [address]}]))
    command = [
        *_ahead_of_others(),
        locate("prometheus").path,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / data}",
        f"--storage.tsdb.retention.time={KEPT}",
        f"--web.listen-address={address}",
    ]
    url = f"http://{address}"
    async with answering(command, folder, folder / "log", url, "/-/ready") as client:
        yield Server(client)
