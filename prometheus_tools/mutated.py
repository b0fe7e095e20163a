"""Which mutants of rules something notices: all of them at once, side by side in one Prometheus.

Beside the rules as they are stand, for each mutant, the mutated rule and all that read it, under
names of their own. A `World` gives series and asks questions; a mutant is noticed where its rules
answer one of them otherwise than the rules as they are. Starting promtool and reading the series
costs as much for hundreds of mutants as for one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_tools import promtool
from prometheus_tools.mutation import Mutant
from prometheus_tools.toolchain import Tool

Documents = Mapping[str, dict[str, Any]]
"""Rule files: their content by their name without a suffix."""

Rewrite = Callable[[str, str], str]
"""What a world makes of a rule's PromQL: as it is in the rules, and as a mutant has it."""

_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_ALERTS = re.compile(r"\bALERTS\b(?:\{([^}]*)\})?")
_ALERTNAME = re.compile(r'alertname(=~|=)"([^"]*)"')
_SUFFIX = re.compile(r"__m\d+\b")
_TOO_MUCH = "too many samples"


def as_it_is(_original: str, expr: str) -> str:
    """The PromQL that a rule or a mutant has."""
    return expr


@dataclass(frozen=True)
class World:
    """Series in which rules are evaluated, and what is asked of them then.

    ``queries`` are PromQL and ``alerts`` the names of alerts, each with the seconds since the
    beginning. ``test`` is the rest of promtool's test, ``settings`` that of its file, which loads
    ``files`` of rules.
    """

    name: str
    test: Mapping[str, Any]
    settings: Mapping[str, Any]
    files: Sequence[str]
    queries: Sequence[tuple[str, int]] = ()
    alerts: Sequence[tuple[str, int]] = ()
    rewrite: Rewrite = as_it_is


@dataclass(frozen=True)
class Chain:
    """A mutated rule and those that read it, by name; ``suffix`` tells them from the originals."""

    mutant: Mutant
    suffix: str
    names: frozenset[str]

    @property
    def alerts(self) -> list[str]:
        """The alerts among them: a record's name has colons."""
        return sorted(name for name in self.names if ":" not in name)

    def renamed(self, expr: str) -> str:
        """``expr`` as it asks these rules."""
        return _NAME.sub(lambda m: f"{m[0]}{self.suffix if m[0] in self.names else ''}", expr)

    def asked(self, query: str) -> str | None:
        """``query`` of these rules; None where they have no part in its answer."""

        def of_these(match: re.Match[str]) -> str:
            inside = match[1] or ""
            if named := _ALERTNAME.search(inside):
                wanted = [n for n in named[2].split("|") if n in self.names]
                inside = _ALERTNAME.sub("", inside).strip(", ")
            else:
                wanted = self.alerts
            names = "|".join(f"{name}{self.suffix}" for name in wanted)
            return f'ALERTS{{alertname=~"{names or "none"}"{f",{inside}" if inside else ""}}}'

        parts = _ALERTS.split(query)
        if len(parts) > 1:
            asked = _ALERTS.sub(of_these, query)
            return None if 'alertname=~"none"' in asked else asked
        return self.renamed(query) if self.names & set(_NAME.findall(query)) else None


def chains(documents: Documents, some: Iterable[Mutant]) -> list[Chain]:
    """The chain of each mutant, among the rules of ``documents``."""
    readers: dict[str, set[str]] = {}
    for name, read in _read(documents).items():
        for each in read:
            readers.setdefault(each, set()).add(name)
    return [
        Chain(mutant, f"__m{number}", _leads_to({mutant.rule.partition(" ")[0]}, readers))
        for number, mutant in enumerate(some)
    ]


def noticed(
    world: World,
    documents: Documents,
    some: Sequence[Mutant],
    cache: Path | None = None,
    tool: Tool | None = None,
) -> set[Mutant]:
    """Those of ``some`` for which a question of the world has another answer.

    The folder ``cache`` keeps what was found; the same is not evaluated again. Raises
    CheckFailedError where promtool refuses the rules or the series.
    """
    loaded = {name: documents[name] for name in world.files}
    found = {}
    for chain in chains(loaded, some):
        if asked := _asked(world, chain):
            found[chain] = asked
    if not found:
        return set()
    try:
        return _noticed(world, loaded, found, cache, tool)
    except promtool.CheckFailedError as error:
        # Rules that can't be evaluated are noticed by Prometheus itself.
        if broken := {c.mutant for c in found if c.suffix in _SUFFIX.findall(str(error))}:
            rest = [mutant for mutant in some if mutant not in broken]
            return broken | noticed(world, documents, rest, cache, tool)
        if len(some) == 1 or _TOO_MUCH not in str(error):
            raise
        half = len(some) // 2
        return noticed(world, documents, some[:half], cache, tool) | noticed(
            world, documents, some[half:], cache, tool
        )


@dataclass(frozen=True)
class _Asked:
    """What is asked of a chain: each question of the originals, then of the chain."""

    queries: tuple[tuple[str, str, int], ...]
    alerts: tuple[tuple[str, str, int], ...]


def _asked(world: World, chain: Chain) -> _Asked | None:
    original = Chain(chain.mutant, "", chain.names)
    queries = [
        (original.asked(query) or "", asked, at)
        for query, at in world.queries
        if (asked := chain.asked(query))
    ]
    alerts = [
        (name, f"{name}{chain.suffix}", at) for name, at in world.alerts if name in chain.names
    ]
    return _Asked(tuple(queries), tuple(alerts)) if queries or alerts else None


def _noticed(
    world: World,
    documents: Documents,
    of: Mapping[Chain, _Asked],
    cache: Path | None,
    tool: Tool | None,
) -> set[Mutant]:
    rules = side_by_side(documents, list(of), world.rewrite)
    test = _test(world, of)
    given = json.dumps([rules, world.settings, test])
    known = cache / hashlib.sha256(given.encode()).hexdigest() if cache else None
    if known and known.exists():
        numbers = set(json.loads(known.read_text(encoding="utf-8")))
        return {chain.mutant for number, chain in enumerate(of) if number in numbers}
    with TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        document = {
            **world.settings,
            "rule_files": _written(folder, rules),
            "group_eval_order": [g["name"] for each in rules.values() for g in each["groups"]],
            "tests": [test],
        }
        file = folder / "world.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        said = promtool.said(file, tool)
    found = [
        number for number, (chain, asked) in enumerate(of.items()) if _differ(chain, asked, said)
    ]
    if known:
        known.parent.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(found), encoding="utf-8")
    return {chain.mutant for number, chain in enumerate(of) if number in set(found)}


def _test(world: World, of: Mapping[Chain, _Asked]) -> dict[str, Any]:
    """promtool's test: whatever is asked is said, as it is not the nothing that is expected.

    Where series of a record are given, the chains are given them under their own names.
    """
    queries: dict[tuple[str, int], None] = {}
    alerts: dict[tuple[str, int], None] = {}
    for asked in of.values():
        queries |= dict.fromkeys((q, at) for a, b, at in asked.queries for q in (a, b))
        alerts |= dict.fromkeys((q, at) for a, b, at in asked.alerts for q in (a, b))
    given = world.test.get("input_series", ())
    also = [
        {**one, "series": chain.renamed(one["series"])}
        for chain in of
        for one in given
        if _NAME.match(one["series"])[0] in chain.names  # type: ignore[index]
    ]
    return {
        **world.test,
        "input_series": [*given, *also],
        "promql_expr_test": [
            {"expr": query, "eval_time": f"{at}s", "exp_samples": []} for query, at in queries
        ],
        "alert_rule_test": [
            {"alertname": name, "eval_time": f"{at}s", "exp_alerts": []} for name, at in alerts
        ],
    }


def _differ(chain: Chain, asked: _Asked, said: Mapping[tuple[str, int], str]) -> bool:
    return any(
        _plain_answer(said.get((a, at), ""), chain) != _plain_answer(said.get((b, at), ""), chain)
        for a, b, at in (*asked.queries, *asked.alerts)
    )


def _plain_answer(text: str, chain: Chain) -> list[str]:
    return sorted(re.split(r", (?=\{)|\n", text.replace(chain.suffix, "")))


def _written(folder: Path, documents: Documents) -> list[str]:
    written = []
    for name, document in documents.items():
        file = folder / f"{name}.yml"
        # JSON is YAML, and quick to write and to read.
        file.write_text(json.dumps(document), encoding="utf-8")
        written.append(str(file))
    return written


def side_by_side(
    documents: Documents, some: Sequence[Chain], rewrite: Rewrite
) -> dict[str, dict[str, Any]]:
    """What the chains need of the rules, and their own rules, each behind what it is made from."""
    reading = _read(documents)
    needed = _leads_to({name for chain in some for name in chain.names}, reading)
    by_name: dict[str, list[Chain]] = {}
    for chain in some:
        for name in chain.names:
            by_name.setdefault(name, []).append(chain)
    found = {}
    for file, document in documents.items():
        groups = []
        for number, group in enumerate(document["groups"]):
            rules = []
            for position, rule in enumerate(group["rules"]):
                if _name(rule) not in needed:
                    continue
                plain = _plain(rule)
                rules.append({**plain, "expr": rewrite(rule["expr"], rule["expr"])})
                for chain in by_name.get(_name(rule), ()):
                    mutant = chain.mutant
                    own = plain
                    if (mutant.file, mutant.group, mutant.position) == (file, number, position):
                        own = {**plain, mutant.key: mutant.value}
                    expr = rewrite(rule["expr"], own["expr"])
                    kind = "alert" if "alert" in rule else "record"
                    name = f"{_name(rule)}{chain.suffix}"
                    rules.append({**own, kind: name, "expr": chain.renamed(expr)})
            if rules:
                groups.append({**group, "rules": rules})
        if groups:
            found[file] = {"groups": groups}
    return found


def _plain(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule whose texts say its value only: that is what all of them are made from."""
    if "annotations" not in rule:
        return dict(rule)
    return {**rule, "annotations": {"value": "{{ $value }}"}}


def _read(documents: Documents) -> dict[str, set[str]]:
    """By the name of each rule the rules that it reads."""
    rules = [r for d in documents.values() for g in d["groups"] for r in g["rules"]]
    names = {_name(rule) for rule in rules}
    found: dict[str, set[str]] = {}
    for rule in rules:
        found.setdefault(_name(rule), set()).update(names & _names(rule["expr"]))
    return found


@cache
def _names(expr: str) -> frozenset[str]:
    return frozenset(_NAME.findall(expr))


def _leads_to(names: set[str], leads: Mapping[str, set[str]]) -> frozenset[str]:
    found, left = set[str](), names
    while left:
        found |= left
        left = {each for of in left for each in leads.get(of, ())} - found
    return frozenset(found)


def _name(rule: Mapping[str, Any]) -> str:
    name: str = rule.get("alert") or rule["record"]
    return name
