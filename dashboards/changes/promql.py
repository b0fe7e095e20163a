"""Expressions compared: the limits that moved, or the words that differ."""

import re
from contextlib import suppress
from functools import cache

import promql_parser

_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
_SPACE = re.compile(rf"({_QUOTED})|(?<=\()\s+|\s+(?=\))|(\s)+")
_WORD = re.compile(rf"{_QUOTED}|[$\w:.]+|\S")
_LIMIT = re.compile(r"(>=|<=|==|!=|>|<) ?(?:bool )?(\d+(?:\.\d+)?)(?![\w.])")
_CONTEXT = 3
"""Words before and after a difference."""
_LONGEST = 300
"""Characters of a difference that are shown."""

Limit = tuple[str, float]
"""A comparison, and the number that it is with."""


@cache
def one_line(expr: str) -> str:
    """``expr`` on one line, as PromQL's own formatting has it where it can be parsed."""
    # Grafana's variables are no PromQL.
    with suppress(ValueError):
        expr = promql_parser.parse(expr).prettify()
    return _SPACE.sub(lambda found: found[1] or (" " if found[2] else ""), expr).strip()


def words(expr: str) -> list[str]:
    """What ``expr`` consists of, however it is laid out."""
    return _WORD.findall(one_line(expr))


def moved_limits(old: str, new: str) -> list[tuple[Limit, Limit]]:
    """The limits that moved, each once, if nothing else differs between two lines."""
    if _LIMIT.sub("?", old) != _LIMIT.sub("?", new):
        return []
    before, after = ([(op, float(n)) for op, n in _LIMIT.findall(line)] for line in (old, new))
    return list(dict.fromkeys(pair for pair in zip(before, after, strict=True) if len({*pair}) > 1))


def excerpts(old: str, new: str) -> tuple[str, ...]:
    """From the first word to the last that differ between two lines, behind - and +."""
    both = [[*_WORD.finditer(line)] for line in (old, new)]
    begin = _shared(*both)
    end = _shared(*(line[:begin:-1] for line in both))
    start = max(0, begin - _CONTEXT)
    before, after = (line[start : len(line) - end + _CONTEXT] for line in both)
    return f"- {_excerpt(old, before)}", f"+ {_excerpt(new, after)}"


def _shared(one: list[re.Match[str]], other: list[re.Match[str]]) -> int:
    """How many words both begin with."""
    least = min(len(one), len(other))
    return next((n for n in range(least) if one[n][0] != other[n][0]), least)


def _excerpt(line: str, shown: list[re.Match[str]]) -> str:
    start, end = (shown[0].start(), shown[-1].end()) if shown else (0, 0)
    end = min(end, start + _LONGEST)
    return f"{'… ' if start else ''}{line[start:end]}{' …' if end < len(line) else ''}"
