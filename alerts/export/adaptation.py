"""Rule groups as an engine takes them."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import promql_parser

from alerts.export import jobs, ranges, self_monitoring, splitting
from alerts.export.engines import ALLOWANCES, Engine
from alerts.export.options import OLDEST_KEEPING, Options
from alerts.signals.scraping import PLATFORM_JOBS
from alerts.yaml_text import Literal
from asgi_observability.nearest import did_you_mean
from prometheus_tools.yaml_reading import read_yaml

_CHANGES = re.compile(r"\bchanges\(")

Group = dict[str, Any]
Rule = dict[str, Any]


def adapted(files: Mapping[str, str], options: Options) -> dict[str, list[Group]]:
    """The groups of each rule file, by the file's name without its ending.

    ValueError names an unknown group or job, or a record that is read but left out.
    """
    groups = {name.removesuffix(".yml"): read_yaml(text)["groups"] for name, text in files.items()}
    _require_known("group", options.without, groups.keys())
    _require_known("job", options.jobs, jobs.named_in(groups))
    _require_known("job", options.absent_jobs, PLATFORM_JOBS)
    jobs.require_apart(options.jobs, jobs.named_in(groups))
    kept = {name: each for name, each in groups.items() if name not in options.without}
    _require_recorded(groups, kept)
    kept = {name: _without_alerts_of(each, options.absent_jobs) for name, each in kept.items()}
    kept = self_monitoring.translated(kept, options.engine)
    return {name: [*_of_engine(each, options)] for name, each in kept.items()}


def _without_alerts_of(groups: list[Group], absent: Collection[str]) -> list[Group]:
    """The groups without the alerts that tell of a job as such: that it is gone."""
    return [
        {
            **group,
            "rules": [r for r in group["rules"] if r.get("labels", {}).get("job") not in absent],
        }
        for group in groups
    ]


def _of_engine(groups: list[Group], options: Options) -> Iterator[Group]:
    most = ALLOWANCES[options.engine].rules_per_group
    for group in groups:
        rules = [_of_rule(rule, options) for rule in group["rules"]]
        yield from splitting.split({**group, "rules": rules}, most or len(rules))


def _of_rule(rule: Rule, options: Options) -> Rule:
    found = jobs.renamed(rule, options.jobs)
    if "for" in found:
        # As long as the shortest range has grown, or one burst would last for it.
        found["for"] = ranges.later(found["for"], options.scrape_seconds)
    expr = ranges.stretched(found["expr"], options.scrape_seconds)
    found["expr"] = Literal(promql_parser.parse(expr).prettify())
    return _in_metricsql(found, options.vmalert) if options.engine is Engine.VMALERT else found


def _in_metricsql(rule: Rule, version: tuple[int, int]) -> Rule:
    """The rule as vmalert means what Prometheus does.

    Its own `changes` counts the first sample that there ever was as a change.
    """
    found = {**rule, "expr": Literal(_CHANGES.sub("changes_prometheus(", rule["expr"]))}
    if version < OLDEST_KEEPING:
        found.pop("keep_firing_for", None)
    return found


def _require_known(kind: str, given: Any, known: Any) -> None:
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"there are {', '.join(sorted(known))}")
            raise ValueError(f"no {kind} is called {name}; {hint}")


def _require_recorded(every: Mapping[str, list[Group]], kept: Mapping[str, list[Group]]) -> None:
    home = {
        rule["record"]: name
        for name, groups in every.items()
        for group in groups
        for rule in group["rules"]
        if "record" in rule
    }
    there = {record for record, name in home.items() if name in kept}
    for name, groups in kept.items():
        for group in groups:
            for rule in group["rules"]:
                for record in (splitting.names_in(rule["expr"]) & home.keys()) - there:
                    raise ValueError(
                        f"group {name} reads {record}, which group {home[record]} records; leave "
                        f"out both (--without {name}), or neither"
                    )
