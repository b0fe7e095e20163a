"""The same samples in Prometheus and in VictoriaMetrics: what their rules record and what fires.

An incident's samples go by remote write into both, with the marks of series that end. Prometheus's
records are evaluated by Prometheus, its alerts by promtool; the engine's by vmalert, which replays
the exported rules. Printed is how far records differ, which do, and when each alert fires.
"""

import math
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml

from alerts.export.engines import Engine
from alerts.export.files import exported
from alerts.export.options import Options
from alerts.exporters import ALERTS, known_metrics
from alerts.prometheus_config import evaluation_seconds
from alerts.rules import rule_files
from alerts.scenarios.collection import named
from alerts.scenarios.evaluation import timelines
from alerts.scenarios.exposition import Series, series
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from app.core.config import load_settings
from prometheus_tools.api import Points, PrometheusAPI
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.rulebook import Rulebook, rulebook, series_names
from prometheus_tools.scratch import scratch
from prometheus_tools.scratch_process import free_address, running
from prometheus_tools.toolchain import locate_engine
from tests.capacity import remote_write
from tests.capacity.remote_write import Sample

INCIDENTS = ("AI down for 5 minutes", "Every SMS is refused with 401")
BEGINS = 2900 * 7 * 86400
"""A Thursday midnight, as the epoch was: what asks for the day gets the same answer."""

STEPS_AT_ONCE = 60
SHOWN = 15
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
class Comparison:
    """Of one incident; alerts by what they are told apart by."""

    records: list[Difference]
    prometheus: Mapping[Identity, Fired]
    engine: Mapping[Identity, Fired]


async def run() -> bool:
    """Print the differences; False where not the same alerts fire."""
    same = True
    for name in INCIDENTS:
        (scenario,) = named([name])
        with tempfile.TemporaryDirectory() as folder:
            comparison = compared(scenario, Path(folder))
        print(f"\n{name}: {scenario.steps} scrapes", flush=True)
        _print_records(comparison.records)
        same &= _print_alerts(comparison)
    return same


def compared(scenario: Scenario, folder: Path) -> Comparison:
    """Evaluate the incident in both."""
    start, end = BEGINS, BEGINS + (scenario.steps - 1) * scenario.step
    texts = _rules(Engine.PROMETHEUS)
    rules = rulebook(texts.values(), evaluation_seconds())
    with ExitStack() as stack:
        flags = ("--web.enable-remote-write-receiver",)
        raw = stack.enter_context(scratch(folder / "prometheus", flags=flags))
        engine = stack.enter_context(victoria_metrics(folder / "engine"))
        _send(scenario, (raw, engine))
        backfill(rules, rules.records, folder / "records", [Stretch(start, end)], raw)
        _replay(engine, rules, folder, (start, end))
        recorded = stack.enter_context(scratch(folder / "records"))
        of_prometheus = stack.enter_context(PrometheusAPI(recorded))
        of_engine = stack.enter_context(PrometheusAPI(engine))
        records = [
            _difference(rules, name, of_prometheus, of_engine, (start, end))
            for name in rules.records
        ]
        firing = of_engine.range(f"last_over_time({_FIRING}[15s])", start, end, scenario.step)
    timeline = timelines([scenario], Rules(texts))[scenario.name]
    by_promtool = [(dict(alert), at) for at, alerts in timeline.firing.items() for alert in alerts]
    by_engine = [(dict(each.labels), int(at) - start) for each in firing for at in each.values]
    return Comparison([each for each in records if each], _fired(by_promtool), _fired(by_engine))


def _rules(engine: Engine) -> dict[str, str]:
    """The exported rules; what watches Prometheus itself is no matter of another engine's."""
    settings = load_settings()
    options = Options(engine, without=frozenset({"monitoring"}))
    return exported(rule_files(settings.thresholds, settings.links), options)


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    """A VictoriaMetrics that keeps its data in ``folder``; gives its address."""
    folder.mkdir(parents=True, exist_ok=True)
    address = free_address()
    command = [
        str(locate_engine("victoria-metrics").path),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr={address}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
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


def _replay(engine: str, rules: Rulebook, folder: Path, over: tuple[int, int]) -> None:
    """Replay the records, layer by layer, then the alerts: those last that read alerts."""
    names = [set(layer) for layer in rules.layers(rules.records)]
    of_alerts = {rule.name for rule in rules.alerts if ALERTS in series_names(rule.expr)}
    layers = [lambda rule, some=some: rule.get("record") in some for some in names]
    layers += [
        lambda rule: "alert" in rule and rule["alert"] not in of_alerts,
        lambda rule: "alert" in rule and rule["alert"] in of_alerts,
    ]
    documents = [yaml.safe_load(text) for text in _rules(Engine.VMALERT).values()]
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
            _vmalert(engine, file, over)
            httpx.get(f"{engine}/internal/force_flush", timeout=60).raise_for_status()


def _vmalert(engine: str, file: Path, over: tuple[int, int]) -> None:
    since, until = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for at in over)
    command = [
        str(locate_engine("vmalert").path),
        f"-rule={file}",
        f"-datasource.url={engine}",
        f"-remoteWrite.url={engine}",
        f"-evaluationInterval={evaluation_seconds()}s",
        f"-replay.timeFrom={since}",
        f"-replay.timeTo={until}",
        "-replay.rulesDelay=0s",
        "-replay.disableProgressBar",
        "-remoteWrite.flushInterval=100ms",
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
        frozenset((k, v) for k, v in each.labels.items() if k != "__name__"): each.values
        for each in points
    }


def _relative(one: float, other: float) -> float:
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    most = max(abs(one), abs(other))
    return abs(one - other) / most if math.isfinite(most) else 1.0


def _fired(seen: Iterable[tuple[Mapping[str, str], int]]) -> dict[Identity, Fired]:
    times: dict[Identity, list[int]] = {}
    for labels, at in seen:
        times.setdefault(tuple(labels.get(each, "") for each in _APART), []).append(at)
    return {each: Fired(min(at), max(at)) for each, at in times.items()}


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
    for each in sorted(records, key=_weight)[:SHOWN]:
        print(
            f"  {each.typical:>10.2%} {each.largest:>9.1%} {each.only_prometheus:>7} "
            f"{each.only_engine:>7}  {each.record}"
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
