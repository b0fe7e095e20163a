"""The drawing follows Grafana's lengths and rules, each of which has its place in its source."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboards.preview import facts, lettering, screen, titles
from dashboards.preview.answers import Series, Span
from dashboards.preview.colours import THEMES, contrasting, readable_on
from dashboards.preview.dashboard import Place
from dashboards.preview.draw.axes import time_ticks, value_ticks
from dashboards.preview.draw.state_timeline import ranges, states
from dashboards.preview.fields import Field, FieldConfig
from tests.not_empty import not_empty
from tests.test_dashboards.preview_samples import panel, thresholds

DARK = THEMES["dark"]
SOURCE = os.environ.get("GRAFANA_SOURCE", "")
PACKAGE = Path(facts.__file__).parent


class TestPlaces:
    def test_each_fact_is_followed_in_a_module(self) -> None:
        for fact in not_empty(facts.FACTS):
            assert (PACKAGE / f"{fact.followed_in}.py").is_file(), fact
            assert ": " in fact.place, fact

    def test_each_place_is_in_the_source(self) -> None:
        """Looked up only where `GRAFANA_SOURCE` is the folder of it."""
        for fact in not_empty(facts.FACTS):
            path, what = fact.place.rsplit(": ", 1)
            assert path.startswith(("packages/", "public/")), fact
            if SOURCE:
                assert what in (Path(SOURCE) / path).read_text(encoding="utf-8"), fact


class TestScreen:
    @pytest.mark.parametrize(
        ("window", "columns", "width"),
        [(1440, 24, 1093), (1440, 12, 543), (1440, 8, 359), (1440, 6, 267), (1440, 3, 130),
         (1280, 24, 933), (1280, 6, 227), (1100, 24, 1053)],
    )  # fmt: skip
    def test_panels_share_what_remains_beside_menu_and_scroll_bar(
        self, window: int, columns: int, width: int
    ) -> None:
        assert screen.panel_box(Place(0, 0, columns, 8), window).width == width

    def test_a_cell_is_30_high_and_8_are_between(self) -> None:
        box = screen.panel_box(Place(6, 2, 6, 8), 1440, top=100)
        assert (box.y, box.height) == (100 + 2 * 38, 8 * 30 + 7 * 8)
        assert box.x - screen.panel_box(Place(0, 2, 6, 8), 1440).right == pytest.approx(8, abs=1)

    def test_stats_reach_the_border(self) -> None:
        box = screen.Box(0, 0, 200, 144)
        stat = screen.content_box(box, "stat", has_title=True)
        assert (stat.width, stat.height) == (198, 144 - 32 - 2)
        lines = screen.content_box(box, "timeseries", has_title=True)
        assert (lines.width, lines.height) == (198 - 16, 144 - 32 - 2 - 16)

    def test_controls_take_a_line_more_where_they_have_no_room(self) -> None:
        names = [f"variable {number}" for number in range(4)]
        document = {"templating": {"list": [{"name": name, "type": "query"} for name in names]}}
        assert screen.controls_lines(document, 1440) == 2
        assert screen.controls_height(document, 1440) == 80 + 16 + 32 + 8 + 32 + 16
        hidden = {"templating": {"list": [{"name": "x", "type": "query", "hide": 2}]}}
        assert screen.controls_height(hidden, 1440) == 80 + 16 + 32 + 16


class TestTitles:
    @pytest.mark.parametrize(
        ("beside", "room"),
        [
            ({}, 200 - 2 - 16 - 24),
            ({"description": "why"}, 200 - 2 - 16 - 24 - 32),
            ({"links": [{"title": "one"}]}, 200 - 2 - 16 - 24 - 32),
            ({"links": [{"title": "one"}, {"title": "two"}]}, 200 - 2 - 16 - 24 - 34),
        ],
    )
    def test_what_is_beside_takes_its_room(self, beside: dict[str, Any], room: float) -> None:
        assert titles.title_room(beside, 200) == room

    def test_a_range_of_its_own_takes_its_words(self) -> None:
        own = {"timeFrom": "24h", "timeShift": "1d"}
        assert titles.time_words(own) == "Last 24 hours + timeshift -1d"
        assert titles.time_words({**own, "hideTimeOverride": True}) == ""
        assert titles.title_room(own, 400) < titles.title_room({}, 400) - 150

    def test_eight_tiles_in_a_row_leave_a_letter(self) -> None:
        place = {"x": 0, "y": 0, "w": 3, "h": 4}
        look = {"description": "why", "links": [{"title": "graph"}]}
        tile = panel("stat", "up", title="Availability", place=place, **look)
        (cut,) = titles.cut_titles({"panels": [tile]}, 1440)
        assert (cut.title, cut.seen) == ("Availability", "A…")
        assert "'Availability' reads 'A…'" in str(cut)
        inside = {"type": "row", "gridPos": {**place, "w": 24}, "panels": [tile]}
        assert titles.cut_titles({"panels": [inside]}, 1440) == [cut]

    def test_a_short_title_of_a_fifth_is_whole(self) -> None:
        place = {"x": 0, "y": 0, "w": 4, "h": 4}
        assert (
            titles.cut_titles({"panels": [panel("stat", title="Pages", place=place)]}, 1440) == []
        )


class TestLettering:
    def test_widths_are_those_of_inter(self) -> None:
        # At this size a unit of the font is a pixel.
        assert lettering.text_width("Ab", 2048, spacing=0) == 1413 + 1254
        assert lettering.text_width("Ab", 14) - lettering.text_width("Ab", 14, spacing=0) == (
            pytest.approx(0.3)
        )

    def test_texts_are_cut_and_wrapped_to_their_room(self) -> None:
        assert lettering.cut("short", 200) == "short"
        shown = lettering.cut("a name that is far too long", 80)
        assert shown.endswith("…")
        assert lettering.text_width(shown) <= 80
        assert lettering.cut("anything", 1) == "a…"
        lines = lettering.wrapped("several words that need several lines", 90)
        assert " ".join(lines) == "several words that need several lines"
        assert all(lettering.text_width(line) <= 90 for line in not_empty(lines))


class TestAxes:
    @pytest.mark.parametrize(
        ("ends", "height", "unit", "labels"),
        [
            ((0, 1), 160, "s", ["0 s", "200 ms", "400 ms", "600 ms", "800 ms", "1 s"]),
            ((0.9979, 1), 90, "percentunit", ["99.8%", "99.85%", "99.9%", "99.95%", "100%"]),
            ((0, 300 * 2**20), 90, "bytes", ["0 B", "64 MiB", "128 MiB", "192 MiB", "256 MiB"]),
            ((0, 100), 160, "percentunit", ["0%", "2000%", "4000%", "6000%", "8000%", "10000%"]),
        ],
    )
    def test_ticks_are_round_and_told_apart(
        self, ends: tuple[float, float], height: float, unit: str, labels: list[str]
    ) -> None:
        ticks = value_ticks(*ends, height, Field({"unit": unit}), DARK)
        assert [label for _, label in ticks] == labels

    def test_counts_without_digits_have_whole_ticks(self) -> None:
        ticks = value_ticks(0, 1, 90, Field({"decimals": 0}), DARK)
        assert [label for _, label in ticks] == ["0", "1"]

    def test_times_are_whole_hours_or_days(self) -> None:
        noon = 1_764_072_000
        day = time_ticks(Span(noon - 6 * 3600, noon), 300)
        assert [label for _, label in day] == [f"{hour:02}:00" for hour in range(6, 13)]
        weeks = time_ticks(Span(noon - 35 * 86400, noon), 400)
        assert all(at % 86400 == 0 and len(label) == len("11/24") for at, label in not_empty(weeks))


class TestTimelines:
    NULLS = (
        {"type": "value", "options": {"0": {"text": "up", "color": "green"}}},
        {
            "type": "special",
            "options": {"match": "null+nan", "result": {"text": "unknown", "color": "#808080"}},
        },
    )

    def lane(self, values: list[tuple[int, float]], **settings: Any) -> list[tuple[Any, ...]]:
        """Begin, end, text and colour of each box, over ten steps of a minute."""
        field = FieldConfig.read({"defaults": settings}, "state-timeline").of("x", span=(0, 2))
        times, numbers = zip(*values, strict=True)
        series = Series("x", "A", {}, np.array(times, float), np.array(numbers, float))
        found = states(series, field, Span(0, 600), 60, DARK, merges=True)
        return [(each.start, each.end, each.shown.text, each.shown.colour) for each in found]

    def minutes(self, *values: float) -> list[tuple[int, float]]:
        return [(number * 60, value) for number, value in enumerate(values)]

    def test_colours_by_thresholds_replace_the_mappings_by_ranges(self) -> None:
        values = self.minutes(*([0.0] * 5), *([2.0] * 6))
        alone = {"steps": [{"color": "blue", "value": None}]}
        by = {"color": {"mode": "thresholds"}, "mappings": list(self.NULLS)}
        assert self.lane(values, thresholds=alone, **by) == [(0, 600, "-∞+", "#5794f2")]
        two = thresholds(("green", None), ("red", 2))
        assert self.lane(values, thresholds=two, **by) == [
            (0, 300, "< 2", "#73bf69"),
            (300, 600, "2+", "#f2495c"),
        ]

    def test_other_colours_show_the_mappings_and_what_is_unknown(self) -> None:
        settings = {"color": {"mode": "fixed", "fixedColor": "text"}, "mappings": list(self.NULLS)}
        values = [each for each in self.minutes(*([0.0] * 11)) if not 200 < each[0] < 400]
        assert self.lane(values, **settings) == [
            (0, 240, "up", "#73bf69"),
            (240, 420, "unknown", "#808080"),
            (420, 600, "up", "#73bf69"),
        ]

    def test_without_a_mapping_no_value_is_a_hole(self) -> None:
        values = [each for each in self.minutes(*([0.0] * 11)) if not 200 < each[0] < 400]
        settings = {"color": {"mode": "fixed", "fixedColor": "text"}}
        assert [(s, e) for s, e, _, _ in self.lane(values, **settings)] == [(0, 240), (420, 600)]
        blended = self.lane(values, mappings=list(self.NULLS))
        assert [(s, e) for s, e, _, _ in blended] == [(0, 240), (420, 600)]

    def test_before_the_first_and_after_the_last_sample_nothing_is_known(self) -> None:
        settings = {"color": {"mode": "fixed"}, "mappings": list(self.NULLS)}
        assert [each[:3] for each in self.lane([(180, 0.0), (240, 0.0)], **settings)] == [
            (0, 180, "unknown"),
            (180, 300, "up"),
            (300, 600, "unknown"),
        ]

    def test_ranges_are_called_by_the_unit(self) -> None:
        steps = thresholds(("green", None), ("orange", 0.5), ("red", 90))
        named = ranges(Field({"unit": "s", "thresholds": steps}), DARK)
        assert [each.text for each in named] == ["< 500 ms", "500 ms+", "1.50 mins+"]


def test_ink_on_colours() -> None:
    assert [readable_on(colour) for colour in ("#f2495c", "#fade2a")] == ["#f7f8fa", "#202226"]
    assert [contrasting(colour) for colour in ("#1f60c4", "#73bf69")] == ["#ffffff", "#000000"]
