"""The overview: JSON of today's Grafana, queries that parse, panels that explain themselves."""

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from alerts import generated, paths
from alerts.expressions import Vocabulary
from alerts.model import DASHBOARD_UID, Signal, records
from alerts.signals import groups, operations
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards.boards import dashboard_files
from dashboards.queries import expressions, panels

GROUPS = groups(Thresholds())
VOCABULARY = Vocabulary(records(GROUPS))
FILES = sorted(paths.DASHBOARDS.glob("*.json"))
DOCUMENTS = [json.loads(text) for text in dashboard_files(Thresholds()).values()]
PANELS = [panel for document in DOCUMENTS for panel in panels(document)]


def title(panel: dict[str, Any]) -> str:
    return str(panel["title"])


def test_the_committed_dashboards_are_the_generated_ones() -> None:
    assert generated.drift(paths.DASHBOARDS, dashboard_files(Thresholds())) == []


def test_generating_twice_gives_the_same() -> None:
    assert dashboard_files(Thresholds()) == dashboard_files(Thresholds())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_queries_speak_only_of_what_exists(file: Path) -> None:
    found = expressions(file)
    assert len(found) >= len(list(panels(json.loads(file.read_text()))))
    for panel, expr in found:
        assert VOCABULARY.problems(expr) == [], f"panel {panel!r}"


def test_alerts_link_to_a_dashboard_that_exists() -> None:
    assert DASHBOARD_UID in [document["uid"] for document in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
class TestDashboard:
    def test_can_be_imported_anywhere(self, document: dict[str, Any]) -> None:
        names = [variable["name"] for variable in document["templating"]["list"]]
        assert names == ["datasource", "logs", "job", "instance"]
        assert 39 <= document["schemaVersion"] <= 41
        assert document["editable"] is False
        assert document["graphTooltip"] == 1
        assert document["tags"]
        assert document["description"]

    def test_has_no_key_that_grafana_dropped(self, document: dict[str, Any]) -> None:
        dead = {"rows", "style", "hideControls", "sharedCrosshair", "__inputs", "time_options"}
        dead_in_panel = {"editable", "error", "span", "height"}
        assert not dead & document.keys()
        for panel in document["panels"]:
            assert not dead_in_panel & panel.keys()

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

        assert {path[-4:] for path in nulls(document)} <= {("thresholds", "steps", 0, "value")}

    def test_ids_are_its_own(self, document: dict[str, Any]) -> None:
        ids = [panel["id"] for panel in document["panels"]]
        assert len(ids) == len(set(ids))

    def test_panels_fill_the_grid_without_overlap(self, document: dict[str, Any]) -> None:
        def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
            place = panel["gridPos"]
            return {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }

        places = [cells(panel) for panel in document["panels"]]
        assert all(not one & other for one, other in combinations(places, 2))
        widths = {x for place in places for x, _ in place}
        assert widths == set(range(24))


@pytest.mark.parametrize("panel", PANELS, ids=title)
class TestPanel:
    def test_says_what_it_shows_and_in_what_unit(self, panel: dict[str, Any]) -> None:
        assert len(panel["description"]) > 20
        assert panel["fieldConfig"]["defaults"]["unit"]

    def test_asks_the_chosen_data_source(self, panel: dict[str, Any]) -> None:
        datasource = {"type": "prometheus", "uid": "${datasource}"}
        assert panel["datasource"] == datasource
        for target in panel["targets"]:
            assert target["datasource"] == datasource
            assert target["legendFormat"]

    def test_asks_for_the_chosen_jobs(self, panel: dict[str, Any]) -> None:
        # Alerts carry no job where nothing is left of it.
        if panel["title"] != "Firing alerts":
            assert all('job=~"$job"' in target["expr"] for target in panel["targets"])


@pytest.mark.parametrize(
    ("signal", "limits"),
    [
        (operations.failing(Thresholds(ai_error_ratio=0.3)), [0.3]),
        # Grafana colours from a value on, the alert fires above it: more than 0 is 1 and up.
        (operations.breakers_not_closed(), [1]),
    ],
    ids=lambda value: getattr(value, "title", ""),
)
def test_a_panel_draws_the_thresholds_of_its_signal(signal: Signal, limits: list[float]) -> None:
    thresholds = Thresholds(ai_error_ratio=0.3)
    (text,) = dashboard_files(thresholds).values()
    (panel,) = (
        panel
        for panel in panels(json.loads(text))
        if panel["title"] == signal.title and panel["type"] == "timeseries"
    )
    defaults = panel["fieldConfig"]["defaults"]
    assert [step["value"] for step in defaults["thresholds"]["steps"]] == [None, *limits]
    assert defaults["custom"]["thresholdsStyle"] == {"mode": "dashed"}


class TestQueries:
    @pytest.fixture
    def dashboard(self, tmp_path: Path) -> Callable[[str], Path]:
        def write(expr: str) -> Path:
            file = tmp_path / "board.json"
            inner = {"type": "stat", "title": "P", "targets": [{"expr": expr}]}
            row = {"type": "row", "title": "R", "panels": [inner]}
            file.write_text(json.dumps({"panels": [row]}))
            return file

        return write

    def test_variables_are_filled_in(self, dashboard: Callable[[str], Path]) -> None:
        file = dashboard('rate(up{job=~"${job:regex}",instance=~"$instance"}[$__rate_interval])')
        assert expressions(file) == [("P", 'rate(up{job=~".+",instance=~".+"}[1m])')]

    def test_an_unknown_variable_is_named_with_its_panel(
        self, dashboard: Callable[[str], Path]
    ) -> None:
        with pytest.raises(ValueError, match=r"board\.json: panel 'P': no variable \$jbo; there"):
            expressions(dashboard('up{job=~"$jbo"}'))


def asked_of_loki(url: str) -> dict[str, Any]:
    """What a link to Explore asks, with Grafana's variables filled in."""
    for name, value in {"logs": "loki", "__from": "1000", "__to": "2000"}.items():
        url = url.replace(f"${{{name}}}", value)
    (panes,) = parse_qs(urlsplit(url).query)["panes"]
    asked: dict[str, Any] = json.loads(panes)["logs"]
    return asked


def test_the_logs_of_the_same_range_and_service_are_one_click_away() -> None:
    for document in DOCUMENTS:
        (link,) = document["links"]
        asked = asked_of_loki(link["url"])
        assert asked["datasource"] == "loki"
        assert asked["range"] == {"from": "1000", "to": "2000"}
        assert '{service="orchestrator"' in asked["queries"][0]["expr"]


def test_a_panel_whose_alert_has_log_lines_leads_to_them() -> None:
    linked = {panel["title"]: panel["links"] for panel in PANELS if panel.get("links")}
    assert operations.failing(Thresholds()).title in linked
    for links in linked.values():
        for link in links:
            expr = asked_of_loki(link["url"])["queries"][0]["expr"]
            assert " | json | event" in expr
            assert "{{" not in expr


def test_durations_show_exemplars() -> None:
    targets = [target for panel in PANELS for target in panel["targets"] if "exemplar" in target]
    assert targets
    for target in targets:
        assert target["exemplar"] is True
        # Only what is scraped has exemplars, nothing that is recorded.
        assert f"{catalogue.SMS_PROCESSING_DURATION.bucket}{{" in target["expr"]
