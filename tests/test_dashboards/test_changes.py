"""What `python -m dashboards diff` says, of real files in a real git repository."""

import argparse
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import generated
from alerts.rules import rule_files
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.boards import dashboard_files
from dashboards.changes import command, words
from dashboards.changes.comparison import compared
from dashboards.changes.revision import revision
from dashboards.changes.words import COLUMNS, NOTHING
from tests.length import LONG
from tests.not_empty import not_empty
from tests.project import ROOT, python_m

Edit = Callable[[Any], object]

# Any dashboard of the set will do: panels are picked by what they are, not by their names.
BOARD = "overview.json"
COMMITS = 30 if LONG else 5
"""Of this repository, that are compared with what was before."""


@cache
def files(thresholds: Thresholds) -> tuple[dict[str, str], dict[str, str]]:
    """What is generated for some thresholds: rule files and dashboards."""
    return rule_files(thresholds, Links()), dashboard_files(thresholds, Links())


class Checkout:
    """A git repository, and in it the files that this one generates."""

    def __init__(self, folder: Path, printed: Callable[[], str]) -> None:
        self.folder = folder
        self.rules = folder / "prometheus" / "rules"
        self.dashboards = folder / "grafana" / "dashboards"
        self._printed = printed

    def generate(self, thresholds: Thresholds) -> None:
        rules, dashboards = files(thresholds)
        generated.write(self.rules, rules)
        generated.write(self.dashboards, dashboards)

    def git(self, *arguments: str) -> None:
        person = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        asked = ["git", "-C", str(self.folder), "-c", "maintenance.auto=false", *person, *arguments]
        subprocess.run(asked, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=changed")

    def edit_rules(self, name: str, edit: Edit) -> None:
        file = self.rules / f"{name}.yml"
        document = yaml.safe_load(file.read_text())
        edit(document["groups"][0])
        file.write_text(yaml.safe_dump(document))

    def edit_board(self, edit: Edit) -> None:
        file = self.dashboards / BOARD
        document = json.loads(file.read_text())
        edit(document)
        file.write_text(json.dumps(document))

    def said(self, *arguments: str) -> list[str]:
        """The lines of the answer, without the heading and the margins."""
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        assert command.run(parser.parse_args(arguments), self.folder) == 0
        lines = self._printed().splitlines()
        # The heading has the names of the folders, however long.
        assert max(map(len, lines[1:]), default=0) <= COLUMNS
        return [line.strip() for line in lines[1:] if line.strip()]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each test gets a copy of: to make it takes several processes of git."""
    made = Checkout(tmp_path_factory.mktemp("committed"), str)
    made.git("init", "--quiet", "--initial-branch=main", "--template=")
    made.generate(Thresholds())
    made.commit()
    # A folder for each object would be copied as well.
    made.git("repack", "-a", "-d", "--quiet")
    return made.folder


@pytest.fixture
def checkout(committed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    folder = shutil.copytree(committed, tmp_path / "checkout")
    return Checkout(folder, lambda: capsys.readouterr().out)


def alert(name: str, change: Edit) -> Edit:
    """Changes an alert of a group."""
    return lambda group: change(next(r for r in group["rules"] if r.get("alert") == name))


def record(group: dict[str, Any], name: str) -> dict[str, Any]:
    return next(rule for rule in group["rules"] if rule.get("record") == name)


def drawn(board: dict[str, Any]) -> dict[str, Any]:
    """A panel of lines whose title no other has."""
    titles = [panel.get("title") for panel in board["panels"]]
    return next(
        panel
        for panel in board["panels"]
        if panel["type"] == "timeseries" and titles.count(panel["title"]) == 1
    )


def named(board: dict[str, Any]) -> str:
    return f'panel "{drawn(board)["title"]}"'


class TestOneThreshold:
    def test_is_told_of_its_alert_and_of_each_line_that_draws_it(self, checkout: Checkout) -> None:
        checkout.generate(Thresholds(ai_error_ratio=0.2))
        said = checkout.said("HEAD")
        assert said[:3] == [
            "Alerts",
            "operations",
            "AIProviderFailing (page): threshold above 10% -> 20%: less sensitive",
        ]
        # Which panels have it is told by name, or by their number and in parentheses.
        # Lanes and the table of limits have it in their queries.
        told = [line for line in said[3:] if "->" in line and "quer" not in line]
        assert told
        assert all(
            re.fullmatch(r"[^:]*: threshold line 10% -> 20%(; .*)?", line) for line in told
        ), told
        assert not any("description" in line for line in not_empty(said))

    def test_of_an_objective_is_told_once_though_each_window_has_it(
        self, checkout: Checkout
    ) -> None:
        checkout.generate(Thresholds(sms_latency_objective=0.98))
        said = checkout.said("HEAD")
        # Limits are burn rates, and so the same for every objective.
        assert "3 alerts: description: 99% -> 98%" in said
        assert any("job_slo:slo_objective:ratio" in line for line in said), said
        assert not any("condition" in line for line in not_empty(said))


class TestNothing:
    def test_changed_between_a_revision_and_itself(self, checkout: Checkout) -> None:
        assert checkout.said() == [NOTHING]
        assert checkout.said("HEAD", "HEAD") == [NOTHING]
        assert checkout.said("HEAD", "HEAD", "--format", "markdown") == [NOTHING]

    def test_is_formatting(self, checkout: Checkout) -> None:
        for file in checkout.dashboards.glob("*.json"):
            file.write_text(json.dumps(json.loads(file.read_text()), indent=7))

        def spread(group: dict[str, Any]) -> None:
            for rule in group["rules"]:
                rule["expr"] = f"# of old\n {rule['expr']} \n"
                if rule.get("for") == "1m":
                    rule["for"] = "60s"

        for file in checkout.rules.glob("*.yml"):
            checkout.edit_rules(file.stem, spread)

        def spread_queries(board: dict[str, Any]) -> None:
            for panel in board["panels"]:
                for target in panel.get("targets", []):
                    target["expr"] = target["expr"].replace("(", "( ").replace(")", "\n)")

        checkout.edit_board(spread_queries)
        assert checkout.said() == [NOTHING]


class TestAlerts:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                lambda rule: rule["labels"].update(severity="ticket"),
                [
                    "Who is called",
                    "changed",
                    "AIProviderFailing (ticket): severity page -> ticket: wakes nobody any more",
                ],
            ),
            (
                lambda rule: rule.update({"for": "1m"}),
                ["Alerts", "operations", "AIProviderFailing (page): for 75s -> 1m"],
            ),
            (
                lambda rule: rule.pop("keep_firing_for"),
                ["Alerts", "operations", "AIProviderFailing (page): keep_firing_for 525s -> 0s"],
            ),
            (
                lambda rule: rule["labels"].update(tier="1"),
                ["Alerts", "operations", "AIProviderFailing (page, tier=1): label tier unset -> 1"],
            ),
            (
                lambda rule: rule["annotations"].pop("action"),
                ["Alerts", "operations", "AIProviderFailing (page): action removed"],
            ),
            (
                lambda rule: rule.update(alert="ProviderFailing"),
                [
                    "Alerts",
                    "operations",
                    "ProviderFailing (page)",
                    "renamed, was AIProviderFailing: silences and routes by that name miss it",
                    "runbook link moved: …/ProviderFailing -> …/AIProviderFailing",
                ],
            ),
        ],
        ids=["severity", "for", "keep_firing_for", "label", "annotation", "name"],
    )
    def test_change(self, checkout: Checkout, change: Edit, told: list[str]) -> None:
        checkout.edit_rules("operations", alert("AIProviderFailing", change))
        assert checkout.said() == told

    @pytest.mark.parametrize(
        ("expr", "told"),
        [
            ("a >= 1 and b > 5 unless c", ["threshold above 1 -> at least 1"]),
            ("a > 1 and b > 7 unless c", ["condition above 5 -> above 7: b"]),
            ("a > 1 and b > 5", ["condition removed: unless c"]),
            ("a > 1 and on (job) b > 5 unless c", ["condition changed", "- and b > 5"]),
            ("d > 1 and b > 5 unless c", ["expression changed", "- a", "+ d"]),
            ("a > 1 unless c and b > 5", ["expression changed", "- a > 1 and b > 5 unless c"]),
            ("a > 1 and (b > 5 unless c)", ["condition removed: unless c"]),
            ("rate(e[5m])", ["expression changed", "- a > 1 and b > 5 unless c"]),
            ("a < 1 and b > 5 unless c", ["threshold above 1 -> below 1"]),
            ("a > 0.5 and b > 5 unless c", ["threshold above 1 -> 0.5: more sensitive"]),
        ],
    )
    def test_conditions(self, checkout: Checkout, expr: str, told: list[str]) -> None:
        checkout.edit_rules(
            "operations",
            alert("AIProviderFailing", lambda rule: rule.update(expr="a > 1 and b > 5 unless c")),
        )
        checkout.commit()
        checkout.edit_rules(
            "operations", alert("AIProviderFailing", lambda rule: rule.update(expr=expr))
        )
        said = "\n".join(checkout.said("HEAD"))
        for each in not_empty(told):
            assert each in said

    def test_added_and_removed_say_what_they_call_for_pages_first(self, checkout: Checkout) -> None:
        def swap(group: dict[str, Any]) -> None:
            group["rules"] = [
                rule
                for rule in group["rules"]
                if rule.get("alert") not in ("UpstreamFailing", "DatabaseFailing")
            ]
            labels = {"severity": "page", "team": "orchestrator"}
            group["rules"].append({"alert": "New", "expr": "up < 1", "labels": labels})

        checkout.edit_rules("operations", swap)
        assert checkout.said() == [
            "Who is called",
            "added",
            "New (page): below 1",
            "removed",
            "DatabaseFailing (page): above 1% for 75s: Statements of <job> fail in its database",
            "UpstreamFailing (ticket): above 10% for 75s: Calls of <job> to <component> fail",
        ]

    def test_what_many_share_is_told_once(self, checkout: Checkout) -> None:
        links = Links(runbooks_url="https://wiki.example/runbooks")
        generated.write(checkout.rules, rule_files(Thresholds(), links))
        said = checkout.said()
        assert said[0] == "Alerts"
        assert said[1].endswith(
            " alerts: runbook link moved: http://127.0.0.1:8005/… -> https://wiki.example/…"
        )
        assert not any("runbook" in line for line in not_empty(said[2:]))


class TestRecords:
    def test_expression_by_what_differs(self, checkout: Checkout) -> None:
        def change(group: dict[str, Any]) -> None:
            rule = record(group, name)
            rule["expr"] = rule["expr"].replace("[1m]", "[10m]")

        name = "job_component:operations:rate1m"
        checkout.edit_rules("operations", change)
        said = checkout.said()
        assert said[:3] == ["Records", "operations", f"{name}: expression changed"]
        excerpts = [line for line in said[3:] if line[0] in "-+"]
        assert len(excerpts) == 4
        assert all(("[1m]" in line) == line.startswith("-") for line in excerpts)
        assert all(("[10m]" in line) == line.startswith("+") for line in excerpts)

    def test_written_anew_names_what_it_reads(self, checkout: Checkout) -> None:
        long = " + ".join(f"metric_{number}" for number in range(60))
        name = "job_component:operations:rate1m"
        checkout.edit_rules("operations", lambda group: record(group, name).update(expr=long))
        said = " ".join(checkout.said())
        assert "expression written anew; now reads metric_0, metric_1, " in said
        assert "no longer operation_duration_seconds_count, operation_errors_total" in said

    def test_renamed_with_what_reads_it(self, checkout: Checkout) -> None:
        old, new = "job_component_operation:operations:rate5m", "job_component_operation:all:rate5m"
        file = checkout.rules / "operations.yml"
        file.write_text(file.read_text().replace(old, new))
        said = checkout.said()
        assert said[:4] == [
            "Records",
            "operations",
            new,
            f"renamed, leaving its past behind; was {old}",
        ]
        followed = f"3 records: expression follows the new name of {old}"
        assert followed in said
        assert not any(line.endswith("changed") for line in not_empty(said))

    @pytest.mark.parametrize(
        ("edit", "told"),
        [
            (lambda group: group.update(interval="2m"), "interval Prometheus's own -> 2m"),
            (lambda group: group.update(limit=9), "limit unset -> 9"),
            (
                lambda group: group["rules"].insert(1, group["rules"].pop(0)),
                "rules are evaluated in another order",
            ),
            (
                lambda group: group["rules"].pop(0),
                "1 record removed: job_component_operation_error_type:operation_errors:rate5m",
            ),
            (
                lambda group: group["rules"].insert(0, {"record": "a:b:c", "expr": "up"}),
                "1 record added: a:b:c",
            ),
        ],
        ids=["interval", "limit", "order", "removed", "added"],
    )
    def test_group(self, checkout: Checkout, edit: Edit, told: str) -> None:
        checkout.edit_rules("operations", edit)
        assert checkout.said() == ["Records", "operations", told]

    def test_whole_groups(self, checkout: Checkout) -> None:
        records = [{"record": f"a:b:{name}", "expr": "up"} for name in "cd"]
        group = {"name": "extra", "rules": records}
        (checkout.rules / "extra.yml").write_text(yaml.safe_dump({"groups": [group]}))
        assert checkout.said() == ["Records", "extra", "new group: 2 records"]
        checkout.commit()
        (checkout.rules / "extra.yml").unlink()
        assert checkout.said() == ["Records", "extra", "group removed: 2 records"]

    def test_moved_to_another_group(self, checkout: Checkout) -> None:
        moved: list[dict[str, Any]] = []
        checkout.edit_rules("operations", lambda group: moved.append(group["rules"].pop(0)))
        checkout.edit_rules("sms", lambda group: group["rules"].append(moved[0]))
        name = moved[0]["record"]
        told = f"{name}: moved from group operations to sms"
        assert checkout.said() == ["Records", "sms", told]


class TestPanels:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                lambda panel: panel["fieldConfig"]["defaults"].update(unit="days"),
                ["unit s -> days"],
            ),
            (lambda panel: panel.update(type="barchart"), ["drawn as barchart, was timeseries"]),
            (
                lambda panel: panel["targets"][0].update(expr="vector(2)"),
                ["query changed", "- vector(1)", "+ vector(2)"],
            ),
            (
                lambda panel: panel["targets"].append({"refId": "B", "expr": "vector(3)"}),
                ["query B added", "+ vector(3)"],
            ),
            (
                lambda panel: panel["targets"][0].update(legendFormat="all"),
                ["legend one -> all"],
            ),
            (
                lambda panel: panel["targets"][0].update(exemplar=True),
                ["query: exemplar off -> on"],
            ),
            (
                lambda panel: panel["fieldConfig"]["defaults"]["thresholds"]["steps"].append(
                    {"color": "red", "value": 120}
                ),
                ["threshold line 2m (red) added"],
            ),
            (
                lambda panel: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1].update(
                    color="blue"
                ),
                ["colour from 1m on orange -> blue"],
            ),
            (
                lambda panel: panel.update(description="Good is below 2s"),
                ["description: 1s -> 2s"],
            ),
            (
                lambda panel: panel.update(description="Good is little"),
                ["description reworded", "- Good is below 1s", "+ Good is little"],
            ),
            (
                lambda panel: panel["links"][0].update(url="/elsewhere"),
                ['link "Logs" leads elsewhere'],
            ),
            (
                lambda panel: panel.update(datasource={"type": "loki", "uid": "other"}),
                ["data source p -> other, p"],
            ),
            (
                lambda panel: panel["fieldConfig"].update(
                    overrides=[
                        {
                            "matcher": {"id": "byName", "options": "p99"},
                            "properties": [{"id": "custom.lineWidth", "value": 3}],
                        }
                    ]
                ),
                ['series "p99": line width unset -> 3'],
            ),
            (
                lambda panel: panel["options"]["legend"].update(calcs=["mean"]),
                ["legend calcs max -> mean"],
            ),
            (lambda panel: panel.update(title="Other"), ['renamed, was "P"']),
        ],
    )
    def test_change(self, checkout: Checkout, change: Edit, told: list[str]) -> None:
        panel = {
            "id": 1,
            "type": "timeseries",
            "title": "P",
            "description": "Good is below 1s",
            "datasource": {"type": "prometheus", "uid": "p"},
            "targets": [
                {"refId": "A", "expr": "vector(1)", "legendFormat": "one", "datasource": "p"}
            ],
            "links": [{"title": "Logs", "url": "/logs"}],
            "options": {"legend": {"calcs": ["max"]}},
            "fieldConfig": {
                "defaults": {
                    "unit": "s",
                    "thresholds": {
                        "steps": [
                            {"color": "green", "value": None},
                            {"color": "orange", "value": 60},
                        ]
                    },
                },
                "overrides": [],
            },
        }
        checkout.edit_board(lambda board: board.update(title="B", panels=[panel]))
        checkout.commit()
        change(panel)
        checkout.edit_board(lambda board: board.update(panels=[panel]))
        said = checkout.said("HEAD")
        assert said[:2] == ["Dashboards", "B"]
        first = f'panel "{panel["title"]}": {told[0]}'
        assert said[2:] == [first, *told[1:]]

    def test_added_removed_and_moved_are_told_by_row(self, checkout: Checkout) -> None:
        def panel(number: int) -> dict[str, Any]:
            target = {"refId": "A", "expr": f"vector({number})"}
            return {"id": number, "type": "stat", "title": f"P{number}", "targets": [target]}

        def row(title: str) -> dict[str, Any]:
            return {"type": "row", "title": title, "id": 100 + ord(title)}

        def shown(*panels: dict[str, Any]) -> None:
            for line, each in enumerate(panels):
                each["gridPos"] = {"x": 0, "y": line, "w": 12, "h": 1}
            checkout.edit_board(lambda board: board.update(title="B", panels=list(panels)))

        shown(row("X"), panel(1), panel(2), row("Y"), panel(3), row("Z"), panel(4), panel(5))
        checkout.commit()
        shown(row("X"), panel(1), row("Y"), panel(3), panel(4), row("V"), panel(6), panel(7))
        assert checkout.said("HEAD")[:-1] == [
            "Dashboards",
            "B",
            'row "Z" removed with panel "P5"',
            'panel removed from row "X": "P2"',
            'row "V" added with panels "P6", "P7"',
            'panel "P4": moved from row "Z" to row "Y"',
        ]
        shown(row("Y"), panel(3), row("W"), panel(1), panel(2), row("Z"), panel(4), panel(5))
        assert checkout.said("HEAD") == [
            "Dashboards",
            "B",
            'row "W": renamed, was "X"',
            "layout: 2 panels moved down, 1 panel moved up",
            "rows in another order: Y, W, Z",
        ]

    def test_many_settings_are_counted(self, checkout: Checkout) -> None:
        def change(board: dict[str, Any]) -> None:
            custom = drawn(board)["fieldConfig"]["defaults"]["custom"]
            custom.update({f"setting{letter}": 1 for letter in "ABCDEFGH"})

        checkout.edit_board(change)
        said = checkout.said()
        assert said[2] == named(json.loads((checkout.dashboards / BOARD).read_text()))
        told = [f"setting {letter} unset -> 1" for letter in "abcde"]
        assert said[3:] == [*told, "and 3 more settings"]

    def test_what_the_same_panels_share_is_told_together(self, checkout: Checkout) -> None:
        def change(board: dict[str, Any]) -> None:
            for panel in board["panels"]:
                if panel["type"] == "timeseries":
                    panel["fieldConfig"]["defaults"]["custom"].update(settingA=1, settingB=2)

        checkout.edit_board(change)
        told = [line for line in checkout.said() if "setting" in line]
        assert len(told) == 1
        assert told[0].endswith(" panels: setting a unset -> 1; setting b unset -> 2")

    def test_only_places_and_ids_are_one_line_each(self, checkout: Checkout) -> None:
        def move(board: dict[str, Any]) -> None:
            for panel in board["panels"]:
                panel["gridPos"]["y"] += 4
                panel["id"] += 1000

        checkout.edit_board(move)
        *_, layout, ids = said = checkout.said()
        assert len(said) == 4
        assert layout.startswith("layout: ")
        assert layout.endswith(" panels moved down")
        assert ids.endswith(" panels with another id: links to one panel lead elsewhere")

    def test_with_new_queries_and_a_new_title_under_an_old_id_is_another_one(
        self, checkout: Checkout
    ) -> None:
        def replace(board: dict[str, Any]) -> None:
            panel = drawn(board)
            panel["title"] = "Something else"
            panel["targets"] = [{"refId": "A", "expr": "something_else"}]

        checkout.edit_board(replace)
        said = checkout.said()
        assert any("panel removed from" in line for line in said)
        assert any(line.endswith('"Something else"') for line in said)

    def test_follows_a_renamed_record(self, checkout: Checkout) -> None:
        old, new = "job_component_operation:operations:rate5m", "job_component_operation:all:rate5m"
        checkout.edit_board(lambda board: drawn(board)["targets"][0].update(expr=f"sum({old})"))
        checkout.commit()
        for file in (checkout.rules / "operations.yml", checkout.dashboards / BOARD):
            file.write_text(file.read_text().replace(old, new))
        said = checkout.said("HEAD")
        assert not any(" changed" in line for line in not_empty(said))
        assert any(f"follows the new name of {old}" in line for line in said)


class TestDashboards:
    @pytest.mark.parametrize(
        ("edit", "told"),
        [
            (lambda board: board.update(refresh="5m"), "refresh 30s -> 5m"),
            (
                lambda board: board.update(time={"from": "now-2d", "to": "now"}),
                "time range now-1h, now -> now-2d, now",
            ),
            (lambda board: board.update(tags=["a", "b"]), "tags sms-orchestrator -> a, b"),
            (lambda board: board.update(graphTooltip=0), "graph tooltip 1 -> 0"),
            (lambda board: board.update(version=9, id=7), ""),
            (
                lambda board: board["annotations"]["list"].append({"name": "New", "expr": "up"}),
                'annotation "New": added',
            ),
            (
                lambda board: board["templating"]["list"].append({"name": "new", "query": "up"}),
                'variable "new": added',
            ),
            (
                lambda board: board["templating"]["list"][0].update(name="source"),
                'variable "source": renamed, was "datasource"',
            ),
            (
                lambda board: board["templating"]["list"][0].update(hide=2),
                'variable "datasource": hide 0 -> 2',
            ),
            (
                lambda board: board["links"].append({"title": "More", "url": "/more"}),
                'link "More" added',
            ),
        ],
    )
    def test_change(self, checkout: Checkout, edit: Edit, told: str) -> None:
        checkout.edit_board(
            lambda board: board.update(refresh="30s", time={"from": "now-1h", "to": "now"})
        )
        checkout.edit_board(lambda board: board.update(tags=["sms-orchestrator"], graphTooltip=1))
        checkout.edit_board(lambda board: board["templating"]["list"][0].update(hide=0))
        checkout.commit()
        checkout.edit_board(edit)
        assert checkout.said("HEAD")[2:] == ([told] if told else [])

    def test_another_uid_breaks_links(self, checkout: Checkout) -> None:
        board = json.loads((checkout.dashboards / BOARD).read_text())
        address = f"http://127.0.0.1:3000/d/{board['uid']}"
        checkout.edit_rules(
            "operations",
            alert("AIProviderFailing", lambda rule: rule["annotations"].update(link=address)),
        )
        checkout.edit_board(lambda board: board.update(uid="new"))
        said = " ".join(checkout.said())
        assert f"uid {board['uid']} -> new: links to the dashboard break, " in said
        assert "still have the old one" in said

    def test_what_all_share_is_told_once_with_their_titles(self, checkout: Checkout) -> None:
        board = json.loads((checkout.dashboards / BOARD).read_text())

        def write(refresh: str) -> None:
            for name in "abc":
                copy = {**board, "uid": name, "title": f"Board {name}", "refresh": refresh}
                (checkout.dashboards / f"{name}.json").write_text(json.dumps(copy))

        write("30s")
        checkout.commit()
        write("1m")
        assert checkout.said("HEAD") == [
            "Dashboards",
            "3 dashboards: refresh 30s -> 1m",
            "(Board a; Board b; Board c)",
        ]

    def test_added_and_removed(self, checkout: Checkout) -> None:
        panels = [{"type": "row", "title": "Row"}, {"type": "stat", "title": "P"}]
        file = checkout.dashboards / "extra.json"
        file.write_text(json.dumps({"uid": "extra", "title": "Extra", "panels": panels}))
        assert checkout.said() == ["Dashboards", "Extra", "new dashboard: 1 panel in the rows Row"]
        checkout.commit()
        file.unlink()
        assert checkout.said() == ["Dashboards", "Extra", "dashboard removed"]


class TestNotifications:
    def test_are_a_line_each(self, checkout: Checkout) -> None:
        config = checkout.folder / "alerts" / "alertmanager.yml"
        template = checkout.folder / "alerts" / "templates" / "slack.tmpl"
        template.parent.mkdir(parents=True)
        config.write_text("route: {receiver: a}\nreceivers: []\n")
        template.write_text("a")
        checkout.commit()
        config.write_text("# said otherwise\nroute: {receiver: b}\nreceivers: []\n")
        template.write_text("b")
        assert checkout.said("HEAD") == [
            "Notifications",
            "alertmanager.yml: routes changed; see git diff",
            "messages: slack.tmpl changed; see git diff",
        ]


class TestSides:
    def test_is_the_branch_by_default(self, checkout: Checkout) -> None:
        checkout.git("checkout", "--quiet", "-b", "topic")
        checkout.edit_rules("operations", lambda group: group.update(interval="2m"))
        checkout.commit()
        checkout.edit_rules("operations", lambda group: group.update(limit=9))
        told = ["Records", "operations", "interval Prometheus's own -> 2m", "limit unset -> 9"]
        assert checkout.said() == told
        assert checkout.said("HEAD") == [*told[:2], told[3]]
        assert checkout.said("main", "topic") == told[:3]

    def test_folder_of_rules_only_leaves_dashboards_out(
        self, checkout: Checkout, tmp_path: Path
    ) -> None:
        generated.write(tmp_path / "rules", rule_files(Thresholds(ai_error_ratio=0.2), Links()))
        assert checkout.said("HEAD", str(tmp_path / "rules")) == [
            "Alerts",
            "operations",
            "AIProviderFailing (page): threshold above 10% -> 20%: less sensitive",
        ]

    def test_unknown_revision_is_named_with_the_mend(self, checkout: Checkout) -> None:
        checkout.git("branch", "release")
        with pytest.raises(ValueError, match=r"relaese: neither a revision.* mean release\?"):
            checkout.said("relaese")
        with pytest.raises(ValueError, match=r"zzz: .*nor a folder; `git branch --all`"):
            checkout.said("HEAD", "zzz")

    def test_folder_without_any_is_named(self, checkout: Checkout, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match="empty: holds no dashboards and no rules"):
            checkout.said(str(tmp_path / "empty"))

    def test_needs_git_or_folders(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        options = argparse.Namespace(old=None, new=None, format="text")
        with pytest.raises(ValueError, match="no git checkout with a commit; name two folders"):
            command.run(options, tmp_path)

    @pytest.mark.parametrize(
        ("file", "text", "problem"),
        [
            ("grafana/dashboards/overview.json", "{", "is not valid JSON: .*line 1.*make generate"),
            ("grafana/dashboards/overview.json", "[]", "is not a dashboard"),
            ("prometheus/rules/sms.yml", "a: [", "is not valid YAML: .*line.*make generate"),
            ("prometheus/rules/sms.yml", "groups: [{name: a}]", "is not a rule file"),
            ("prometheus/rules/sms.yml", "\x00", "is not valid YAML"),
        ],
    )
    def test_file_that_cannot_be_read_is_named_with_its_revision(
        self, checkout: Checkout, file: str, text: str, problem: str
    ) -> None:
        (checkout.folder / file).write_text(text)
        with pytest.raises(ValueError, match=f"^{file} in the working tree: {problem}"):
            checkout.said()
        checkout.commit()
        checkout.generate(Thresholds())
        with pytest.raises(ValueError, match=f"^{file} in HEAD: {problem}"):
            checkout.said("HEAD")


def test_command_line_says_what_cannot_be_read() -> None:
    done = python_m("dashboards", "diff", "nothing-of-this-name")
    assert done.returncode == 1
    assert done.stderr.startswith("nothing-of-this-name: ")
    assert len(done.stderr.splitlines()) == 1


def own_history() -> list[str]:
    """The last commits of this repository that touched what is compared."""
    last = f"-{COMMITS}"
    asked = ["git", "-C", str(ROOT), "log", last, "--format=%h", "--", "prometheus/rules"]
    done = subprocess.run([*asked, "grafana/dashboards"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this repository's own changes can't be told without its git: {done.stderr}")
    return not_empty(done.stdout.split())


def test_each_change_of_this_repository_can_be_told() -> None:
    commits = [revision(ROOT, commit) for commit in own_history()]
    assert commits
    # The oldest has none before it.
    for old, new in zip([*commits[1:], *commits[-1:]], commits, strict=True):
        assert compared(new, new) == []
        sections = compared(old, new)
        for written in (words.text("heading", sections), words.markdown("heading", sections)):
            assert written
        assert max(map(len, words.text("", sections).splitlines())) <= COLUMNS
