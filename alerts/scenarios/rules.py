"""The rules that a scenario is evaluated by: the real ones, with the scenarios kept apart."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import promql_parser
import yaml
from promql_parser import MatchOp

from alerts.expressions import selectors
from alerts.model import Severity

SCENARIO = "scenario"
"""The label by which scenarios that share a Prometheus are told apart."""
RUNS = "scenario:runs"
"""1 while Prometheus runs, 0 where a scenario says that it does not."""

_LABELS = re.compile(r"\b(by|on)\s*\(([^()]*\bjob\b[^()]*)\)")


@dataclass(frozen=True)
class Rules:
    """Rule files: their text by name."""

    files: Mapping[str, str]

    @cached_property
    def documents(self) -> dict[str, dict[str, Any]]:
        """Each file's content, with the scenario's label in every `by` and `on` that has job.

        Records that no alert needs are left out: nobody is told anything because of them.
        """
        found = {n: yaml.load(text, Loader=yaml.CSafeLoader) for n, text in self.files.items()}
        groups = [group for document in found.values() for group in document["groups"]]
        needed = _needed([rule for group in groups for rule in group["rules"]])
        for group in groups:
            group["rules"] = [
                {**rule, "expr": _kept_apart(rule["expr"])}
                for rule in group["rules"]
                if rule.get("record", "") in needed or _tells(rule)
            ]
        return found

    @cached_property
    def _read(self) -> dict[str, list[tuple[tuple[str, MatchOp, str], ...]]]:
        found: dict[str, list[tuple[tuple[str, MatchOp, str], ...]]] = {}
        for document in self.documents.values():
            for group in document["groups"]:
                for rule in group["rules"]:
                    for each in selectors(promql_parser.parse(rule["expr"])):
                        matchers = tuple((m.name, m.op, m.value) for m in each.matchers.matchers)
                        found.setdefault(each.name or "", []).append(matchers)
        return found

    def read(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether some rule reads the series."""
        return any(
            all(_matches(op, value, labels.get(label, "")) for label, op, value in matchers)
            for matchers in self._read.get(name, ())
        )

    def of(self, groups: Iterable[str]) -> "Rules":
        """Those of some groups; all where none is named. ValueError names one that is not there."""
        if not (wanted := set(groups)):
            return self
        if missing := {f"{group}.yml" for group in wanted} - self.files.keys():
            raise ValueError(f"no rules {', '.join(sorted(missing))}")
        return Rules({n: t for n, t in self.files.items() if n.removesuffix(".yml") in wanted})

    def write(self, folder: Path, blind: bool) -> list[Path]:
        """Write them; with ``blind`` nothing is evaluated while Prometheus does not run."""
        written = []
        for name, document in self.documents.items():
            file = folder / name
            # JSON is YAML, and quick to write and to read.
            file.write_text(json.dumps(_stopping(document) if blind else document))
            written.append(file)
        return written


def _tells(rule: dict[str, Any]) -> bool:
    return "alert" in rule and rule["labels"]["severity"] != Severity.INFO


def _needed(rules: list[dict[str, Any]]) -> set[str]:
    """The series that the alerts read, by way of records too, or that their texts ask for."""
    recorded = {rule["record"] for rule in rules if "record" in rule}
    reads: dict[str, set[str]] = {}
    for rule in rules:
        names = {each.name or "" for each in selectors(promql_parser.parse(rule["expr"]))}
        texts = " ".join(rule.get("annotations", {}).values())
        names |= {name for name in recorded if f"{name}{{" in texts}
        reads.setdefault("" if _tells(rule) else rule.get("record", "info"), set()).update(names)
    needed, found = set(), {""}
    while found:
        needed |= found
        found = {name for each in found for name in reads.get(each, ())} - needed
    return needed


def _kept_apart(expr: str) -> str:
    return _LABELS.sub(rf"\1 ({SCENARIO}, \2)", expr)


def _stopping(document: dict[str, Any]) -> dict[str, Any]:
    groups = [
        {
            **group,
            "rules": [
                {**rule, "expr": f"({rule['expr']}) and on ({SCENARIO}) ({RUNS} == 1)"}
                for rule in group["rules"]
            ],
        }
        for group in document["groups"]
    ]
    return {**document, "groups": groups}


def _matches(op: MatchOp, value: str, actual: str) -> bool:
    if op == MatchOp.Equal:
        return actual == value
    if op == MatchOp.NotEqual:
        return actual != value
    found = bool(re.fullmatch(value, actual))
    return found if op == MatchOp.Re else not found
