"""What fires when: scenarios evaluated by promtool, by all rules together."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alerts.exporters import ALERTS
from alerts.scenarios.exposition import series
from alerts.scenarios.rules import RUNS, SCENARIO, Rules
from alerts.scenarios.scenario import Scenario
from alerts.scenarios.undisturbed import Part, parts
from prometheus_tools import promtool
from prometheus_tools.toolchain import Tool, locate

Alert = frozenset[tuple[str, str]]
"""The labels of an alert that fires."""

_FIRING = f'{ALERTS}{{alertstate="firing",severity!="info"}}'
_SHARING, _ALERTS = 16, 300
"""Scenarios that share one Prometheus, and the alerts to evaluate for them: it costs as much for
one as for some."""
_TOO_MUCH = "too many samples"
"""promtool's queries may load 10,000; a real Prometheus's 50 million."""
_DROPPED = frozenset({"__name__", "alertstate", SCENARIO})


@dataclass(frozen=True, slots=True)
class Timeline:
    """The alerts that fire in each evaluation of a scenario: seconds since its beginning."""

    step: int
    firing: Mapping[int, frozenset[Alert]]
    texts: Mapping[Alert, str]
    """Summary and description of alerts of which a scenario expects what they say."""

    def at(self, seconds: int) -> frozenset[Alert]:
        return self.firing.get(seconds, frozenset())


def timelines(
    scenarios: Sequence[Scenario],
    rules: Rules,
    tool: Tool | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> dict[str, Timeline]:
    """What fires in each scenario, by its name. Raises CheckFailedError if promtool can't say."""
    wanted = parts(scenarios, rules)
    batches = list(_batches(wanted))
    promtool_used = tool or locate("promtool")
    found: dict[str, Timeline] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(lambda batch: _evaluated(batch, rules, promtool_used), batches):
            found |= done
            progress(len(found), len(wanted))
    return {
        part.scenario.name: _completed(part, found) for part in wanted if part.scenario in scenarios
    }


def _completed(part: Part, found: Mapping[str, Timeline]) -> Timeline:
    """The timeline with what fires in the undisturbed world of alerts that were not evaluated."""
    # Where no alert can be touched, nothing was evaluated.
    own = found.get(part.scenario.name, Timeline(part.scenario.step, {}, {}))
    if not part.twin:
        return own
    firing = {}
    for at in range(0, part.scenario.steps * part.scenario.step, part.scenario.step):
        usual = {a for a in found[part.twin].at(at) if dict(a)["alertname"] not in part.alerts}
        if here := own.at(at) | usual:
            firing[at] = here
    return Timeline(own.step, firing, own.texts)


def _batches(wanted: Iterable[Part]) -> Iterator[list[Part]]:
    """Scenarios that can share a Prometheus, those of like length together."""
    sharing: dict[tuple[int, tuple[str, ...], bool], list[Part]] = {}
    for part in wanted:
        each = part.scenario
        if each.alone:
            yield [part]
        elif part.alerts:
            sharing.setdefault((each.step, each.groups, bool(each.blind)), []).append(part)
    for of in sharing.values():
        batch: list[Part] = []
        for part in sorted(of, key=lambda part: part.scenario.steps):
            alerts = sum(len(each.alerts) for each in (*batch, part))
            if batch and (len(batch) == _SHARING or alerts > _ALERTS):
                yield batch
                batch = []
            batch.append(part)
        yield batch


def _evaluated(batch: list[Part], rules: Rules, tool: Tool) -> dict[str, Timeline]:
    """The batch's timelines, evaluated in halves where it is too much at once."""
    try:
        return _evaluated_at_once(batch, rules, tool)
    except promtool.CheckFailedError as error:
        if len(batch) == 1 or _TOO_MUCH not in str(error):
            raise
        half = len(batch) // 2
        return _evaluated(batch[:half], rules, tool) | _evaluated(batch[half:], rules, tool)


def _evaluated_at_once(batch: list[Part], rules: Rules, tool: Tool) -> dict[str, Timeline]:
    first = batch[0].scenario
    with TemporaryDirectory(prefix="scenarios-") as name:
        folder = Path(name)
        used = rules.of(first.groups)
        files = used.write(folder, blind=bool(first.blind))
        file = folder / "scenarios.json"
        file.write_text(json.dumps(_document(batch, used, files)), encoding="utf-8")
        answers = promtool.answers(file, tool)
    by_slug = {part.scenario.slug: part for part in batch}
    firing: dict[str, dict[int, set[Alert]]] = {slug: {} for slug in by_slug}
    texts: dict[str, dict[Alert, str]] = {slug: {} for slug in by_slug}
    for answer in answers:
        for labels, text in zip_longest(answer.labels, answer.annotations):
            # What looks for the absence of a series has no label of any scenario.
            slug = labels.get(SCENARIO, first.slug if len(batch) == 1 else "")
            if not slug:
                _nobody_misses(labels["alertname"], answer.seconds, batch)
                continue
            alert = frozenset((k, v) for k, v in labels.items() if k not in _DROPPED)
            if text:
                texts[slug][alert] = f"{text['summary']} {text['description']}"
            elif labels["alertname"] in by_slug[slug].alerts:
                firing[slug].setdefault(answer.seconds, set()).add(alert)
    return {
        part.scenario.name: Timeline(
            part.scenario.step,
            {
                at: frozenset(alerts)
                for at, alerts in firing[slug].items()
                if at <= (part.scenario.steps - 1) * part.scenario.step
            },
            texts[slug],
        )
        for slug, part in by_slug.items()
    }


def _nobody_misses(alert: str, at: int, batch: list[Part]) -> None:
    """ValueError where an alert fires for the absence of a series that a scenario should have."""
    for part in batch:
        if alert in part.alerts and at < part.scenario.steps * part.scenario.step:
            raise ValueError(f"{part.scenario.name}: {alert} misses its series: let it be alone")


def _document(batch: list[Part], rules: Rules, files: list[Path]) -> dict[str, Any]:
    step = batch[0].scenario.step
    steps = max(part.scenario.steps for part in batch)
    given = [
        one
        for part in batch
        for one in inputs(
            part.scenario, Rules(rules.files, part.alerts).read, {SCENARIO: part.scenario.slug}
        )
    ]
    questions = [
        {"expr": _FIRING, "eval_time": f"{at * step}s", "exp_samples": []} for at in range(steps)
    ]
    said = dict.fromkeys(
        (told.alert, part.scenario.second(told.within))
        for part in batch
        for told in part.scenario.told
        if told.says
    )
    return {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": f"{step}s",
        # Else it is a matter of chance.
        "group_eval_order": rules.order,
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": given,
                "promql_expr_test": questions,
                "alert_rule_test": [
                    {"alertname": alert, "eval_time": f"{at}s", "exp_alerts": []}
                    for alert, at in said
                ],
            }
        ],
    }


def inputs(
    scenario: Scenario,
    is_read: Callable[[str, Mapping[str, str]], bool],
    apart: Mapping[str, str],
) -> Iterator[dict[str, str]]:
    """The series of a scenario that are read, with the labels ``apart``, as promtool takes them.

    ``is_read`` is asked about each name with its labels.
    """
    for one in series(scenario):
        labels = {**one.labels, **apart}
        if is_read(one.name, labels):
            selector = ",".join(f'{name}="{value}"' for name, value in labels.items())
            yield {"series": f"{one.name}{{{selector}}}", "values": one.notation}
    for selector, value in scenario.given.items():
        values = " ".join(f"{value(moment):.12g}" for moment in scenario.moments)
        yield {"series": _with(selector, apart), "values": values}
    if scenario.blind:
        yield {"series": _with(RUNS, apart), "values": _runs(scenario)}


def _with(selector: str, apart: Mapping[str, str]) -> str:
    name, _, labels = selector.rstrip("}").partition("{")
    added = (f'{name}="{value}"' for name, value in apart.items())
    return f"{name}{{{','.join(filter(None, (labels, *added)))}}}"


def _runs(scenario: Scenario) -> str:
    minutes = (scenario.minute(at * scenario.step) for at in range(scenario.steps))
    blind = (any(since < m <= until for since, until in scenario.blind) for m in minutes)
    return " ".join("0" if each else "1" for each in blind)
