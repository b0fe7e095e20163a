"""Settings of Grafana in words: what they were and are, however deep they are kept."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from alerts.model import Unit, number

# Where Grafana keeps settings, rather than what they are about.
_PLACES = {"fieldConfig", "defaults", "custom", "options"}
_FOLLOWS = ("axisSoftMax",)
"""What only follows from another setting: a graph's top from its thresholds."""
_LONGEST = 40
_UNITS = {
    "percentunit": Unit.RATIO,
    "s": Unit.SECONDS,
    "bytes": Unit.BYTES,
    "suffix:/s": Unit.PER_SECOND,
}
_SUFFIXES = {"percent": "%", "ms": "ms", "d": "d", "h": "h", "m": "m"}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each setting that differs."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    keys = [
        key
        for key in {**before, **after}
        if before.get(key) != after.get(key) and key[-1:] != _FOLLOWS
    ]
    told = (_told(key, before.get(key), after.get(key)) for key in keys)
    return list(dict.fromkeys(told))


def without(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """``document`` without some of its keys."""
    return {key: value for key, value in document.items() if key not in keys}


def amount(value: float | None, unit: str) -> str:
    """A number in Grafana's ``unit`` as people write it; None is the lowest there is."""
    if value is None:
        return "the bottom"
    if unit in _UNITS:
        return _UNITS[unit].text(value)
    return f"{number(value)}{_SUFFIXES.get(unit, '')}"


def value_change(name: str, old: Any, new: Any) -> str:
    """A setting of one value: what it was, and what it is."""
    # What is on or off is off where it isn't said.
    switched = old is True or new is True
    before, after = (_value(bool(value) if switched else value) for value in (old, new))
    if max(len(before), len(after)) > _LONGEST:
        return f"{name} changed"
    return f"{name} {before} -> {after}"


def _told(key: tuple[str, ...], old: Any, new: Any) -> str:
    about, name = ["", *map(_words, key)][-2:]
    return value_change(name if about in name else f"{about} {name}", old, new)


def _leaves(value: Any, key: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each setting by where it is kept; empty ones are as if they weren't there."""
    if key[-1:] == ("color",) and isinstance(value, Mapping):
        yield key, value.get("fixedColor") if value.get("mode") == "fixed" else value.get("mode")
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, key if name in _PLACES else (*key, str(name)))
    elif value not in (None, [], ""):
        yield key, value


def _value(value: Any) -> str:
    match value:
        case None | "":
            return "unset"
        case bool():
            return "on" if value else "off"
        case int() | float():
            return number(value)
        case str():
            return f'"{value}"' if " " in value else value
        case list() if all(isinstance(each, str | int | float) for each in value):
            return ", ".join(map(_value, value))
        case _:
            # Told as "changed", since nobody reads that.
            return " " * (_LONGEST + 1)


def _words(name: str) -> str:
    """``fillOpacity`` as ``fill opacity``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
