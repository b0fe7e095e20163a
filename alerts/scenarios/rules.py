"""The rules that a scenario is evaluated by: the real ones, with the scenarios kept apart."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from promql_parser import MatchOp

from alerts.expressions import selectors
from alerts.model import Severity
from prometheus_tools.yaml_reading import read_yaml

SCENARIO = "scenario"
"""The label by which scenarios that share a Prometheus are told apart."""
RUNS = "scenario:runs"
"""1 while Prometheus runs, 0 where a scenario says that it does not."""

Matchers = tuple[tuple[str, MatchOp, str], ...]

_LABELS = re.compile(r"\b(by|on)\s*\(([^()]*\bjob\b[^()]*)\)")


@dataclass(frozen=True)
class Rules:
    """Rule files: their text by name. With ``only`` these alerts, and the records they need."""

    files: Mapping[str, str]
    only: frozenset[str] | None = None

    @cached_property
    def documents(self) -> dict[str, dict[str, Any]]:
        """Each file's content, with the scenario's label in every `by` and `on` that has job.

        Records that no alert needs are left out: nobody is told anything because of them.
        """
        alerts = {rule["alert"] for rule in self._all if _tells(rule)}
        if self.only is not None:
            alerts &= self.only
        needed = _following(alerts, _reading(self._all))

        def with_rules(group: dict[str, Any]) -> dict[str, Any]:
            kept = [
                {**rule, "expr": _kept_apart(rule["expr"])}
                for rule in group["rules"]
                if rule.get("alert") in alerts or rule.get("record") in needed
            ]
            return {**group, "rules": kept}

        return {
            name: {"groups": [with_rules(group) for group in document["groups"]]}
            for name, document in self._parsed.items()
        }

    @property
    def contents(self) -> dict[str, dict[str, Any]]:
        """Each file's content as it is, by its name without a suffix."""
        return {name.removesuffix(".yml"): document for name, document in self._parsed.items()}

    @property
    def _parsed(self) -> dict[str, dict[str, Any]]:
        return {name: _parsed(text) for name, text in self.files.items()}

    @property
    def _all(self) -> list[dict[str, Any]]:
        groups = (group for document in self._parsed.values() for group in document["groups"])
        return [rule for group in groups for rule in group["rules"]]

    def reading(self, names: set[str]) -> set[str]:
        """The alerts that read one of these series or records, or are called so."""
        return self.alerts & _following(names, self._leads_to)

    @cached_property
    def _leads_to(self) -> dict[str, set[str]]:
        return _read_by(self._all)

    @cached_property
    def alerts(self) -> set[str]:
        """The names of the alerts that are evaluated."""
        return {
            rule["alert"]
            for document in self.documents.values()
            for group in document["groups"]
            for rule in group["rules"]
            if "alert" in rule
        }

    @property
    def order(self) -> list[str]:
        """The groups in the order of their files, in which they are evaluated."""
        documents = self.documents.values()
        return [group["name"] for document in documents for group in document["groups"]]

    @cached_property
    def _read(self) -> dict[str, list[Matchers]]:
        found: dict[str, list[Matchers]] = {}
        for document in self.documents.values():
            for group in document["groups"]:
                for rule in group["rules"]:
                    for name, matchers in _selected(rule["expr"]):
                        found.setdefault(name, []).append(matchers)
        return found

    def read(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether some rule reads the series."""
        return any(
            all(_matches(op, value, labels.get(label, "")) for label, op, value in matchers)
            for matchers in self._read.get(name, ())
        )

    def read_any(self, name: str, _labels: Mapping[str, str]) -> bool:
        """Whether some rule reads a series of this name: it would without its matchers."""
        return name in self._read

    def of(self, groups: Iterable[str]) -> "Rules":
        """Those of some groups; all where none is named. ValueError names one that is not there."""
        if not (wanted := set(groups)):
            return self
        if missing := {f"{group}.yml" for group in wanted} - self.files.keys():
            raise ValueError(f"no rules {', '.join(sorted(missing))}")
        files = {n: t for n, t in self.files.items() if n.removesuffix(".yml") in wanted}
        return Rules(files, self.only)

    def write(self, folder: Path, blind: bool) -> list[Path]:
        """Write them; with ``blind`` nothing is evaluated while Prometheus does not run."""
        written = []
        for name, document in self.documents.items():
            file = folder / name
            # JSON is YAML, and quick to write and to read.
            text = json.dumps(_stopping(document) if blind else document)
            file.write_text(text, encoding="utf-8")
            written.append(file)
        return written


@cache
def _parsed(text: str) -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(text)
    return document


def _tells(rule: dict[str, Any]) -> bool:
    return "alert" in rule and rule["labels"]["severity"] != Severity.INFO


@cache
def _selected(expr: str) -> list[tuple[str, Matchers]]:
    """The name and the matchers of each series in an expression."""
    return [
        (each.name or "", tuple((m.name, m.op, m.value) for m in each.matchers.matchers))
        for each in selectors(expr)
    ]


def _reading(rules: list[dict[str, Any]]) -> dict[str, set[str]]:
    """By the name of each rule the series that it reads, or that its texts ask for."""
    recorded = {rule["record"] for rule in rules if "record" in rule}
    found: dict[str, set[str]] = {}
    for rule in rules:
        texts = " ".join(rule.get("annotations", {}).values())
        asked = {name for name in recorded if f"{name}{{" in texts}
        names = {name for name, _ in _selected(rule["expr"])} | asked
        found.setdefault(rule.get("alert") or rule["record"], set()).update(names)
    return found


def _read_by(rules: list[dict[str, Any]]) -> dict[str, set[str]]:
    """By the name of each series the rules that read it."""
    found: dict[str, set[str]] = {}
    for name, read in _reading(rules).items():
        for each in read:
            found.setdefault(each, set()).add(name)
    return found


def _following(names: set[str], leads_to: Mapping[str, set[str]]) -> set[str]:
    """``names``, and all that they lead to."""
    found: set[str] = set()
    left = set(names)
    while left:
        found |= left
        left = {each for name in left for each in leads_to.get(name, ())} - found
    return found


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


def stopping(_original: str, expr: str) -> str:
    """A rule's PromQL that gives nothing while Prometheus does not run."""
    return f"({expr}) and on () ({RUNS} == 1)"


def _matches(op: MatchOp, value: str, actual: str) -> bool:
    if op == MatchOp.Equal:
        return actual == value
    if op == MatchOp.NotEqual:
        return actual != value
    found = bool(re.fullmatch(value, actual))
    return found if op == MatchOp.Re else not found
