"""What a dashboard's JSON says about its panels is read as Grafana reads it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboards.preview.answers import Answers, Series
from dashboards.preview.colours import THEMES, Thresholds
from dashboards.preview.dashboard import Target, Transformation
from dashboards.preview.fields import FieldConfig
from dashboards.preview.tables import UnknownTransformationError, sorted_by, table
from tests.test_dashboards.preview_samples import SPAN, panel, read, table_query, thresholds

DARK = THEMES["dark"]


def variable(kind: str, **more: Any) -> dict[str, Any]:
    return {"templating": {"list": [{"name": "v", "type": kind, **more}]}}


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (variable("query", current={"value": ["$__all"]}), ".+"),
        (variable("query", current={"value": "$__all"}, allValue=".*"), ".*"),
        (variable("query", current={"value": ["a", "b"]}), "(a|b)"),
        (variable("query"), ".+"),
        (variable("custom", query="5m,1h"), "5m"),
        (variable("constant", query="x"), "x"),
    ],
)
def test_variables_have_what_the_dashboard_opens_with(
    tmp_path: Path, document: dict[str, Any], value: str
) -> None:
    assert read(tmp_path, **document).variables == {"v": value}


def test_the_range_is_the_dashboards_own(tmp_path: Path) -> None:
    assert read(tmp_path, time={"from": "now-7d", "to": "now"}).range_seconds == 7 * 86400
    assert read(tmp_path).range_seconds == 6 * 3600


def test_hidden_queries_are_left_out(tmp_path: Path) -> None:
    board = read(tmp_path, panel("timeseries", "up", target={"hide": True}))
    assert board.rows[0].panels[0].targets == ()


class TestThresholds:
    def test_a_colour_holds_from_its_value_on(self) -> None:
        found = Thresholds.read(thresholds(("green", None), ("orange", 1), ("red", 2)))
        assert [found.colour(value) for value in (-5, 0.99, 1, 2)] == [
            *("green", "green", "orange", "red")
        ]
        assert found.colour(float("nan")) == "green"

    def test_percentages_are_of_the_limits(self) -> None:
        steps = thresholds(("green", None), ("red", 50)) | {"mode": "percentage"}
        assert Thresholds.read(steps).within(0, 10).limits == (5,)


class TestFields:
    def config(self, matcher: str, wanted: Any) -> FieldConfig:
        properties = [{"id": "unit", "value": "s"}, {"id": "custom.lineWidth", "value": 3}]
        override = {"matcher": {"id": matcher, "options": wanted}, "properties": properties}
        defaults = {"unit": "short", "custom": {"lineWidth": 1}}
        return FieldConfig.read({"defaults": defaults, "overrides": [override]})

    @pytest.mark.parametrize(
        ("matcher", "wanted"),
        [
            ("byName", "p99"),
            ("byRegexp", "/^P9+$/i"),
            ("byFrameRefID", "B"),
            ("byType", "number"),
        ],
    )
    def test_overrides_win_where_they_fit(self, matcher: str, wanted: str) -> None:
        field = self.config(matcher, wanted).of("p99", "B")
        assert (field.unit, field.custom("lineWidth")) == ("s", 3)
        other = self.config(matcher, wanted).of("mean", "A", "string")
        assert (other.unit, other.custom("lineWidth")) == ("short", 1)

    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (1.0, ("up", "#73bf69")),
            (0.0, ("down", "#f2495c")),
            (7.0, ("many", "#5794f2")),
            (3.0, ("3", "#73bf69")),
            (None, ("unknown", "#73bf69")),
        ],
    )
    def test_mappings(self, value: float | None, shown: tuple[str, str]) -> None:
        up, down = {"text": "up", "color": "green"}, {"text": "down", "color": "red"}
        many = {"from": 5, "to": None, "result": {"text": "many", "color": "blue"}}
        mappings = [
            {"type": "value", "options": {"1": up, "0": down}},
            {"type": "range", "options": many},
            {"type": "special", "options": {"match": "null", "result": {"text": "unknown"}}},
        ]
        field = FieldConfig.read({"defaults": {"mappings": mappings}}).of("x")
        found = field.show(value, DARK)
        assert (found.text, found.colour) == shown

    def test_what_would_look_otherwise_in_grafana_is_named(self) -> None:
        defaults = {"unit": "celsius", "color": {"mode": "palette-classic-by-name"}}
        unknown = FieldConfig.read({"defaults": defaults}).defaults.unknown
        assert list(unknown) == ["colours by palette-classic-by-name", "the unit celsius"]


class TestTables:
    def answers(self) -> tuple[Answers, list[Target]]:
        def one(ref: str, job: str, value: float) -> Series:
            return Series(job, ref, {"job": job}, np.array([1000.0]), np.array([value]))

        series = (one("A", "x", 1), one("A", "y", 2), one("B", "y", 3), one("B", "z", 4))
        targets = [table_query(ref) for ref in ("A", "B")]
        return Answers(SPAN, 15, series), targets

    def rows(self, *transformations: Transformation) -> list[dict[str, Any]]:
        return [dict(row) for row in table(*self.answers(), transformations).rows]

    def test_merged_rows_agree_in_their_labels(self) -> None:
        at = {"Time": 1_000_000.0}
        assert self.rows(Transformation("merge", {})) == [
            {"job": "x", "Value #A": 1, **at},
            {"job": "y", "Value #A": 2, "Value #B": 3, **at},
            {"job": "z", "Value #B": 4, **at},
        ]

    @pytest.mark.parametrize(
        ("descends", "jobs"), [(True, ["z", "y", "x"]), (False, ["x", "y", "z"])]
    )
    def test_what_is_missing_is_the_least(self, descends: bool, jobs: list[str]) -> None:
        merged = table(*self.answers(), [Transformation("merge", {})])
        wanted = [{"displayName": "Value #B", "desc": descends}]
        found = sorted_by(merged, wanted, "displayName")
        assert [row["job"] for row in found.rows] == jobs

    def test_a_transformation_that_is_not_known_is_named(self) -> None:
        with pytest.raises(UnknownTransformationError, match="groupBy"):
            self.rows(Transformation("groupBy", {}))


def test_shades_of_a_colour_are_those_that_the_library_makes() -> None:
    # tinycolor2's, as @grafana/data 12.3.0 asks for them.
    assert [DARK.shaded("#5794f2", index) for index in range(12)] == [
        *("#5794f2", "#669fff", "#3b87f0", "#75a9ff", "#207cee", "#84b4ff"),
        *("#1173de", "#92beff", "#0f6ac3", "#a1c8ff", "#0d5fa7", "#5794f2"),
    ]
