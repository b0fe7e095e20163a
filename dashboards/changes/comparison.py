"""Two revisions compared: nothing that differs is left out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alerts.model import Comparison, Severity, Unit, number
from dashboards.changes.pairing import partners, reordered
from dashboards.changes.promql import Limit, excerpts, moved_limits, one_line, words
from dashboards.changes.revision import Revision
from dashboards.changes.things import Thing

_UNSET = object()
_LONGEST = 40
"""Characters of a value that is shown."""
_UNITS = {
    "percentunit": Unit.RATIO,
    "s": Unit.SECONDS,
    "bytes": Unit.BYTES,
    "suffix:/s": Unit.PER_SECOND,
}
_LINES = ("thresholds.steps", "overrides.properties.value.steps")
"""Where a panel keeps the lines of its thresholds."""
# Many panels have the same one, each with other values: without them it is told once for all.
_WITHOUT_VALUES = {"gridPos": "moved or resized", "id": "another id: links to it lead elsewhere"}


class Section(StrEnum):
    """In the order in which a reviewer reads."""

    CALLED = "Who is called"
    THRESHOLDS = "Thresholds"
    CAME_AND_WENT = "Added, removed, renamed"
    QUERIES = "Queries"
    OTHER = "Other settings"


_IS_THERE = {"alert": Section.CALLED, "routing": Section.CALLED, "query": Section.QUERIES}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one thing; ``excerpts`` are of its expression, and begin with - or +."""

    section: Section
    kind: str
    name: str
    text: str
    excerpts: tuple[str, ...] = ()


def compared(old: Revision, new: Revision) -> list[Change]:
    """All changes. What one of the two holds none of is left out."""
    both = [part for part in old.parts if part in new.parts]
    return [change for part in both for change in _changes(old.parts[part], new.parts[part])]


def _changes(old: Sequence[Thing], new: Sequence[Thing]) -> Iterator[Change]:
    kept = partners(old, new)
    remaining = {*kept.values()}
    yield from (_lone(each, "removed", "-") for n, each in enumerate(old) if n not in remaining)
    yield from (_lone(each, "added", "+") for n, each in enumerate(new) if n not in kept)
    for position, before in sorted(kept.items()):
        was, now = old[before], new[position]
        found = _differences(was.settings, now.settings)
        yield from dict.fromkeys(_told(was, now, *difference) for difference in found)
        yield from _changes(was.parts, now.parts)
    for place in reordered(old, new, kept):
        yield Change(Section.OTHER, "order", f"in {place}", "changed")


def _lone(thing: Thing, word: str, sign: str) -> Change:
    """What only one of the two has."""
    text, shown = word, tuple[str, ...]()
    if summary := _text(thing, "annotations", "summary"):
        text = f"{word}: {summary}"
    if thing.kind == "dashboard":
        text = f"{word} with {sum(part.kind == 'panel' for part in thing.parts)} panels"
    if thing.kind in ("alert", "query"):
        shown = (f"{sign} {one_line(str(thing.settings.get('expr')))}",)
    section = _IS_THERE.get(thing.kind, Section.CAME_AND_WENT)
    return Change(section, thing.kind, thing.name, text, shown)


def _differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where the two differ, with a dot between keys; and what was and is there, or _UNSET."""
    whole = path in _WITHOUT_VALUES or path.endswith(_LINES)
    if isinstance(old, dict) and isinstance(new, dict) and not whole:
        for key in {**old, **new}:
            inner = f"{path}.{key}".removeprefix(".")
            yield from _differences(old.get(key, _UNSET), new.get(key, _UNSET), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and not whole:
        for was, now in zip(old, new, strict=True):
            yield from _differences(was, now, path)
    elif _plain(old, path) != _plain(new, path):
        yield path, old, new


def _plain(value: Any, path: str = "") -> Any:
    """Equal for values that differ at most in formatting; True is not 1, though Python says so."""
    match value:
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case str() if path == "expr":
            return words(value)
        case float() if value.is_integer():
            return repr(int(value))
        case _:
            return repr(value)


def _told(old: Thing, new: Thing, path: str, was: Any, now: Any) -> Change:
    section, shown = Section.OTHER, tuple[str, ...]()
    text = _WITHOUT_VALUES.get(path) or _value_change(path, _value(was), _value(now))
    alerting = new.kind == "alert" and not path.startswith(("annotations", "in group"))
    if alerting or new.kind == "routing":
        section = Section.CALLED
    if path in ("title", "name", "alert", "record"):
        section = Section.CALLED if alerting else Section.CAME_AND_WENT
        effect = ": silences and routes by that name miss it" if alerting else ""
        text = f"renamed, was {was}{effect}"
    elif path == "uid":
        section, text = Section.CAME_AND_WENT, f"{text}: links to it break"
    elif path == "labels.severity" and alerting and Severity.PAGE in (was, now):
        wakes = "wakes people now" if now == Severity.PAGE else "wakes nobody any more"
        text = f"{text}: {wakes}"
    elif path == "expr" and isinstance(was, str) and isinstance(now, str):
        lines = one_line(was), one_line(now)
        if moved := moved_limits(*lines):
            told = (f"{_limit(a, old)} -> {_limit(b, new)}" for a, b in moved)
            section, text = Section.THRESHOLDS, f"threshold {', '.join(told)}"
        else:
            section, text, shown = Section.QUERIES, "expression changed", excerpts(*lines)
    elif path.startswith("fieldConfig.defaults.thresholds") or path.endswith(_LINES):
        section, lines = Section.THRESHOLDS, (_steps(was, old), _steps(now, new))
        text = (
            f"lines {' -> '.join(lines)}" if path.endswith(_LINES) and len({*lines}) > 1 else text
        )
    return Change(section, new.kind, new.name, text, shown)


def _value_change(path: str, was: str, now: str) -> str:
    short = max(len(was), len(now)) <= _LONGEST and was != now
    return f"{path} {was} -> {now}" if short else f"{path} changed"


def _value(value: Any) -> str:
    match value:
        case str() if value.split() == [value]:
            return value
        case float():
            return number(value)
        case _:
            return "unset" if value is _UNSET else json.dumps(value, default=str)


def _limit(limit: Limit, alert: Thing) -> str:
    """A limit as the alert's description writes it, so in its unit."""
    comparison, value = limit
    said = Comparison(comparison).words if comparison in [*Comparison] else comparison
    description = _text(alert, "annotations", "description")
    texts = [text for unit in Unit if f"{said} {(text := unit.text(value))}" in description]
    return f"{said} {max(texts, key=len, default=number(value))}"


def _steps(steps: Any, panel: Thing) -> str:
    """The lines of thresholds; the colour below all of them has no number."""
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        return _value(steps)
    unit = _text(panel, "fieldConfig", "defaults", "unit")
    return ", ".join(f"{step.get('color')}{_amount(step.get('value'), unit)}" for step in steps)


def _amount(value: Any, unit: str) -> str:
    if not isinstance(value, int | float):
        return "" if value is None else f" {value}"
    return f" {_UNITS[unit].text(value)}" if unit in _UNITS else f" {number(value)} {unit}".rstrip()


def _text(thing: Thing, *keys: str) -> str:
    """A text somewhere in the settings, empty where there is none."""
    value: Any = thing.settings
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
