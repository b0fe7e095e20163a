"""Dashboards, rules and notification settings taken apart into things that have a name."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import yaml

from alerts.rules import SET_BY_RULES
from prometheus_tools.yaml_reading import read_yaml

Document = dict[str, Any]

_MEND = "fix it or run `make generate`"
# Counted up or filled in by the Grafana that saved a dashboard.
_SAVED_BY_GRAFANA = ("id", "version", "iteration")
# What a document that is something else lets fail.
_NOT_SO = (AttributeError, KeyError, TypeError)


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """What a reviewer calls by name.

    ``kind`` is in the singular. ``settings`` are all of it but its ``parts``. ``identities`` are by
    what it is known again, the surest first; None where it has none of these. ``place`` is where
    its order counts, such as a group of rules; empty where order means nothing.
    """

    kind: str
    name: str
    settings: Mapping[str, Any]
    identities: tuple[object, ...]
    place: str = ""
    parts: tuple["Thing", ...] = ()


def dashboard(file: str, text: bytes) -> tuple[Thing, ...]:
    """The dashboard of a JSON file. Raises ValueError."""
    try:
        return (_dashboard(file, json.loads(text)),)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}; {_MEND}") from None
    except _NOT_SO:
        raise ValueError(
            "is not a dashboard: it has to be an object with a list of panels; its panels, "
            "variables and annotations have to be objects"
        ) from None


def rule_file(file: str, text: bytes) -> tuple[Thing, ...]:
    """The groups of a rule file, and their rules. Raises ValueError."""
    document = _yaml(text)
    try:
        return tuple(_rules(file, document))
    except _NOT_SO:
        raise ValueError(
            "is not a rule file: it has to have groups, each with a name and rules, and each rule "
            "a record or an alert, and an expr"
        ) from None


def routing(file: str, text: bytes) -> tuple[Thing, ...]:
    """What Alertmanager is told. Raises ValueError."""
    return (Thing("routing", file, _yaml(text), (file,)),)


def message(file: str, text: bytes) -> tuple[Thing, ...]:
    """A template of messages."""
    return (Thing("message", file, {"text": text.decode(errors="replace")}, (file,)),)


def _yaml(text: bytes) -> Document:
    try:
        document = read_yaml(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"is not valid YAML: {told}; {_MEND}") from None
    if not isinstance(document, dict):
        raise ValueError(f"is not YAML of keys and values; {_MEND}")
    return document


def _rules(file: str, document: Document) -> Iterator[Thing]:
    yield Thing("rule file", file, _without(document, "groups"), (file,))
    for group in document["groups"]:
        name = str(group["name"])
        yield Thing("group", name, _without(group, "rules") | {"file": file}, (name,), file)
        for rule in group["rules"]:
            kind = "alert" if "alert" in rule else "record"
            labels = (rule.get("labels") or {}).items()
            telling = [str(value) for label, value in labels if label == "severity"]
            telling += [f"{k}={value}" for k, value in sorted(labels) if k not in SET_BY_RULES]
            called, about = rule[kind], f" ({', '.join(telling)})" if telling else ""
            identities = ((called, about), (called, rule["expr"]), called, rule["expr"])
            settings = {**rule, "in group": name}
            yield Thing(kind, f"{called}{about}", settings, identities, name)


def _dashboard(file: str, document: Document) -> Thing:
    name = PurePath(file).stem
    parts = [_panel(name, panel) for panel in _with_rows(document.pop("panels", None) or (), "")]
    for kind, key in (("variable", "templating"), ("annotation", "annotations")):
        for each in (document.get(key) or {}).pop("list", None) or ():
            called = each.get("name")
            parts.append(
                Thing(kind, f"{name} / {called}", each, (str(called),), f"{key} of {name}")
            )
    settings = _without(document, *_SAVED_BY_GRAFANA) | {"file": file}
    identities = (document.get("uid"), file, document.get("title"))
    return Thing("dashboard", name, settings, identities, parts=tuple(parts))


def _panel(board: str, panel: Document) -> Thing:
    row, title = panel.get("in row"), panel.get("title")
    place = f"{board} / {row}" if row else board
    title = title or f"{panel.get('type')} {panel.get('id')}"
    name = f"{board} / {title}"
    queries = panel.pop("targets", None) or ()
    asked = tuple(query.get("expr") for query in queries)
    parts = []
    for query, expr in zip(queries, asked, strict=True):
        letter = query.get("refId")
        identities = ((letter, expr), expr, letter)
        parts.append(Thing("query", f"{name}, {letter}", query, identities, f"queries of {name}"))
    kind = "row" if panel.get("type") == "row" else "panel"
    known = ((title, row), title, asked or None)
    return Thing(kind, name, panel, known, place, parts=tuple(parts))


def _with_rows(panels: Sequence[Document], row: str) -> Iterator[Document]:
    """Panels in order, each with the row that it is in; those of collapsed rows included."""
    for panel in panels:
        if panel.get("type") == "row":
            row = str(panel.get("title"))
            inner = panel.pop("panels", None) or ()
            yield panel
            yield from _with_rows(inner, row)
        else:
            yield {**panel, "in row": row}


def _without(document: Document, *keys: str) -> Document:
    return {key: value for key, value in document.items() if key not in keys}
