"""How dashboards look and lead on, in the JSON that Grafana gets."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from alerts import generated, paths
from alerts.model import (
    Comparison,
    Dashboard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.signals import operations
from app.core import catalogue
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.boards import dashboard_files
from dashboards.choices import DEPLOYMENT
from dashboards.colours import MEANING, SEVERITY, Colour, fixed, shaded, signal_steps
from dashboards.grafana import to_json
from dashboards.panels import Query, bars, stat, state_timeline, timeseries
from dashboards.panels.states import UNKNOWN_STATE
from dashboards.preview.fields import FieldConfig
from dashboards.queries import panels
from dashboards.signals import signal, signal_stat
from tests.not_empty import not_empty

FILES = not_empty(sorted(paths.DASHBOARDS.glob("*.json")))
DOCUMENTS = [json.loads(file.read_text(encoding="utf-8")) for file in FILES]
PANELS = [panel for document in DOCUMENTS for panel in panels(document)]

GOOD = "Good is little."


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def written(*rows: Row) -> dict[str, Any]:
    """The JSON of a dashboard of these rows."""
    document: dict[str, Any] = json.loads(
        to_json(dashboard(Dashboard.OVERVIEW, "try", "For a test.", rows))
    )
    return document


def watched(*thresholds: tuple[Comparison, float, Severity]) -> Signal:
    """A signal with these thresholds."""
    return Signal(
        title="Share",
        meaning=GOOD,
        unit=Unit.RATIO,
        source=Record("job:share:ratio", "vector(1)"),
        thresholds=tuple(
            Threshold(
                "A",
                comparison,
                value,
                severity=severity,
                team=Team.PLATFORM,
                summary="",
                description="",
                action="",
            )
            for comparison, value, severity in thresholds
        ),
    )


def test_the_committed_dashboards_are_the_generated_ones() -> None:
    assert generated.drift(paths.DASHBOARDS, dashboard_files(Thresholds(), Links())) == []


def test_generating_twice_gives_the_same() -> None:
    assert dashboard_files(Thresholds(), Links()) == dashboard_files(Thresholds(), Links())


def test_each_of_the_set_is_there() -> None:
    assert {document["uid"] for document in DOCUMENTS} == set(Dashboard)


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
class TestEveryDashboard:
    def test_can_be_imported_anywhere(self, document: dict[str, Any]) -> None:
        names = [variable["name"] for variable in document["templating"]["list"]]
        assert names[0] == "datasource"
        if document["uid"] != Dashboard.LOGS:
            assert names[:4] == ["datasource", "cluster", "environment", "job"]
            # Without a Loki a variable for it would be in error on every dashboard.
            assert "logs" not in names
        assert 39 <= document["schemaVersion"] <= 41
        assert document["graphTooltip"] == 1
        assert "id" not in document or document["id"] is None

    def test_has_nulls_only_where_a_first_threshold_begins(self, document: dict[str, Any]) -> None:
        def nulls(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
            if value is None:
                yield path
            elif isinstance(value, dict):
                for key, inner in value.items():
                    yield from nulls(inner, (*path, key))
            elif isinstance(value, list):
                for position, inner in enumerate(value):
                    yield from nulls(inner, (*path, position))

        ends = {(path[-3], *path[-2:]) for path in nulls(document)}
        assert ends == {("steps", 0, "value")}

    def test_rows_are_as_wide_as_the_page(self, document: dict[str, Any]) -> None:
        lines: dict[int, int] = {}
        for panel in document["panels"]:
            if panel["type"] != "row":
                place = panel["gridPos"]
                lines[place["y"]] = lines.get(place["y"], 0) + place["w"]
        assert set(not_empty(lines.values())) <= {24, 16}


class TestThresholds:
    def test_are_lines_in_the_colour_of_what_they_ask(self) -> None:
        both = watched(
            (Comparison.ABOVE, 0.1, Severity.TICKET), (Comparison.ABOVE, 0.2, Severity.PAGE)
        )
        document = written(Row("R", (signal(both),)))
        (panel,) = panels(document)
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["custom"]["thresholdsStyle"] == {"mode": "dashed"}
        assert defaults["thresholds"]["steps"] == [
            {"color": "green", "value": None},
            {"color": "orange", "value": 0.1},
            {"color": "red", "value": 0.2},
        ]
        assert "above 20%, page" in panel["description"]

    def test_of_one_value_the_worst_is_drawn(self) -> None:
        both = watched(
            (Comparison.ABOVE, 0.1, Severity.PAGE), (Comparison.ABOVE, 0.1, Severity.TICKET)
        )
        (panel,) = panels(written(Row("R", (signal(both),))))
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:] == [
            {"color": "red", "value": 0.1}
        ]

    def test_a_number_is_coloured_by_the_worst_alert_that_it_would_raise(self) -> None:
        falling = watched(
            (Comparison.BELOW, 0.1, Severity.TICKET), (Comparison.BELOW, 0.05, Severity.PAGE)
        )
        assert signal_steps(falling) == [
            {"color": "red", "value": None},
            {"color": "orange", "value": 0.05},
            {"color": "green", "value": 0.1},
        ]
        any_at_all = watched((Comparison.ABOVE, 0, Severity.TICKET))
        good, bad = signal_steps(any_at_all)
        assert good == {"color": "green", "value": None}
        # Grafana colours from a value on; nothing at all has to stay green.
        assert bad["color"] == "orange"
        assert 0 < bad["value"] < 0.01

    def test_a_number_that_no_alert_looks_at_is_not_called_good(self) -> None:
        slow = operations.slow(Thresholds())
        assert [step["color"] for step in signal_steps(slow, 'component="database"')] == [
            "green",
            "orange",
        ]
        (only,) = signal_steps(slow, 'component="ai_provider"')
        assert only["color"] == Colour.NEUTRAL


class TestSignals:
    @staticmethod
    def asked(panel: Any) -> str:
        """What the panel asks."""
        (found,) = panels(written(Row("R", (panel,))))
        (target,) = found["targets"]
        return str(target["expr"])

    def test_a_panel_by_the_label_of_an_alert_shows_all_its_values(self) -> None:
        slow = operations.slow(Thresholds())
        assert "database" not in self.asked(signal(slow, "component"))
        assert 'component="database"' in self.asked(signal(slow))

    def test_a_panel_of_alerts_of_different_series_shows_those_of_each(self) -> None:
        failing = operations.failing(Thresholds())
        assert len({threshold.matchers for threshold in failing.thresholds}) > 1
        assert "component=" not in self.asked(signal(failing))

    def test_one_number_is_the_worst_there_is(self) -> None:
        rising = watched((Comparison.ABOVE, 0.1, Severity.TICKET))
        falling = watched((Comparison.BELOW, 0.1, Severity.TICKET))
        series = f'job:share:ratio{{{DEPLOYMENT},job=~"$job"}}'
        assert self.asked(signal_stat("Now", rising)) == f"max({series})"
        assert self.asked(signal_stat("Now", falling)) == f"min({series})"


class TestPanels:
    def test_ids_outlive_new_neighbours_and_moves(self) -> None:
        def ids(*rows: Row) -> dict[str, int]:
            return {panel["title"]: panel["id"] for panel in panels(written(*rows))}

        def lines(name: str) -> Any:
            return timeseries(name, GOOD, Unit.COUNT, Query("vector(1)", "one"))

        before = ids(Row("R", (lines("A"), lines("B"))))
        after = ids(Row("Q", (lines("C"),)), Row("R", (lines("B"), lines("A"))))
        assert before.items() <= after.items()

    def test_a_row_goes_on_below_when_it_is_full(self) -> None:
        def lines(name: str) -> Any:
            return timeseries(name, GOOD, Unit.COUNT, Query("vector(1)", "one"))

        document = written(Row("R", tuple(map(lines, "ABC")), columns=2), Row("S", (lines("D"),)))
        places = {p["title"]: (p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels(document)}
        assert places == {"A": (0, 1), "B": (12, 1), "C": (0, 9), "D": (0, 18)}

    def test_a_closed_row_keeps_its_panels_to_itself(self) -> None:
        inside = timeseries("A", GOOD, Unit.COUNT, Query("vector(1)", "one"))
        (row,) = written(Row("R", (inside,), closed=True))["panels"]
        assert row["collapsed"] is True
        assert [panel["title"] for panel in row["panels"]] == ["A"]

    def test_a_value_with_a_meaning_has_its_colour(self) -> None:
        by_route = timeseries("A", GOOD, Unit.COUNT, Query("vector(1)", "{{route}}"))
        (panel,) = panels(written(Row("R", (by_route,))))
        colours = {
            override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
            for override in panel["fieldConfig"]["overrides"]
        }
        assert colours["failed"] == Colour.BAD
        assert colours["auto_sent"] == Colour.GOOD

    def test_counts_of_an_hour_are_drawn_once_an_hour(self) -> None:
        hourly = Query("vector(1)", "one", step="1h")
        counted = bars("A", GOOD, Unit.COUNT, hourly, last="24h")
        (panel,) = panels(written(Row("R", (counted,))))
        assert panel["targets"][0]["interval"] == "1h"
        # In a shorter range there is half a bar, in a longer one every second hour is missing.
        assert panel["timeFrom"] == "24h"
        # An hour's bar ends at its time.
        assert panel["fieldConfig"]["defaults"]["custom"]["barAlignment"] == -1

    def test_the_next_question_is_one_click_away_in_the_same_range(self) -> None:
        leading = timeseries(
            "A", GOOD, Unit.COUNT, Query("vector(1)", "one"), links=(Dashboard.AI,)
        )
        (panel,) = panels(written(Row("R", (leading,))))
        (link,) = panel["links"]
        assert link["url"].startswith(f"/d/{Dashboard.AI}?${{__url_time_range}}&")
        assert "${job:queryparam}" in link["url"]


def test_durations_show_exemplars() -> None:
    targets = [t for panel in PANELS for t in panel.get("targets", []) if "exemplar" in t]
    assert targets
    buckets = [metric.bucket for metric in catalogue.metrics()]
    for target in targets:
        assert target["exemplar"] is True
        # Only what is scraped has exemplars, nothing that is recorded.
        assert any(f"{bucket}{{" in target["expr"] for bucket in buckets)


def test_lines_are_one_click_away_without_a_loki_on_this_dashboard() -> None:
    (panel,) = panels(written(Row("R", (signal(operations.failing(Thresholds())),))))
    (link,) = (link for link in panel["links"] if "Log lines" in link["title"])
    assert link["url"].startswith(f"/d/{Dashboard.LOGS}?")
    assert "var-event=operation_failed" in link["url"]
    for each in not_empty(PANELS):
        assert "${logs}" not in json.dumps(each.get("links", []))


class TestWhatIsNotKnown:
    """Nothing that is not known has the colour of good, or a text that says so."""

    def test_a_number_without_a_value_is_grey_and_says_so(self) -> None:
        good = signal_stat("A", watched((Comparison.ABOVE, 0.1, Severity.PAGE)), empty="Not known")
        (panel,) = panels(written(Row("R", (good,))))
        (special,) = panel["fieldConfig"]["defaults"]["mappings"]
        assert special["options"] == {
            "match": "null+nan",
            "result": {"text": "Not known", "color": Colour.UNKNOWN, "index": 0},
        }

    def test_a_number_is_of_now_and_not_of_when_it_was_known_last(self) -> None:
        shown = stat("A", GOOD, Unit.COUNT, Query("vector(1)", "one"), [])
        (panel,) = panels(written(Row("R", (shown,))))
        assert panel["targets"][0]["instant"] is True
        assert panel["options"]["reduceOptions"]["calcs"] == ["last"]

    def test_a_lane_without_a_series_is_there_and_grey(self) -> None:
        query = Query("vector(1)", "one")
        lanes = state_timeline("A", GOOD, query, states={"1": ("up", Colour.GOOD)})
        (panel,) = panels(written(Row("R", (lanes,))))
        assert f"vector(1) or on () vector({UNKNOWN_STATE})" in panel["targets"][0]["expr"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["color"]["mode"] == "fixed"
        assert [each["type"] for each in defaults["mappings"]] == ["value", "special"]


def test_no_series_is_red_or_green_for_its_place_in_a_legend() -> None:
    modes = {"fixed", "shades", "continuous-BlPu"}
    for panel in not_empty([each for each in PANELS if each["type"] == "timeseries"]):
        assert panel["fieldConfig"]["defaults"]["color"]["mode"] in modes


def test_lines_of_several_deployments_have_shades_of_their_names_colour() -> None:
    (panel,) = (each for each in PANELS if each["title"] == "Failing calls")
    config = FieldConfig.read(panel["fieldConfig"], "timeseries")
    where, colour = " eu-1 production", MEANING["ai_provider"]
    for name, fill in (("ai_provider", None), ("ai_provider, 5 min", "dash")):
        of_all, of_one = config.of(name), config.of(f"{name}{where}")
        assert of_all.settings["color"] == fixed(colour)
        assert of_one.settings["color"] == shaded(colour)
        for each in (of_all, of_one):
            assert each.custom("lineStyle", {}).get("fill") == fill


def test_all_instances_down_is_what_pages_and_some_are_not() -> None:
    (down,) = (each for each in PANELS if each["title"] == "Down")
    (texts, _) = down["fieldConfig"]["defaults"]["mappings"]
    assert texts["options"]["-1"] == {"text": "All", "color": "red", "index": 0}
    steps = down["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["color"] for step in steps] == ["green", "orange"]


def test_a_click_on_an_alert_opens_the_panel_of_its_signal() -> None:
    places = {(d["uid"], panel["id"]): panel for d in DOCUMENTS for panel in panels(d)}
    (table,) = (each for each in PANELS if each["title"] == "Every alert and its limit")
    packed = re.findall(r'"row", "([^"$]+)", "", ""\)', table["targets"][0]["expr"])
    for row in not_empty(packed):
        _, alert, _, _, uid, shown = row.split("|")
        panel = places[uid, int(shown.removeprefix("viewPanel=panel-"))]
        assert panel["type"] != "table", alert


def test_a_component_is_never_red_or_green() -> None:
    states = {*SEVERITY.values(), Colour.GOOD}
    for component in not_empty(catalogue.Component):
        assert MEANING[component] not in states


def test_no_table_says_that_there_is_nothing_while_prometheus_cannot_be_asked() -> None:
    tables = [panel for panel in PANELS if panel["type"] == "table"]
    for table in not_empty(tables):
        assert table["fieldConfig"]["defaults"]["noValue"] == "Not known", table["title"]
