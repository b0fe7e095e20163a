"""Mutation testing of the rules: each is broken a little, and some unit test has to notice.

A mutant is a rule with one thing changed: a comparison flipped, a number moved, a range or a
duration halved or doubled, a matcher or a label dropped. It is killed when the rule tests that load
its file fail. What survives shows what no test looks at.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import promql_parser
import yaml

from prometheus_tools import promtool
from prometheus_tools.promtool import CheckFailedError

MOVED_BY = 0.05
"""How far a threshold is moved, of itself: tests have to stand this close to it."""

_FLIPPED = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_COMPARISON = re.compile(r">=|<=|==|!=|>|<")
_NUMBER = re.compile(r"(?<![\w.:\[])(\d+(?:\.\d+)?)(?![\w.:])")
_RANGE = re.compile(r"\[(\w+)\]")
_OFFSET = re.compile(r"\boffset (\w+)")
_MATCHERS = re.compile(r"\{([^{}]*)\}")
_MATCHER = re.compile(r'\w+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
_LABELS = re.compile(r"\b(by|without|on|ignoring)\s*\(([^()]*)\)")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule of a file with one change; ``rules`` is the file's text with it."""

    file: str
    rule: str
    change: str
    rules: str

    def __str__(self) -> str:
        return f"{self.file}: {self.rule}: {self.change}"


def mutants(file: Path) -> Iterator[Mutant]:
    """Every mutant of a rule file."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            name = rule.get("alert") or rule["record"]
            if window := rule.get("labels", {}).get("window"):
                name = f"{name} ({window})"
            for change, key, value in _changes(rule):
                original = rule.get(key)
                rule[key] = value
                yield Mutant(file.stem, name, change, yaml.safe_dump(document, sort_keys=False))
                rule[key] = original


def survivors(
    rules: Path,
    tests: Path,
    groups: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    notice: Callable[[Mutant], bool] = lambda _mutant: False,
) -> list[Mutant]:
    """The mutants of the rule files in ``rules`` that no test in ``tests`` kills.

    With ``groups`` only those of these files. ``progress`` is told how many of how many were tried.
    ``notice`` says of those that the tests let live whether something else notices them.
    ValueError names a group that there is not, or whose tests fail as they are.
    """
    files = {file.stem: file for file in sorted(rules.glob("*.yml"))}
    if unknown := set(groups) - files.keys():
        raise ValueError(f"no group {', '.join(unknown)}; there are {', '.join(files)}")
    for name in groups or files:
        # Tests that fail anyway would kill every mutant.
        if is_killed(Mutant(name, "", "none", files[name].read_text(encoding="utf-8")), tests):
            raise ValueError(f"the tests of {name} fail without any mutant; `make check` says why")
    every = [mutant for name in groups or files for mutant in mutants(files[name])]
    alive = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (mutant, killed) in enumerate(
            zip(
                every,
                pool.map(lambda each: is_killed(each, tests) or notice(each), every),
                strict=True,
            ),
            start=1,
        ):
            if not killed:
                alive.append(mutant)
            progress(number, len(every))
    return alive


def is_killed(mutant: Mutant, tests: Path) -> bool:
    """Whether one of the tests that load the mutant's file fails with it.

    First those parts of them are tried that look at the rule itself, which kill nearly all.
    """
    loading = {
        file.relative_to(tests): document
        for file, document in _documents(tests).items()
        # Not those that load all rules: the others are not there.
        if [Path(name).stem for name in document["rule_files"]] == [mutant.file]
    }
    read = _read_by(mutant)
    close = {file: _about(document, read) for file, document in loading.items()}
    return _fails(mutant, {file: each for file, each in close.items() if each["tests"]}) or _fails(
        mutant, loading
    )


def _fails(mutant: Mutant, tests: dict[Path, dict[str, Any]]) -> bool:
    with TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        (folder / "rules").mkdir()
        (folder / "rules" / f"{mutant.file}.yml").write_text(mutant.rules, encoding="utf-8")
        for file, document in tests.items():
            copy = folder / "tests" / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            # JSON is YAML, and quick to write.
            copy.write_text(json.dumps(document), encoding="utf-8")
            try:
                promtool.test_rules(copy)
            except CheckFailedError:
                return True
    return False


@cache
def _documents(tests: Path) -> dict[Path, dict[str, Any]]:
    return {
        file: yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for file in sorted(tests.rglob("*.yml"))
    }


def _read_by(mutant: Mutant) -> set[str]:
    """The rule's own name, and the series that it reads, by way of other rules too."""
    groups = yaml.load(mutant.rules, Loader=yaml.CSafeLoader)["groups"]
    read = {mutant.rule.partition(" ")[0]}
    while True:
        found = {
            name
            for group in groups
            for rule in group["rules"]
            if (rule.get("alert") or rule["record"]) in read
            for name in _NAME.findall(rule["expr"])
        }
        if found <= read:
            return read
        read |= found


def _about(document: dict[str, Any], read: set[str]) -> dict[str, Any]:
    """The part of a file of tests that looks at a rule, with the series that it reads."""

    def expected(test: dict[str, Any], key: str, of: str) -> list[Any]:
        return [case for case in test.get(key, ()) if read & set(_NAME.findall(case[of]))]

    reduced = []
    for test in document["tests"]:
        alerts = expected(test, "alert_rule_test", "alertname")
        exprs = expected(test, "promql_expr_test", "expr")
        if alerts or exprs:
            inputs = [
                one
                for one in test.get("input_series", ())
                if _NAME.match(one["series"])[0] in read  # type: ignore[index]
            ]
            kept = {"alert_rule_test": alerts, "promql_expr_test": exprs, "input_series": inputs}
            reduced.append({**test, **kept})
    return {**document, "tests": reduced}


def _changes(rule: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    expr = rule["expr"]
    for change, mutated in _of_expression(expr):
        try:
            promql_parser.parse(mutated)
        except ValueError:
            continue  # no PromQL: Prometheus would refuse it
        if promql_parser.parse(mutated).prettify() != promql_parser.parse(expr).prettify():
            yield change, "expr", mutated
    for key in ("for", "keep_firing_for"):
        if key in rule:
            seconds = int(promql_parser.parse_duration(rule[key]).total_seconds())
            yield f"{key} {rule[key]} doubled", key, f"{seconds * 2}s"
            yield f"{key} {rule[key]} halved", key, f"{seconds // 2}s"


def _of_expression(expr: str) -> Iterator[tuple[str, str]]:
    outside = _blanked(_blanked(expr, _QUOTED), _MATCHERS)
    for match in _COMPARISON.finditer(outside):
        yield f"{_near(expr, match)} flipped", _put(expr, match.span(), _FLIPPED[match[0]])
    for match in _NUMBER.finditer(outside):
        is_limit = bool(_COMPARISON.search(outside[: match.start()].rstrip()[-2:]))
        for moved in _moved(float(match[1]), is_limit):
            yield f"{_near(expr, match)} becomes {moved}", _put(expr, match.span(), moved)
    for match in (*_RANGE.finditer(outside), *_OFFSET.finditer(outside)):
        seconds = int(promql_parser.parse_duration(match[1]).total_seconds())
        for word, length in (("doubled", seconds * 2), ("halved", seconds // 2)):
            yield f"{_near(expr, match)} {word}", _put(expr, match.span(1), f"{length}s")
    for braces in _MATCHERS.finditer(expr):
        found = _MATCHER.findall(braces[1])
        for dropped in found:
            rest = ",".join(each for each in found if each != dropped)
            yield f"{_near(expr, braces)} without {dropped}", _put(expr, braces.span(1), rest)
    for match in _LABELS.finditer(outside):
        labels = [label.strip() for label in match[2].split(",") if label.strip()]
        for dropped in labels:
            rest = ", ".join(label for label in labels if label != dropped)
            change = f"{match[1]} ({match[2]}) at {match.start()} without {dropped}"
            yield change, _put(expr, match.span(2), rest)


def _moved(number: float, is_limit: bool) -> Iterator[str]:
    if not number:
        yield "1"
    elif is_limit and number == int(number):
        yield from (f"{number + 1:g}", f"{number - 1:g}")
    elif is_limit:
        yield from (f"{number * (1 + MOVED_BY):g}", f"{number * (1 - MOVED_BY):g}")
    else:
        yield f"{number * 0.5:g}"


def _blanked(text: str, pattern: re.Pattern[str]) -> str:
    """``text`` with what ``pattern`` finds replaced by blanks, so that places stay the same."""
    return pattern.sub(lambda match: " " * len(match[0]), text)


def _put(text: str, span: tuple[int, int], part: str) -> str:
    return f"{text[: span[0]]}{part}{text[span[1] :]}"


def _near(expr: str, match: re.Match[str]) -> str:
    """The change's place, by what stands there and where."""
    return f"`{match[0]}` at {match.start()}"
