"""The same samples in Prometheus and in VictoriaMetrics: what their rules record and what fires.

An incident's samples go by remote write into both, with the marks of series that end. Prometheus's
records are evaluated by Prometheus, its alerts by promtool; the engine's by vmalert, which replays
the exported rules. Printed is how far records differ, which do, and when each alert fires.
"""

import itertools
import json
import math
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml

from alerts import paths
from alerts.export.engines import Engine
from alerts.export.files import exported
from alerts.export.options import OLDEST_KEEPING, Options
from alerts.exporters import ALERTS, known_metrics
from alerts.prometheus_config import evaluation_seconds
from alerts.rules import rule_files
from alerts.scenarios.collection import named
from alerts.scenarios.evaluation import timelines
from alerts.scenarios.exposition import Series, series
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from app.core.config import load_settings
from dashboards.queries import of_all, queries
from prometheus_tools.api import Points, PrometheusAPI, QueryRefusedError
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.rulebook import Rulebook, rulebook, series_names
from prometheus_tools.scratch import scratch
from prometheus_tools.scratch_process import free_address, running
from prometheus_tools.toolchain import Tool, locate_engine, locate_other_engine, versions
from prometheus_tools.yaml_reading import read_yaml
from tests.capacity import remote_write
from tests.capacity.remote_write import Sample

INCIDENTS = ("AI down for 5 minutes", "Every SMS is refused with 401")
BEGINS = 2900 * 7 * 86400
"""A Thursday midnight, as the epoch was: what asks for the day gets the same answer."""

STEPS_AT_ONCE = 60
SHOWN, ALONE = 15, 3
LONGEST_QUERY_BYTES = 131072
"""The longest query of a dashboard has 83 kB; VictoriaMetrics takes 16 kB unless it is told."""

PANEL_SECONDS = 1800
SEEN_WITHIN_SECONDS = 300
EXACT, CLOSE, NEAR = 1e-9, 0.01, 0.05
_CLOCKS = {metric.name for metric in known_metrics() if "since the Unix epoch" in metric.help}
_APART = ("alertname", "severity", "cluster", "environment")
_FIRING = f'{ALERTS}{{alertstate="firing",severity!="info"}}'

Identity = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One record in both. ``typical`` and ``largest`` are relative differences of its values."""

    record: str
    compared: int
    typical: float
    largest: float
    only_prometheus: int
    only_engine: int
    """Samples that only one of both has."""


@dataclass(frozen=True, slots=True)
class Fired:
    """When an alert fires, in seconds since the beginning: the first time and the last."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One query of a dashboard in both. ``refused`` is what the engine says if it has no answer."""

    title: str
    typical: float
    only_prometheus: int
    only_engine: int
    """Series that only one of both gives."""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of one incident; alerts by what they are told apart by."""

    records: list[Difference]
    functions: Mapping[str, list[Difference]]
    """Records that are made of raw series alone, by the functions that they use."""
    panels: list[Panel]
    prometheus: Mapping[Identity, Fired]
    engine: Mapping[Identity, Fired]


@dataclass(frozen=True, slots=True)
class Tools:
    """VictoriaMetrics and its vmalert, of a version."""

    victoria_metrics: Tool
    vmalert: Tool
    version: tuple[int, int]


ToolsOf = Callable[[], Tools]
"""Finds them, when they are needed."""


def of_today() -> Tools:
    """Those of versions.env, built if need be. Raises ToolMissing."""
    tools = (locate_engine(name) for name in ("victoria-metrics", "vmalert"))
    return Tools(*tools, versions.minor(versions.version("VICTORIAMETRICS_VERSION")))


def floor() -> Tools:
    """Those of Debian 12. Raises ToolMissing."""
    tools = (locate_other_engine(name) for name in ("victoria-metrics", "vmalert"))
    return Tools(*tools, (1, 79))


async def run() -> bool:
    """Print the differences; False where not the same alerts fire."""
    same = True
    for tools, name in itertools.product((of_today(), floor()), INCIDENTS):
        (scenario,) = named([name])
        with tempfile.TemporaryDirectory() as folder:
            comparison = compared(scenario, Path(folder), tools)
        version = ".".join(map(str, tools.version))
        print(f"\n{name}: {scenario.steps} scrapes, VictoriaMetrics {version}", flush=True)
        _print_records(comparison.records)
        _print_functions(comparison.functions)
        _print_panels(comparison.panels)
        same &= _print_alerts(comparison)
    return same


def compared(scenario: Scenario, folder: Path, tools: Tools) -> Comparison:
    """Evaluate the incident in both."""
    start, end = BEGINS, BEGINS + (scenario.steps - 1) * scenario.step
    texts = _rules(Engine.PROMETHEUS)
    rules = rulebook(texts.values(), evaluation_seconds())
    with ExitStack() as stack:
        flags = ("--web.enable-remote-write-receiver",)
        raw = stack.enter_context(scratch(folder / "prometheus", flags=flags))
        engine = stack.enter_context(victoria_metrics(folder / "engine", tools))
        _send(scenario, (raw, engine))
        _wait_until_seen(engine, scenario)
        backfill(rules, rules.records, folder / "records", [Stretch(start, end)], raw)
        _replay(engine, rules, tools, folder, over=(start, end))
        recorded = stack.enter_context(scratch(folder / "records", raw))
        of_prometheus = stack.enter_context(PrometheusAPI(recorded))
        of_engine = stack.enter_context(PrometheusAPI(engine))
        records = [
            _difference(rules, name, of_prometheus, of_engine, (start, end))
            for name in rules.records
        ]
        panels = list(_panels(of_prometheus, of_engine, end))
        firing = of_engine.range(f"last_over_time({_FIRING}[15s])", start, end, scenario.step)
    timeline = timelines([scenario], Rules(texts))[scenario.name]
    by_promtool = [(dict(alert), at) for at, alerts in timeline.firing.items() for alert in alerts]
    by_engine = [(dict(each.labels), int(at) - start) for each in firing for at in each.values]
    found = [each for each in records if each]
    return Comparison(
        found,
        _by_function(rules, found),
        panels,
        prometheus=_fired(by_promtool),
        engine=_fired(by_engine),
    )


def _rules(engine: Engine, vmalert: tuple[int, int] = OLDEST_KEEPING) -> dict[str, str]:
    """The exported rules; what watches Prometheus itself is no matter of another engine's."""
    settings = load_settings()
    options = Options(engine, vmalert=vmalert, without=frozenset({"monitoring"}))
    return exported(rule_files(settings.thresholds, settings.links), options)


@contextmanager
def victoria_metrics(folder: Path, tools: Tools) -> Iterator[str]:
    """A VictoriaMetrics that keeps its data in ``folder``; gives its address."""
    folder.mkdir(parents=True, exist_ok=True)
    address = free_address()
    command = [
        str(tools.victoria_metrics.path),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr={address}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
        f"-search.maxQueryLen={LONGEST_QUERY_BYTES}",
    ]
    with running("VictoriaMetrics", command, address, folder / "log"):
        yield f"http://{address}"


# --- what goes in ---


def _send(scenario: Scenario, to: Sequence[str]) -> None:
    everything = [_moved(one) for one in series(scenario)]
    samples = [
        ({**one.labels, "__name__": one.name}, [*_samples(one, scenario.step)])
        for one in everything
    ]
    for url in to:
        with httpx.Client(base_url=url, timeout=300) as client:
            for first in range(0, scenario.steps, STEPS_AT_ONCE):
                since = (BEGINS + first * scenario.step) * 1000
                until = since + STEPS_AT_ONCE * scenario.step * 1000
                some = (
                    (labels, [s for s in each if since <= s[0] < until]) for labels, each in samples
                )
                remote_write.send(client, (each for each in some if each[1]))


def _wait_until_seen(engine: str, scenario: Scenario) -> None:
    """What was given can be asked for a little later: sooner, rules would see nothing."""
    end = BEGINS + (scenario.steps - 1) * scenario.step
    expected = sum(1 for one in series(scenario) if not math.isnan(one.values[-1]))
    httpx.get(f"{engine}/internal/force_flush", timeout=300).raise_for_status()
    with PrometheusAPI(engine) as asked:
        for _ in range(SEEN_WITHIN_SECONDS):
            found = asked.instant(f'count(last_over_time({{__name__!=""}}[{scenario.step}s]))', end)
            if found and found[0].values[float(end)] >= expected:
                return
            time.sleep(1)
    raise RuntimeError(f"the engine has {found} of {expected} series after a while")


def _moved(one: Series) -> Series:
    """A clock tells the time of where it is evaluated."""
    return replace(one, values=one.values + BEGINS) if one.name in _CLOCKS else one


def _samples(one: Series, step: int) -> Iterator[Sample]:
    present = False
    for at, value in enumerate(one.values.tolist()):
        milliseconds = (BEGINS + at * step) * 1000
        if not math.isnan(value):
            yield milliseconds, value
            present = True
        elif present and not one.blind[at]:
            yield milliseconds, None
            present = False


# --- what vmalert makes of it ---


def _replay(
    engine: str, rules: Rulebook, tools: Tools, folder: Path, *, over: tuple[int, int]
) -> None:
    """Replay the records, layer by layer, then the alerts: those last that read alerts."""
    names = [set(layer) for layer in rules.layers(rules.records)]
    of_alerts = {rule.name for rule in rules.alerts if ALERTS in series_names(rule.expr)}
    layers = [lambda rule, some=some: rule.get("record") in some for some in names]
    layers += [
        lambda rule: "alert" in rule and rule["alert"] not in of_alerts,
        lambda rule: "alert" in rule and rule["alert"] in of_alerts,
    ]
    documents = [read_yaml(text) for text in _rules(Engine.VMALERT, tools.version).values()]
    for number, belongs in enumerate(layers):
        groups = [
            {**group, "rules": kept}
            for document in documents
            for group in document["groups"]
            if (kept := [rule for rule in group["rules"] if belongs(rule)])
        ]
        if groups:
            file = folder / f"layer-{number}.yml"
            file.write_text(yaml.safe_dump({"groups": groups}), encoding="utf-8")
            _vmalert(tools.vmalert, engine, file, over)
            httpx.get(f"{engine}/internal/force_flush", timeout=60).raise_for_status()


def _vmalert(tool: Tool, engine: str, file: Path, over: tuple[int, int]) -> None:
    since, until = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in over)
    command = [
        str(tool.path),
        f"-rule={file}",
        f"-datasource.url={engine}",
        f"-remoteWrite.url={engine}",
        f"-evaluationInterval={evaluation_seconds()}s",
        f"-replay.timeFrom={since}",
        f"-replay.timeTo={until}",
        "-replay.rulesDelay=0s",
        "-replay.disableProgressBar",
        "-remoteWrite.flushInterval=100ms",
        # Before 1.9x a replay's step, 5 minutes unless it is told; today the rules' interval is.
        f"-datasource.queryStep={evaluation_seconds()}s",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"vmalert: {(done.stdout + done.stderr)[-2000:]}")


# --- what comes out ---


def _difference(
    rules: Rulebook,
    name: str,
    prometheus: PrometheusAPI,
    engine: PrometheusAPI,
    over: tuple[int, int],
) -> Difference | None:
    """None where neither has recorded anything."""
    every = min(rule.interval for rule in rules.records[name])
    expr = f"last_over_time({name}[{every}s])"
    theirs, ours = (_by_labels(api.range(expr, *over, every)) for api in (prometheus, engine))
    apart, missing, added = [], 0, 0
    for labels in theirs.keys() | ours.keys():
        one, other = theirs.get(labels, {}), ours.get(labels, {})
        apart += [_relative(one[at], other[at]) for at in one.keys() & other.keys()]
        missing += len(one.keys() - other.keys())
        added += len(other.keys() - one.keys())
    if not (apart or missing or added):
        return None
    return Difference(
        name,
        len(apart),
        typical=statistics.median(apart) if apart else math.nan,
        largest=max(apart, default=math.nan),
        only_prometheus=missing,
        only_engine=added,
    )


def _by_labels(points: Iterable[Points]) -> dict[frozenset[tuple[str, str]], dict[float, float]]:
    return {
        frozenset((k, v) for k, v in each.labels.items() if k != "__name__"): values
        for each in points
        # MetricsQL gives no NaN; nothing is shown of one, and no rule fires by one.
        if (values := {at: value for at, value in each.values.items() if not math.isnan(value)})
    }


def _relative(one: float, other: float) -> float:
    if one == other:
        return 0.0
    most = max(abs(one), abs(other))
    return abs(one - other) / most if math.isfinite(most) else 1.0


def _fired(seen: Iterable[tuple[Mapping[str, str], int]]) -> dict[Identity, Fired]:
    times: dict[Identity, list[int]] = {}
    for labels, at in seen:
        times.setdefault(tuple(labels.get(each, "") for each in _APART), []).append(at)
    return {each: Fired(min(at), max(at)) for each, at in times.items()}


_FUNCTION = re.compile(r"\b(\w+)\s*\(")
_NO_FUNCTIONS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or"}
_NO_FUNCTIONS |= {"unless", "sum", "max", "min", "count", "avg", "group", "bool"}


def _by_function(rules: Rulebook, found: Iterable[Difference]) -> dict[str, list[Difference]]:
    grouped: dict[str, list[Difference]] = {}
    for each in found:
        exprs = [rule.expr for rule in rules.records[each.record]]
        if not any(rules.reads(expr) for expr in exprs):
            used = {name for expr in exprs for name in _FUNCTION.findall(expr)} - _NO_FUNCTIONS
            grouped.setdefault(", ".join(sorted(used)) or "none", []).append(each)
    return grouped


def _panels(prometheus: PrometheusAPI, engine: PrometheusAPI, end: int) -> Iterator[Panel]:
    """Every query of every dashboard over the last half hour."""
    for file in sorted(paths.DASHBOARDS.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        for query in queries(document, of_all(document)):
            title = f"{file.stem}: {query.panel}"
            theirs = prometheus.range(query.expr, end - PANEL_SECONDS, end, 15)
            try:
                ours = engine.range(query.expr, end - PANEL_SECONDS, end, 15)
            except QueryRefusedError as error:
                yield Panel(title, math.nan, len(theirs), 0, str(error)[:200])
                continue
            one, other = _by_labels(theirs), _by_labels(ours)
            apart = [
                _relative(one[labels][at], other[labels][at])
                for labels in one.keys() & other.keys()
                for at in one[labels].keys() & other[labels].keys()
            ]
            yield Panel(
                title,
                typical=statistics.median(apart) if apart else 0.0,
                only_prometheus=len(one.keys() - other.keys()),
                only_engine=len(other.keys() - one.keys()),
            )


# --- what is printed ---


def _print_records(records: Sequence[Difference]) -> None:
    samples = sum(each.compared for each in records)
    missing = sum(each.only_prometheus for each in records)
    added = sum(each.only_engine for each in records)
    print(
        f"  {len(records)} records, {samples:,} samples in both; {missing:,} only in Prometheus, "
        f"{added:,} only in the engine"
    )
    for title, limit in (("equal", EXACT), ("within 1 %", CLOSE), ("within 5 %", NEAR)):
        count = sum(each.typical <= limit for each in records)
        largest = sum(each.largest <= limit for each in records)
        print(f"  typically {title:<12} {count:>5} records; always {largest:>5}")
    print(f"  {'typically':>10} {'at most':>9} {'only P':>7} {'only E':>7}  record")
    far = sorted(records, key=_weight)[:SHOWN]
    alone = sorted(records, key=lambda each: -each.only_prometheus - each.only_engine)[:ALONE]
    for each in dict.fromkeys((*far, *alone)):
        print(
            f"  {each.typical:>10.2%} {each.largest:>9.1%} {each.only_prometheus:>7} "
            f"{each.only_engine:>7}  {each.record}"
        )


def _print_functions(functions: Mapping[str, list[Difference]]) -> None:
    print(f"  {'records':>8} {'typically':>10} {'at most':>9}  made of raw series by")
    for used, some in sorted(functions.items(), key=lambda item: -len(item[1])):
        typical = statistics.median(0 if math.isnan(e.typical) else e.typical for e in some)
        largest = max(0 if math.isnan(each.largest) else each.largest for each in some)
        print(f"  {len(some):>8} {typical:>10.2%} {largest:>9.1%}  {used}")


def _print_panels(panels: Sequence[Panel]) -> None:
    refused = [each for each in panels if each.refused]
    apart = [each for each in panels if each.only_prometheus or each.only_engine]
    close = sum(each.typical <= CLOSE for each in panels)
    near = sum(each.typical <= NEAR for each in panels)
    print(
        f"  {len(panels)} queries of dashboards: {len(refused)} refused, {len(apart)} with other "
        f"series, {close} typically within 1 %, {near} within 5 %"
    )
    for each in [*refused, *apart][:SHOWN]:
        print(
            f"    {each.title}: {each.only_prometheus} series only in Prometheus, "
            f"{each.only_engine} only in the engine {each.refused}".rstrip()
        )


def _weight(each: Difference) -> tuple[float, int]:
    typical = 0 if math.isnan(each.typical) else each.typical
    return -typical, -(each.only_prometheus + each.only_engine)


def _print_alerts(comparison: Comparison) -> bool:
    same = comparison.prometheus.keys() == comparison.engine.keys()
    print(f"  {'Prometheus':>16} {'engine':>16}  alerts that fire, seconds from the beginning")
    for identity in sorted(comparison.prometheus.keys() | comparison.engine.keys()):
        one, other = comparison.prometheus.get(identity), comparison.engine.get(identity)
        print(f"  {_times(one):>16} {_times(other):>16}  {' '.join(filter(None, identity))}")
    print("  the same alerts" if same else "  NOT the same alerts", flush=True)
    return same


def _times(fired: Fired | None) -> str:
    return f"{fired.first}-{fired.last}" if fired else "never"
