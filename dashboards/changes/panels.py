"""Panels compared: what they ask, where their thresholds are, how they look."""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.changes import settings
from dashboards.changes.excerpts import one_line, series
from dashboards.changes.pairing import Pairing, paired
from dashboards.changes.report import Change, Weight
from dashboards.changes.wording import expression_change, text_change

# What has words of its own, or is of the Grafana that saved it.
_DESCRIBED = (
    "id",
    "type",
    "title",
    "description",
    "gridPos",
    "targets",
    "links",
    "panels",
    "datasource",
)
_SAVED_BY_GRAFANA = ("pluginVersion",)


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel, the title of the row in which it stands, and its JSON."""

    id: int | None
    kind: str
    title: str
    row: str
    document: Mapping[str, Any]

    @property
    def queries(self) -> tuple[Mapping[str, Any], ...]:
        """What it asks, in order."""
        return tuple(self.document.get("targets") or ())

    @property
    def defaults(self) -> Mapping[str, Any]:
        """How its values are shown."""
        return (self.document.get("fieldConfig") or {}).get("defaults") or {}

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Column, line, width and height on the grid."""
        place = self.document.get("gridPos") or {}
        column, line, width, height = (int(place.get(key, 0)) for key in "xywh")
        return column, line, width, height


def panels(document: Mapping[str, Any]) -> list[Panel]:
    """The panels of a dashboard in order, rows and what is in collapsed ones included."""
    return list(_panels(document.get("panels") or (), ""))


def identities() -> tuple[Callable[[Panel], Hashable], ...]:
    """By what a panel is known again, the surest first."""
    return (
        lambda panel: (panel.id, panel.title, panel.kind),
        lambda panel: (panel.title, panel.row, panel.kind) if panel.title else None,
        lambda panel: (panel.title, panel.row) if panel.title else None,
        lambda panel: panel.title or None,
        lambda panel: (panel.kind, _all_asked(panel)) if _all_asked(panel) else None,
        lambda panel: _all_asked(panel) or None,
        # An id is given to another panel once its own is gone: only with more in common.
        lambda panel: (panel.id, panel.kind, _all_read(panel)) if _all_read(panel) else None,
    )


def panel_changes(old: Panel, new: Panel, renamed: Mapping[str, str]) -> Iterator[Change]:
    """What changed in a panel but for its place; ``renamed`` are records, by their old name."""
    if old.document == new.document:
        return
    if old.title != new.title:
        yield Change(Weight.APPEARANCE, f'renamed, was "{old.title}"')
    yield from _query_changes(old, new, renamed)
    yield from _threshold_changes(old, new)
    units = (old.defaults.get("unit"), new.defaults.get("unit"))
    if units[0] != units[1]:
        yield Change(Weight.BEHAVIOUR, settings.value_change("unit", *units))
    if old.kind != new.kind:
        yield Change(Weight.APPEARANCE, f"drawn as {new.kind}, was {old.kind}")
    sources = (_sources(old), _sources(new))
    if sources[0] != sources[1]:
        yield Change(Weight.BEHAVIOUR, settings.value_change("data source", *sources))
    for told in settings.differences(_rest(old), _rest(new)):
        yield Change(Weight.APPEARANCE, told)
    yield from _override_changes(old, new)
    was, now = (str(panel.defaults.get("noValue") or "") for panel in (old, new))
    yield from text_change("text without data", was, now)
    yield from link_changes(old.document, new.document)
    was, now = (str(panel.document.get("description") or "") for panel in (old, new))
    yield from text_change("description", was, now, known=_moved_lines(old, new))


def link_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """Links of a panel or a dashboard, each known by its title."""
    links = [document.get("links") or () for document in (old, new)]
    found = paired(links[0], links[1], lambda link: link.get("title"), lambda link: link.get("url"))
    for before, after in found.both:
        name = f'link "{after.get("title")}"'
        if before.get("title") != after.get("title"):
            yield Change(Weight.WORDING, f'{name} renamed, was "{before.get("title")}"')
        if before.get("url") != after.get("url"):
            yield Change(Weight.APPEARANCE, f"{name} leads elsewhere")
        rest = (settings.without(link, "title", "url") for link in (before, after))
        for told in settings.differences(*rest):
            yield Change(Weight.APPEARANCE, f"{name}: {told}")
    for word, those in (("added", found.added), ("removed", found.removed)):
        for link in those:
            yield Change(Weight.APPEARANCE, f'link "{link.get("title")}" {word}')


def asked(query: Mapping[str, Any]) -> str:
    """The expression of a query, of whatever data source."""
    expr = query.get("expr") or query.get("query") or ""
    return one_line(expr if isinstance(expr, str) else json.dumps(expr, sort_keys=True))


def _panels(documents: Any, row: str) -> Iterator[Panel]:
    for each in documents:
        title = str(each.get("title") or "")
        if each.get("type") == "row":
            yield Panel(each.get("id"), "row", title, title, each)
            row = title
            yield from _panels(each.get("panels") or (), row)
        else:
            yield Panel(each.get("id"), str(each.get("type") or ""), title, row, each)


def _query_changes(old: Panel, new: Panel, renamed: Mapping[str, str]) -> Iterator[Change]:
    found = paired(
        old.queries,
        new.queries,
        lambda query: (query.get("refId"), asked(query)),
        asked,
        lambda query: query.get("refId"),
    )
    several = max(len(old.queries), len(new.queries)) > 1
    for before, after in found.both:
        name = f"query {_called(after)}" if several else "query"
        yield from expression_change(name, asked(before), asked(after), renamed)
        legends = (before.get("legendFormat"), after.get("legendFormat"))
        if legends[0] != legends[1]:
            what = f"legend of {name}" if several else "legend"
            yield Change(Weight.WORDING, settings.value_change(what, *legends))
        rest = (
            settings.without(query, "refId", "expr", "query", "legendFormat", "datasource")
            for query in (before, after)
        )
        for told in settings.differences(*rest):
            yield Change(Weight.APPEARANCE, f"{name}: {told}")
    for sign, word, those in (("+", "added", found.added), ("-", "removed", found.removed)):
        for query in those:
            told = f"query {_called(query)} {word}"
            yield Change(Weight.BEHAVIOUR, told, (f"{sign} {asked(query)}",))


def _called(query: Mapping[str, Any]) -> str:
    legend = query.get("legendFormat")
    return f'"{legend}"' if legend else str(query.get("refId", ""))


def _threshold_changes(old: Panel, new: Panel) -> Iterator[Change]:
    """How the lines moved; a step without a value is what is below all of them."""
    found = _paired_steps(old, new)
    units = _units(old, new)
    for line in _moved_lines(old, new):
        yield Change(Weight.BEHAVIOUR, f"threshold line {' -> '.join(line)}")
    for (_, was_colour), (now, now_colour) in found.both:
        if was_colour != now_colour:
            above = f"from {settings.amount(now, units[1])} on" if now is not None else "at first"
            yield Change(Weight.APPEARANCE, f"colour {above} {was_colour} -> {now_colour}")
    for word, unit, those in (
        ("added", units[1], found.added),
        ("removed", units[0], found.removed),
    ):
        for value, colour in those:
            if value is not None:
                told = f"threshold line {settings.amount(value, unit)} ({colour}) {word}"
                yield Change(Weight.BEHAVIOUR, told)
    modes = [_thresholds(panel).get("mode", "absolute") for panel in (old, new)]
    if modes[0] != modes[1]:
        yield Change(Weight.BEHAVIOUR, settings.value_change("thresholds are", *modes))


def _moved_lines(old: Panel, new: Panel) -> list[tuple[str, str]]:
    """Where threshold lines were and are, as people write it."""
    before, after = _units(old, new)
    return [
        (settings.amount(was, before), settings.amount(now, after))
        for (was, _), (now, _) in _paired_steps(old, new).both
        if was != now
    ]


def _paired_steps(old: Panel, new: Panel) -> Pairing[tuple[float | None, str]]:
    return paired(
        _steps(old), _steps(new), lambda step: step, lambda step: step[1], lambda step: step[0]
    )


def _units(old: Panel, new: Panel) -> tuple[str, str]:
    before, after = (str(panel.defaults.get("unit") or "") for panel in (old, new))
    return before, after


def _thresholds(panel: Panel) -> Mapping[str, Any]:
    return panel.defaults.get("thresholds") or {}


def _steps(panel: Panel) -> list[tuple[float | None, str]]:
    return [
        (step.get("value"), str(step.get("color")))
        for step in _thresholds(panel).get("steps") or ()
    ]


def _rest(panel: Panel) -> dict[str, Any]:
    """What has no words of its own."""
    rest = settings.without(panel.document, *_DESCRIBED, *_SAVED_BY_GRAFANA, "fieldConfig")
    rest["fieldConfig"] = settings.without(panel.defaults, "unit", "thresholds", "noValue")
    return rest


def _override_changes(old: Panel, new: Panel) -> Iterator[Change]:
    before, after = _overrides(old), _overrides(new)
    for series_matched in {**before, **after}:
        rest = (overrides.get(series_matched, {}) for overrides in (before, after))
        for told in settings.differences(*rest):
            yield Change(Weight.APPEARANCE, f'series "{series_matched}": {told}')


def _overrides(panel: Panel) -> dict[str, dict[str, Any]]:
    """What is set for single series, by what they are matched with."""
    found: dict[str, dict[str, Any]] = {}
    for override in (panel.document.get("fieldConfig") or {}).get("overrides") or ():
        matched = str((override.get("matcher") or {}).get("options"))
        for each in override.get("properties") or ():
            name = str(each.get("id")).removeprefix("custom.")
            found.setdefault(matched, {})[name] = each.get("value")
    return found


def _sources(panel: Panel) -> list[str]:
    """The data sources that it asks."""
    given = (panel.document.get("datasource"), *(each.get("datasource") for each in panel.queries))
    names = (
        each.get("uid") or each.get("type") if isinstance(each, dict) else each for each in given
    )
    return list(dict.fromkeys(str(name) for name in names if name))


def _all_asked(panel: Panel) -> frozenset[str]:
    return frozenset(filter(None, map(asked, panel.queries)))


def _all_read(panel: Panel) -> frozenset[str]:
    return frozenset(name for query in panel.queries for name in series(asked(query)))
