"""Differences of PromQL and of sentences, word by word, and PromQL without its formatting."""

import re
from collections.abc import Mapping
from contextlib import suppress
from difflib import SequenceMatcher
from functools import cache

import promql_parser

from prometheus_tools.rulebook import series_names

_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
_PROMQL = re.compile(rf"{_QUOTED}|\$\{{[^}}]*\}}|[$\w:.]+|[=!]~|[=!<>]=|\S")
_SENTENCE = re.compile(r"\{\{.*?\}\}\S*|\S+")
_SPACE = re.compile(rf"({_QUOTED})|((?<=\()\s+|\s+(?=\)))|(?:\s|#[^\n]*)+")
_CONTEXT = 3
"""Words before and after a difference."""
_ALIKE = 0.5
"""Share of words kept below which a text was written anew."""
_SHORT = 90
"""Columns up to which a text is shown whole."""
_LONGEST = 3 * _SHORT
_MOST_EXCERPTS = 4


@cache
def one_line(expr: str) -> str:
    """``expr`` on one line, as PromQL's own formatting has it where it can be parsed."""
    # Grafana's variables are no PromQL.
    with suppress(ValueError):
        expr = promql_parser.parse(expr).prettify()
    return _SPACE.sub(lambda found: found[1] or ("" if found[2] else " "), expr).strip()


def same_promql(one: str, other: str) -> bool:
    """Whether the two differ at most in formatting."""
    return _PROMQL.findall(one_line(one)) == _PROMQL.findall(one_line(other))


def with_names(expr: str, names: Mapping[str, str]) -> str:
    """``expr`` with series called by other ``names``."""
    return _PROMQL.sub(lambda word: names.get(word[0], word[0]), expr)


def promql_difference(old: str, new: str) -> tuple[str, ...]:
    """What differs, as lines that begin with - and +; empty where it is too much to be read."""
    return _difference(one_line(old), one_line(new), _PROMQL)


def sentence_difference(old: str, new: str) -> tuple[str, ...]:
    """The same of sentences."""
    return _difference(old, new, _SENTENCE)


def figures(old: str, new: str) -> list[tuple[str, str]]:
    """The words that differ where they are all figures; else nothing."""
    before, after = _SENTENCE.findall(old), _SENTENCE.findall(new)
    if len(before) != len(after):
        return []
    differing = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    if not all(any(map(str.isdigit, word)) for pair in differing for word in pair):
        return []
    return list(dict.fromkeys((a.rstrip(".,;:"), b.rstrip(".,;:")) for a, b in differing))


def series(expr: str) -> set[str]:
    """The names of the series that ``expr`` reads, as far as it can be parsed."""
    plain = re.sub(r"\[\$[^\]]*\]", "[1m]", expr)
    try:
        return series_names(plain)
    except ValueError:
        return set()


def _difference(old: str, new: str, word: re.Pattern[str]) -> tuple[str, ...]:
    if max(len(old), len(new)) <= _SHORT:
        return tuple(f"{sign} {text}" for sign, text in (("-", old), ("+", new)) if text)
    before, after = list(word.finditer(old)), list(word.finditer(new))
    matcher = SequenceMatcher(None, [m[0] for m in before], [m[0] for m in after], autojunk=False)
    groups = list(matcher.get_grouped_opcodes(_CONTEXT))
    if matcher.ratio() < _ALIKE or len(groups) > _MOST_EXCERPTS:
        whole = max(len(old), len(new)) <= _LONGEST
        return (f"- {old}", f"+ {new}") if whole else ()
    lines = []
    for group in groups:
        (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        lines.append(f"- {_excerpt(old, before, old_start, old_end)}")
        lines.append(f"+ {_excerpt(new, after, new_start, new_end)}")
    return tuple(lines)


def _excerpt(text: str, words: list[re.Match[str]], start: int, end: int) -> str:
    if start == end:
        return "…"
    before = "… " if start else ""
    after = " …" if end < len(words) else ""
    return f"{before}{text[words[start].start() : words[end - 1].end()]}{after}"
