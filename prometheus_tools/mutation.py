"""Mutation testing of rules: each is broken a little, and something has to notice.

A mutant is a rule with one thing changed: a comparison flipped, a number moved, a range or a
duration halved or doubled, a matcher or a label dropped. What survives (prometheus_tools/mutated.py
tells) shows what no test looks at.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser

MOVED_BY = 0.05
"""How far a threshold is moved, of itself: tests have to stand this close to it."""

_COUNTED_UP_TO = 100
"""Whole numbers up to this are moved by one: nobody minds one second of half an hour."""

_FLIPPED = {">": "<", "<": ">", ">=": "<", "<=": ">", "==": "!=", "!=": "=="}
_COMPARISON = re.compile(r">=|<=|==|!=|>|<")
_NUMBER = re.compile(r"(?<![\w.:\[])(\d+(?:\.\d+)?)(?![\w.:])")
_RANGE = re.compile(r"\[(\w+)\]")
_OFFSET = re.compile(r"\boffset (\w+)")
_MATCHERS = re.compile(r"\{([^{}]*)\}")
_MATCHER = re.compile(r'\w+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"')
_LABELS = re.compile(r"\b(by|without|on|ignoring)\s*\(([^()]*)\)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule of a file with one change: ``value`` in place of what its ``key`` is.

    ``group`` and ``position`` say which rule it is, counted from 0.
    """

    file: str
    group: int
    position: int
    rule: str
    change: str
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.file}: {self.rule}: {self.change}"


def mutants(file: str, document: dict[str, Any]) -> Iterator[Mutant]:
    """Every mutant of a rule file's content."""
    for number, group in enumerate(document["groups"]):
        for position, rule in enumerate(group["rules"]):
            name = rule.get("alert") or rule["record"]
            told_apart = {"window", "severity", "cause", "slo"} & rule.get("labels", {}).keys()
            if of := [rule["labels"][label] for label in sorted(told_apart)]:
                name = f"{name} ({', '.join(of)})"
            for change, key, value in _changes(rule):
                yield Mutant(file, number, position, rule=name, change=change, key=key, value=value)


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
    elif is_limit and 1 <= number <= _COUNTED_UP_TO and (2 * number).is_integer():
        # A number of events, or half of one beside it: what matters is the next one.
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
