"""The numbers by which a runbook says when its alert fires, and those that its rule has."""

import re
from collections.abc import Iterator

from promql_parser import MatrixSelector, NumberLiteral, SubqueryExpr, VectorSelector

from alerts.model import Group
from alerts.promql import seconds
from alerts.rules import alert_expr, expressions
from prometheus_tools.promql_nodes import nodes

_WORDS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twenty": 20,
    "hundred": 100,
}
_NUMBER = rf"\d[\d,]*(?:\.\d+)?|{'|'.join(_WORDS)}"
_UNITS = {"s": 1, "second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(rf"\b({_NUMBER}) (s|second|minute|hour|day|week)s?\b")
_ALONE = re.compile(
    r"\b(?:last|within a|over a|for a|in a|per|the) (second|minute|hour|day|week)\b"
)
_PERCENT = re.compile(r"\b(\d+(?:\.\d+)?) ?%")
_ONE_IN = re.compile(rf"\bone in (?:a )?({_NUMBER})\b")
_FRACTIONS = {"a third": 1 / 3, "a quarter": 0.25, "a tenth": 0.1, "a twentieth": 0.05}
_FRACTION = re.compile(rf"\b({'|'.join(_FRACTIONS)})\b")
_COUNT = re.compile(
    rf"\b(?:at least|fewer than|more than|less than|needs) ({_NUMBER}) "
    rf"(?:failures?|times|events|calls|decisions|SMS|answers)\b|\b({_NUMBER}) band widths?\b",
    re.IGNORECASE,
)
_HEAD_ENDS = "<!-- end of what is generated -->"
_SENTENCE = re.compile(r"(?<=[.:])\s+")
_OF_THE_ALERT = re.compile(
    r"\b(?:th(?:is|e) (?:alert|page|ticket)|it) (?:fires|needs|doesn't fire)", re.IGNORECASE
)


def claims(page: str) -> Iterator[tuple[str, float]]:
    """Each number, with its words, of the sentences that say when the alert fires.

    Those are what stands before the first section, and what says "the alert fires" elsewhere.
    Durations are in seconds, shares are fractions.
    """
    body = page.partition(_HEAD_ENDS)[2]
    lead, _, rest = body.partition("\n## ")
    told = [each for each in _SENTENCE.split(rest) if _OF_THE_ALERT.search(" ".join(each.split()))]
    for text in (lead, *told):
        yield from _numbers(" ".join(text.split()).replace("half an hour", "30 minutes"))


def _numbers(text: str) -> Iterator[tuple[str, float]]:
    for match in _DURATION.finditer(text):
        yield match[0], _value(match[1]) * _UNITS[match[2]]
    for match in _ALONE.finditer(text):
        yield match[0], _UNITS[match[1]]
    for match in _PERCENT.finditer(text):
        yield match[0], float(match[1]) / 100
    for match in _ONE_IN.finditer(text):
        yield match[0], 1 / _value(match[1])
    for match in _FRACTION.finditer(text):
        yield match[0], _FRACTIONS[match[1]]
    for match in _COUNT.finditer(text):
        yield match[0], _value(match[1] or match[2])


def _value(word: str) -> float:
    return float(_WORDS.get(word) or word.replace(",", ""))


def facts(alert: str, groups: tuple[Group, ...]) -> set[float]:
    """Every number of the alert's rules: thresholds, windows, pending times, what records have."""
    recorded: dict[str, list[str]] = {}
    for group in groups:
        for name, expr in expressions(group):
            recorded.setdefault(name, []).append(expr)
    found: set[float] = set()
    for group in groups:
        for signal in group.signals:
            for threshold in signal.thresholds:
                if threshold.alert != alert:
                    continue
                found |= {
                    abs(threshold.value),
                    seconds(threshold.pending),
                    seconds(threshold.keep_firing),
                }
                found |= {threshold.value, *(guard.value for guard in threshold.guards)}
                found |= {seconds(group.interval)} if group.interval else set()
                found |= _numbers_in(alert_expr(signal, threshold), recorded, set())
    return found | {1 - each for each in found if 0 < each < 1}


def _numbers_in(expr: str, recorded: dict[str, list[str]], seen: set[str]) -> set[float]:
    found: set[float] = set()

    def of(selector: VectorSelector) -> None:
        found.update(float(m.value) for m in selector.matchers.matchers if m.name == "le")
        name = selector.name or ""
        if name in recorded and name not in seen:
            seen.add(name)
            for each in recorded[name]:
                found.update(_numbers_in(each, recorded, seen))

    for node in nodes(expr):
        match node:
            case NumberLiteral():
                found.add(node.val)
            case MatrixSelector():
                found.add(node.range.total_seconds())
                of(node.vector_selector)
            case SubqueryExpr():
                found.add(node.range.total_seconds())
            case VectorSelector():
                of(node)
                found.update([node.offset.total_seconds()] if node.offset else [])
    return found
