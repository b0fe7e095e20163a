"""The generated files of rule tests."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from promql_parser import VectorSelector

from alerts.expressions import selectors
from alerts.model import Group, records
from alerts.rule_tests import (
    arrivals,
    business,
    durations,
    growth,
    http,
    monitoring,
    node,
    operations,
    release,
    runtime,
    scraping,
    seasonality,
    slo,
    sms,
    throughput,
)
from alerts.rule_tests.alerts import edge_tests
from alerts.rule_tests.records import DEPLOYMENTS, ONE_DEPLOYMENT, Reads, RecordTest, RecordTests
from alerts.semantics import Semantics
from alerts.signals import groups as all_groups
from app.core.config import Links
from app.core.thresholds import Thresholds

_ANY = ""
_JOIN, _OF_ONE_JOB = re.compile(r"\bon \("), re.compile(r"\bjob=")

RECORD_TESTS: dict[str, RecordTests] = {
    "http": http.tests,
    "sms": sms.tests,
    "operations": operations.tests,
    "durations": durations.tests,
    "business": business.tests,
    "throughput": throughput.minutes,
    "throughput_long": throughput.long,
    "seasonality": seasonality.tests,
    "arrivals": arrivals.tests,
    "usage": growth.usage,
    "growth": growth.trend,
    "scraping": scraping.tests,
    "monitoring": monitoring.tests,
    "node": node.tests,
    "business_hours": business.hours,
    "business_week": business.week,
    "runtime": runtime.tests,
    "release": release.tests,
    "slo_events": slo.events,
    "slo": slo.tests,
    "slo_slices": slo.slices,
    "slo_long": slo.long,
}
"""What the records of each group have to say."""


def test_files(thresholds: Thresholds, links: Links, evaluation_seconds: int) -> dict[str, str]:
    """The text of each generated file of rule tests, by its name."""
    every = all_groups(thresholds)
    semantics = Semantics(records(every), evaluation_seconds)
    files = {}
    for group in every:
        step = evaluation_seconds
        if tests := [t.promtool() for t in edge_tests(group, semantics, links, step)]:
            files[f"{group.name}_alerts.yml"] = _text(
                group, tests, group.interval or f"{step}s", "Each alert beside its thresholds"
            )
        if record_tests := RECORD_TESTS.get(group.name):
            deployments = DEPLOYMENTS if _joins(group) else ONE_DEPLOYMENT
            made = record_tests(thresholds)
            read = _read(group, made)
            for name, tests_at in _by_time(group.name, made):
                files[name] = _text(
                    group,
                    [test.promtool(deployments, read) for test in tests_at],
                    # Only what is said in the end is looked at.
                    f"{tests_at[0].universe.at}s",
                    "What each record says",
                )
    return files


def _read(group: Group, tests: list[RecordTest]) -> Reads:
    """Whether records of which something is expected read a series, or the records that these do.

    Of a histogram's buckets they may read one: then one other shows that they leave it out.
    """
    exprs = [(record.name, record.expr) for record in group.all_records()]
    bounds: dict[str, set[str]] = {}
    left = {name for test in tests for name in test.expected}
    while left:
        for name in left:
            bounds.setdefault(name, set())
        read = [
            (each.name or "", _bound(each))
            for name, expr in exprs
            if name in left
            for each in selectors(expr)
        ]
        left = {name for name, _ in read} - bounds.keys()
        for name, bound in read:
            bounds.setdefault(name, set()).add(bound)

    def reads(name: str, labels: Mapping[str, str]) -> bool:
        wanted = bounds.get(name, set())
        return bool(wanted) and (_ANY in wanted or labels["le"] in {*wanted, "+Inf"})

    return reads


def _bound(one: VectorSelector) -> str:
    """The only bound of a histogram's buckets that is selected."""
    said = (each.value for each in one.matchers.matchers if each.name == "le")
    return next(said, _ANY)


def _joins(group: Group) -> bool:
    """Whether its records join series of any job: only then it matters what else there is."""
    exprs = [record.expr for record in group.all_records()]
    return any(map(_JOIN.search, exprs)) and not any(map(_OF_ONE_JOB.search, exprs))


def _by_time(group: str, tests: list[RecordTest]) -> Iterator[tuple[str, list[RecordTest]]]:
    """The tests by how far they look back: a file has one interval between evaluations."""
    for stretch in sorted({test.universe.stretch for test in tests}):
        suffix = "" if stretch == 1 else f"_x{stretch}"
        yield (
            f"{group}_records{suffix}.yml",
            [test for test in tests if test.universe.stretch == stretch],
        )


def _text(group: Group, tests: list[dict[str, Any]], interval: str, about: str) -> str:
    document = {
        "rule_files": [f"../../rules/{group.name}.yml"],
        "evaluation_interval": interval,
        "tests": tests,
    }
    header = f"# {about}.\n# Generated by alerts/rule_tests (`make generate`); don't edit.\n"
    # Each series and each sample in a line.
    return header + yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, width=4096, default_flow_style=None
    )


class _Dumper(yaml.CSafeDumper):
    """Without anchors for what occurs twice: each test can be read alone."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
