"""Dashboards compared: panels that came, went and moved, and what surrounds them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.changes import settings
from dashboards.changes.pairing import Pairing, paired
from dashboards.changes.panels import (
    Panel,
    asked,
    identities,
    link_changes,
    panel_changes,
    panels,
)
from dashboards.changes.reading import section
from dashboards.changes.report import Change, Part, Section, Subject, Weight, counted
from dashboards.changes.revision import Document
from dashboards.changes.wording import expression_change, text_change

_DESCRIBED = (
    *("uid", "title", "description", "panels", "templating", "annotations", "links"),
    *("time", "refresh", "tags"),
)
# Counted up or filled in by the Grafana that saved it.
_SAVED_BY_GRAFANA = ("id", "version", "iteration", "gnetId")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the dashboards: the texts that may link to one, and renamed records."""

    linking: Mapping[str, Iterable[str]]
    """Texts by what they are of, in the singular, such as ``alert``."""
    renamed: Mapping[str, str]

    def links_to(self, uid: str) -> str:
        """How many still link to the dashboard ``uid``, in words; empty where none does."""
        address = re.compile(rf"/d/{re.escape(uid)}(?![\w-])")
        counts = {
            kind: sum(bool(address.search(text)) for text in texts)
            for kind, texts in self.linking.items()
        }
        return " and ".join(counted(count, kind) for kind, count in counts.items() if count)


def dashboard_section(
    old: Mapping[str, Document], new: Mapping[str, Document], around: Surroundings
) -> Section:
    """What changed in dashboards."""
    found = paired(
        old.items(),
        new.items(),
        lambda item: item[1].get("uid"),
        lambda item: item[0],
        lambda item: item[1].get("title"),
    )
    parts = [
        *(Part(_called(a), (_dashboard(_removed(a, around)),)) for _, a in found.removed),
        *(Part(_called(b), (_dashboard(_added(b)),)) for _, b in found.added),
        *(Part(_called(b), tuple(_subjects(a, b, around))) for (_, a), (_, b) in found.both),
    ]
    return section("Dashboards", parts)


def _called(document: Document) -> str:
    return str(document.get("title") or document.get("uid") or "without a title")


def _dashboard(change: Change) -> Subject:
    return Subject("dashboard", "", (change,))


def _added(document: Document) -> Change:
    every = panels(document)
    rows = [panel.title for panel in every if panel.kind == "row"]
    shown = len(every) - len(rows)
    about = f" in the rows {', '.join(rows)}" if rows else ""
    return Change(Weight.BEHAVIOUR, f"new dashboard: {counted(shown, 'panel')}{about}")


def _removed(document: Document, around: Surroundings) -> Change:
    linked = around.links_to(str(document.get("uid")))
    still = f"; {linked} still link to it" if linked else ""
    return Change(Weight.BEHAVIOUR, f"dashboard removed{still}")


def _subjects(old: Document, new: Document, around: Surroundings) -> Iterator[Subject]:
    yield from map(_dashboard, _own_changes(old, new, around))
    yield from _variables(old, new)
    yield from _annotations(old, new)
    before, after = panels(old), panels(new)
    shown = paired(_without_rows(before), _without_rows(after), *identities())
    rows = _rows(before, after, shown)
    yield from _row_subjects(rows)
    yield from _coming_and_going(rows, shown)
    names = _names(after)
    new_rows = {a.title: b.title for a, b in rows.both}
    for was, now in shown.both:
        changes = tuple(panel_changes(was, now, around.renamed))
        if new_rows.get(was.row, was.row) != now.row:
            told = f"moved from {_row(was.row)} to {_row(now.row)}"
            changes = (Change(Weight.APPEARANCE, told), *changes)
        yield Subject("panel", names(now), changes)
    yield from map(_dashboard, _layout_changes(shown, rows))


def _own_changes(old: Document, new: Document, around: Surroundings) -> Iterator[Change]:
    if old.get("uid") != new.get("uid"):
        linked = around.links_to(str(old.get("uid")))
        still = f", {linked} still have the old one" if linked else ""
        told = settings.value_change("uid", old.get("uid"), new.get("uid"))
        yield Change(Weight.BEHAVIOUR, f"{told}: links to the dashboard break{still}")
    if old.get("title") != new.get("title"):
        yield Change(Weight.APPEARANCE, f'renamed, was "{old.get("title")}"')
    times = (document.get("time") or {} for document in (old, new))
    ranges = [[time.get("from"), time.get("to")] for time in times]
    compared: tuple[tuple[str, Any, Any], ...] = (
        ("time range", ranges[0], ranges[1]),
        ("refresh", old.get("refresh") or "off", new.get("refresh") or "off"),
        ("tags", old.get("tags"), new.get("tags")),
    )
    for name, was, now in compared:
        if was != now:
            yield Change(Weight.APPEARANCE, settings.value_change(name, was, now))
    rest = (settings.without(each, *_DESCRIBED, *_SAVED_BY_GRAFANA) for each in (old, new))
    for told in settings.differences(*rest):
        yield Change(Weight.APPEARANCE, told)
    yield from link_changes(old, new)
    was, now = (str(each.get("description") or "") for each in (old, new))
    yield from text_change("description", was, now)


def _variables(old: Document, new: Document) -> Iterator[Subject]:
    def without_choice(variable: Mapping[str, Any]) -> dict[str, Any]:
        # What is on offer is asked anew; of the choice, the text follows the value.
        rest = settings.without(variable, "options")
        rest["default"] = settings.without(rest.pop("current", None) or {}, "text", "selected")
        return rest

    lists = (
        [without_choice(each) for each in (document.get("templating") or {}).get("list") or ()]
        for document in (old, new)
    )
    yield from _named("variable", *lists)


def _annotations(old: Document, new: Document) -> Iterator[Subject]:
    lists = ((document.get("annotations") or {}).get("list") or () for document in (old, new))
    yield from _named("annotation", *lists)


def _named(
    kind: str, old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> Iterator[Subject]:
    """Things that have a name and a query."""
    found = paired(old, new, lambda each: each.get("name"), lambda each: asked(each) or None)
    for before, after in found.both:
        changes = []
        if before.get("name") != after.get("name"):
            changes.append(Change(Weight.BEHAVIOUR, f'renamed, was "{before.get("name")}"'))
        changes += expression_change("query", asked(before), asked(after))
        rest = (
            settings.without(each, "name", "expr", "query", "definition")
            for each in (before, after)
        )
        changes += [Change(Weight.APPEARANCE, told) for told in settings.differences(*rest)]
        yield Subject(kind, f'{kind} "{after.get("name")}"', tuple(changes))
    for word, those in (("added", found.added), ("removed", found.removed)):
        for each in those:
            yield Subject(kind, f'{kind} "{each.get("name")}"', (Change(Weight.BEHAVIOUR, word),))


def _without_rows(every: Iterable[Panel]) -> list[Panel]:
    return [panel for panel in every if panel.kind != "row"]


def _rows(before: Iterable[Panel], after: Iterable[Panel], shown: Pairing[Panel]) -> Pairing[Panel]:
    """Rows by their titles, or by most of their panels."""
    old = [panel for panel in before if panel.kind == "row"]
    new = [panel for panel in after if panel.kind == "row"]
    same = {row.title for row in old} & {row.title for row in new}
    moves = Counter((a.row, b.row) for a, b in shown.both if not {a.row, b.row} & same)
    sizes = Counter(a.row for a, _ in shown.both)
    follows = {old: new for (old, new), count in moves.items() if 2 * count > sizes[old]}
    return paired(old, new, lambda row: row.title, lambda row: follows.get(row.title, row.title))


def _row_subjects(rows: Pairing[Panel]) -> Iterator[Subject]:
    for before, after in rows.both:
        changes = []
        if before.title != after.title:
            changes.append(Change(Weight.APPEARANCE, f'renamed, was "{before.title}"'))
        rest = (
            settings.without(row.document, "id", "title", "type", "gridPos", "panels")
            for row in (before, after)
        )
        changes += [Change(Weight.APPEARANCE, told) for told in settings.differences(*rest)]
        yield Subject("row", _row(after.title), tuple(changes))


def _coming_and_going(rows: Pairing[Panel], shown: Pairing[Panel]) -> Iterator[Subject]:
    """Panels that were added and removed, by row; and rows."""
    for word, preposition, new_rows, those in (
        ("removed", "from", rows.removed, shown.removed),
        ("added", "to", rows.added, shown.added),
    ):
        by_row: dict[str, list[str]] = {row.title: [] for row in new_rows}
        for panel in those:
            by_row.setdefault(panel.row, []).append(_quoted(panel))
        whole = {row.title for row in new_rows}
        for row, titles in by_row.items():
            several = "panels" if len(titles) > 1 else "panel"
            if row not in whole:
                told = f"{several} {word} {preposition} {_row(row)}: {', '.join(titles)}"
            elif titles:
                told = f"{_row(row)} {word} with {several} {', '.join(titles)}"
            else:
                told = f"{_row(row)} {word}"
            yield _dashboard(Change(Weight.BEHAVIOUR, told))


def _layout_changes(shown: Pairing[Panel], rows: Pairing[Panel]) -> Iterator[Change]:
    """Places and ids, each in one line however many panels it concerns."""
    counts = Counter(filter(None, (_move(before, after) for before, after in shown.both)))
    if counts:
        told = ", ".join(
            f"{counted(count, 'panel')} {move}" for move, count in counts.most_common()
        )
        yield Change(Weight.PLACE, f"layout: {told}")
    # Column, line and so on: rows differ in their lines only.
    if sorted(rows.both, key=lambda pair: pair[0].place) != sorted(
        rows.both, key=lambda pair: pair[1].place
    ):
        order = ", ".join(after.title for _, after in rows.both)
        yield Change(Weight.PLACE, f"rows in another order: {order}")
    if renumbered := sum(before.id != after.id for before, after in shown.both):
        told = f"{counted(renumbered, 'panel')} with another id: links to one panel lead elsewhere"
        yield Change(Weight.PLACE, told)


def _move(before: Panel, after: Panel) -> str:
    column, line, width, height = before.place
    new_column, new_line, new_width, new_height = after.place
    moves = (
        (new_width > width, "wider"),
        (new_width < width, "narrower"),
        (new_height > height, "taller"),
        (new_height < height, "lower"),
        (new_line > line, "moved down"),
        (new_line < line, "moved up"),
        (new_column != column, "moved sideways"),
    )
    return next((word for moved, word in moves if moved), "")


def _row(title: str) -> str:
    return f'row "{title}"' if title else "the top"


def _quoted(panel: Panel) -> str:
    return f'"{panel.title}"' if panel.title else f"one without a title ({panel.kind})"


def _names(every: Iterable[Panel]) -> Callable[[Panel], str]:
    """How a panel is called: with its row where another has its title."""
    titles = Counter(panel.title for panel in every if panel.kind != "row")

    def called(panel: Panel) -> str:
        where = f" in {_row(panel.row)}" if titles[panel.title] > 1 else ""
        return f"panel {_quoted(panel)}{where}"

    return called
