"""The document of outages holds what was seen, and names what is untrue of it, and only that."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerts import paths
from dashboards.deployments import legend_with_where
from tests.not_empty import not_empty
from tests.outages import document
from tests.outages.causes import OUTAGES, Outage
from tests.outages.overview import BOARD, Part
from tests.outages.surfaces import Surface
from tests.outages.untrue import USUAL, of_overview, untruths

LANES = "What works, and since when?"


def test_each_surface_was_seen_in_each_outage() -> None:
    text = document.FILE.read_text()
    for outage in not_empty(OUTAGES):
        _, found, section = text.partition(f"\n## {outage.title}\n")
        assert found, f"{outage.name} was not seen; python -m tests.outages {outage.name}"
        section = section.partition("\n## ")[0]
        for surface in not_empty(Surface):
            assert re.search(rf"^\\| {surface} \\| \S.* \\|$", section, re.MULTILINE), (
                f"{outage.name}: {surface} was not seen"
            )


def test_what_an_outage_declares_is_on_the_overview() -> None:
    board = json.loads((paths.DASHBOARDS / f"{BOARD}.json").read_text())
    panels = [panel for panel in not_empty(board["panels"]) if panel.get("targets")]
    lanes = [
        target["legendFormat"].removesuffix(legend_with_where(""))
        for panel in panels
        if panel["type"] == "state-timeline"
        for target in panel["targets"]
    ]
    there = {panel["title"] for panel in panels} | {*lanes}
    for outage in not_empty(OUTAGES):
        declared = outage.ill | outage.unknown | outage.touched | USUAL
        assert not declared - there, outage.name


def _an_outage(**declared: Any) -> Outage:
    nothing: dict[str, Any] = {"ill": frozenset(), "unknown": frozenset()}
    return replace(OUTAGES[0], **nothing | declared)


def _lane(name: str, text: str, colour: str) -> Part:
    return Part(LANES, "state-timeline", name, text, colour)


def _tile(title: str, text: str, colour: str) -> Part:
    return Part(title, "stat", "", text, colour)


OF_THE_AI = _an_outage(ill=frozenset({"AI"}), unknown=frozenset({"Managers"}))


@pytest.mark.parametrize(
    "parts",
    [
        (_lane("AI", "failing", "red"), _lane("Managers", "Not known", "grey")),
        (_lane("AI", "Not known", "grey"), _lane("Managers", "Not known", "grey")),
        (_lane("AI", "worse", "orange"), _lane("Managers", "Not known", "grey")),
        # Of other parts it may be said that they are well, or late, or that nothing is known.
        (
            _lane("AI", "failing", "red"),
            _lane("Managers", "Not known", "grey"),
            _lane("API", "well", "green"),
            _lane("SMS", "worse", "orange"),
            _tile("Pages", "0", "green"),
            _tile("SMS vs usual", "Not known", "grey"),
        ),
        # A Prometheus that does not answer leaves one panel without lanes.
        (_lane("", "Not known", "grey"),),
    ],
)
def test_what_is_so_is_not_called_untrue(parts: tuple[Part, ...]) -> None:
    assert [*of_overview(OF_THE_AI, parts)] == []


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (_lane("AI", "well", "green"), 'AI "well" green: it is not well'),
        (_lane("Managers", "well", "green"), 'Managers "well" green: it can\'t be known'),
        (_lane("Managers", "failing", "red"), 'Managers "failing" red: it can\'t be known'),
        (_lane("Managers", "0", "grey"), 'Managers "0" grey: it can\'t be known'),
        (_lane("API", "failing", "red"), 'API "failing" red: nothing is wrong with it'),
        (_tile("SMS vs usual", "0%", "red"), 'SMS vs usual "0%" red: it can\'t be known'),
        (
            _tile("Breakers", "No data", "green"),
            'Breakers "No data" green: nothing is known, but its colour judges',
        ),
    ],
)
def test_what_isnt_so_is_named(part: Part, named: str) -> None:
    true = {"AI": _lane("AI", "failing", "red"), "Managers": _lane("Managers", "Not known", "grey")}
    true.pop(part.name, None)
    assert [*of_overview(OF_THE_AI, [part, *true.values()])] == [named]


def test_a_lane_that_should_say_something_is_missed() -> None:
    parts = [_lane("AI", "failing", "red")]
    assert [*of_overview(OF_THE_AI, parts)] == ["Managers is not there"]


WELL: dict[str, Any] = {
    "words": {
        Surface.JSON: ["200, complete true, health ok"],
        Surface.PAGE: ["Health: Fine"],
        Surface.OVERVIEW: [],
        Surface.MESSAGE: ["none"],
        Surface.STATUS: ["Alerts: none fires"],
    },
    "evidence": {
        "json": {"body": {"throughput": {"per_hour": None}, "health": {}}},
        "page": {"health": "Fine", "connection": "live", "bars": 3, "unknown": 55},
        "overview": [],
        "status": {"code": 0},
    },
}


@pytest.mark.parametrize("surface", [each for each in Surface if each is not Surface.OVERVIEW])
def test_a_surface_that_says_nothing_of_an_outage_is_named(surface: Surface) -> None:
    assert [*untruths(_an_outage(told_by=frozenset({surface})), WELL)] == [
        f"{surface}: says nothing of it"
    ]


def test_an_outage_that_is_made_again_leaves_what_was_seen_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "outages.md"
    committed = document.FILE.read_text(encoding="utf-8")
    file.write_text(committed, encoding="utf-8")
    document.write({}, file)
    assert file.read_text(encoding="utf-8") == committed
    sight = WELL | {"outage": "night", "day": "1 May 2027", "seconds": 300.0}
    document.write({"night": sight}, file)
    written = file.read_text(encoding="utf-8")
    assert "1 May 2027;" in written
    changed = {*written.splitlines()} ^ {*committed.splitlines()}
    assert {line.partition("](")[0] for line in changed if line.startswith("| [")} == {
        "| [No traffic at night"
    }


def test_what_cannot_have_been_counted_is_named() -> None:
    outage = _an_outage(told_by=frozenset())
    assert [*untruths(outage, WELL)] == []
    page = {"health": "Fine", "bars": 3, "unknown": 0}
    body = {"throughput": {"per_hour": 146}, "health": {}}
    ahead = {**WELL, "evidence": {**WELL["evidence"], "page": page, "json": {"body": body}}}
    found = [text.partition(":")[0] for text in untruths(outage, ahead)]
    assert found == [Surface.PAGE, Surface.JSON]
    blind = _an_outage(told_by=frozenset(), unknown=frozenset({"Pages"}))
    assert f"{Surface.STATUS}: says that no alert fires, which can't be known" in [
        *untruths(blind, WELL)
    ]
