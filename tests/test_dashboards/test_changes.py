"""What `python -m dashboards diff` says: nothing that changes is left out."""

import argparse
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alerts import paths
from alerts.rules import rule_files
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.boards import dashboard_files
from dashboards.changes import command, things, words
from dashboards.changes.comparison import compared
from dashboards.changes.revision import Revision
from dashboards.changes.words import COLUMNS, NOTHING
from dashboards.command_line import main
from prometheus_tools.yaml_reading import read_yaml
from tests.length import LONG
from tests.not_empty import not_empty
from tests.project import command_line

LEAVES = 40 if LONG else 4
"""Of each real file, that are changed one by one."""

READ = {"b": things.dashboard, "r": things.rule_file, "a": things.routing, "m": things.message}
# A dashboard, a rule file, what Alertmanager is told, and a message.
SAMPLES = read_yaml("""
b:
  {uid: calls, title: Calls, refresh: 30s, schemaVersion: 39, time: {from: now-1h, to: now}}
r:
  groups:
    - name: calls
      interval: 1m
      rules:
        - {record: "job:errors:ratio", expr: errors / calls, labels: {tier: "1"}}
        - alert: CallsFail
          expr: job:errors:ratio > 0.1 and calls > 5
          for: 1m
          labels: {severity: page, team: orchestrator}
          annotations: {summary: Calls fail, description: "Last 3%; alerts above 10% for 1m."}
        - {alert: NoCalls, expr: calls < 1, labels: {severity: ticket}}
a: {route: {receiver: team, routes: [{receiver: pager, matchers: [a=b]}]}}
m: hello
""")
SAMPLES["b"] |= read_yaml("""
panels:
  - id: 2
    type: timeseries
    title: Failing
    gridPos: {x: 0, y: 1, w: 12, h: 8}
    datasource: {uid: "${datasource}"}
    targets: [{refId: A, expr: "sum(rate(errors_total[5m]))", exemplar: false}]
    fieldConfig:
      defaults:
        unit: percentunit
        thresholds: {steps: [{color: green, value: null}, {color: red, value: 0.1}]}
        custom: {axisSoftMax: 1}
      overrides:
        - matcher: {id: byName, options: p99}
          properties:
            - {id: thresholds, value: {steps: [{color: green, value: null}]}}
            - {id: links, value: [{url: /a}]}
            - {id: links, value: [{url: /b}]}
    links: [{title: Logs, url: /d/logs}]
  - {type: row, title: More, collapsed: true, panels: [{id: 4, type: text, options: {content: So}}]}
  - {id: 5, type: logs, title: Lines, targets: [{refId: A, expr: "rate(a[$x])>5"}]}
  - {id: 6, type: heatmap, title: Durations, options: {color: {steps: 64}, text: "> 1.2.3"}}
templating: {list: [{hide: 2}, {name: job, query: {query: "label_values(up)"}}, {name: cluster}]}
annotations: {list: [{name: Releases, expr: "changes(start[5m]) > 0"}]}
links: [{title: Runbooks, url: /runbooks}]
""")
ABSENT = object()


def parsed(**documents: Any) -> Revision:
    """Documents as a revision, by the keys of READ."""
    texts = {part: json.dumps(document).encode() for part, document in documents.items()}
    return Revision("", {part: READ[part](part, text) for part, text in texts.items()})


def said(old: Revision, new: Revision) -> list[str]:
    """The lines about what changed, without the heading and the margins."""
    text = words.text("heading", compared(old, new))
    assert max(map(len, text.splitlines())) <= COLUMNS
    return [line.strip() for line in text.splitlines()[1:] if line]


def put(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    """A copy with a value at a place, or without what is there; behind a list, one more of it."""
    copied = holder = json.loads(json.dumps(document))
    for key in at[:-1]:
        holder = holder[key]
    if value is ABSENT:
        holder.pop(at[-1])
    elif isinstance(holder, list) and at[-1] == len(holder):
        holder.append(value)
    else:
        holder[at[-1]] = value
    return copied


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Where each value stands that holds no others, and the value."""
    for key, each in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(each, dict | list):
            yield from leaves(each, (*at, key))
        else:
            yield (*at, key), each


def unsaid(part: str, document: Any, most: int) -> list[tuple[Any, ...]]:
    """The places at which a change isn't told, of ``most`` leaves spread over the document."""
    before, found, missed = parsed(**{part: document}), not_empty(leaves(document)), []
    for at, value in found[:: max(1, len(found) // most)]:
        others = [f"{value}1"] if isinstance(value, str) else ["1", not value, (value or 0) + 0.5]
        for other in (*others, ABSENT, {"beside": 1}):
            try:
                after = parsed(**{part: put(document, at, other)})
            except ValueError:
                # It can't be read, and the command says so.
                continue
            told = compared(before, after) and compared(after, before)
            missed += [] if told else [at]
    return missed


@pytest.mark.parametrize("part", ["b", "r", "a"])
def test_no_change_of_any_setting_goes_unsaid(part: str) -> None:
    assert unsaid(part, SAMPLES[part], most=2000) == []


def test_no_change_in_any_real_file_goes_unsaid() -> None:
    for file in not_empty([*paths.DASHBOARDS.glob("*.json"), *paths.RULES.glob("*.yml")]):
        document = read_yaml(file.read_bytes())
        # Counted up by the Grafana that saves a dashboard.
        document.pop("version", None)
        part = "b" if file.suffix == ".json" else "r"
        assert unsaid(part, document, most=LEAVES) == [], file.name


def test_formatting_and_what_grafana_counts_up_are_no_change() -> None:
    board = put(
        SAMPLES["b"], ("panels", 0, "targets", 0, "expr"), "sum ( rate(errors_total[5m])\n)"
    )
    board |= {"version": 9, "id": 7, "iteration": 5, "schemaVersion": 39.0}
    rules = put(SAMPLES["r"], ("groups", 0, "rules", 0, "expr"), "# of old\n errors\n/ calls")
    new = parsed(b=dict(reversed(board.items())), r=rules)
    assert said(parsed(**SAMPLES), new) == [NOTHING]


# Where a sample is changed, to what, and what is said of it; r1 and b0 are an alert and a panel.
SAID = """
r1/labels/severity := ticket
  Who is called: alert CallsFail (ticket): labels.severity page -> ticket: wakes nobody any more
r1/for := 5m
  Who is called: alert CallsFail (page): for 1m -> 5m
r1/alert := F
  Who is called: alert F (page): renamed, was CallsFail: silences and routes by that name miss it
r1 := ABSENT
  Who is called: alert CallsFail (page): removed: Calls fail
  - job:errors:ratio > 0.1 and calls > 5
r/groups/0/rules/3 := {alert: New, expr: up == 0, labels: {severity: page}}
  Who is called: alert New (page): added
  + up == 0
a/route/receiver := night
  Who is called: routing a: route.receiver team -> night
r1/expr := job:errors:ratio > 0.2 and calls >= 5
  Thresholds: alert CallsFail (page): threshold above 10% -> above 0.2, above 5 -> at least 5
b0/fieldConfig/defaults/thresholds/steps/1/value := 0.2
  Thresholds: panel b / Failing: lines green, red 10% -> green, red 20%
b0/fieldConfig/overrides/0/properties/0/value/steps/0/color := red
  Thresholds: panel b / Failing: lines green -> red
b0 := ABSENT
  Added, removed, renamed: panel b / Failing: removed
b0/title := F
  Added, removed, renamed: panel b / F: renamed, was Failing
r/groups/0/rules/0 := ABSENT
  Added, removed, renamed: record job:errors:ratio (tier=1): removed
b/uid := c
  Added, removed, renamed: dashboard b: uid calls -> c: links to it break
r1/expr := job:errors:ratio > 0.1 and requests > 5
  Queries: alert CallsFail (page): expression changed
  - … > 0.1 and calls > 5
  + … > 0.1 and requests > 5
b0/targets/1 := {refId: B, expr: up}
  Queries: query b / Failing, B: added
  + up
b/panels/2/targets/0/expr := rate(a[$x])
  Queries: query b / Lines, A: expression changed
  - … $x])>5
  + … $x])
b/panels/3/options/color/steps := 32
  Other settings: panel b / Durations: options.color.steps 64 -> 32
b0/gridPos/h := 9
  Other settings: panel b / Failing: moved or resized
b/links/0/url := /x
  Other settings: dashboard b: links.url /runbooks -> /x
m := a message of more than forty characters in all
  Other settings: message m: text changed
"""


@pytest.mark.parametrize("case", re.split(r"\n(?! )", SAID.strip()))
def test_what_matters_to_a_reviewer_is_said_first_and_in_words(case: str) -> None:
    edit, *told = case.splitlines()
    place, value = (
        edit.replace("r1", "r/groups/0/rules/1").replace("b0", "b/panels/0").split(" := ")
    )
    at = tuple(int(key) if key.isdigit() else key for key in place.split("/"))
    new = put(SAMPLES, at, ABSENT if value == "ABSENT" else read_yaml(value))
    section, *lines = said(parsed(**SAMPLES), parsed(**new))
    assert [f"{section}: {lines[0]}", *lines[1:]] == [line.strip() for line in told]


def test_order_is_told_of_where_it_counts() -> None:
    new = put(SAMPLES, ("r", "groups", 0, "rules"), SAMPLES["r"]["groups"][0]["rules"][::-1])
    new = put(new, ("b", "templating", "list"), SAMPLES["b"]["templating"]["list"][::-1])
    assert said(parsed(**SAMPLES), parsed(**new)) == [
        "Other settings",
        "order in templating of b: changed",
        "order in calls: changed",
    ]


def test_a_new_board_is_one_line_and_what_one_side_has_none_of_is_not_compared() -> None:
    board = {"b": SAMPLES["b"]}
    old = Revision("", {"b": (), "r": parsed(r=SAMPLES["r"]).parts["r"]})
    assert said(old, parsed(**board)) == [
        "Added, removed, renamed",
        "dashboard b: added with 4 panels",
    ]


def test_what_three_share_is_told_once_with_their_names() -> None:
    added = [{"title": f"P{n}", "type": "text"} for n in range(12)]
    new = put(SAMPLES, ("b", "panels"), [*SAMPLES["b"]["panels"], *added])
    lines = said(parsed(**SAMPLES), parsed(**new))
    assert lines[:2] == ["Added, removed, renamed", "12 panels: added"]
    assert lines[-1].endswith("b / P9; and 2 more)")


def test_markdown_shows_expressions_as_a_difference() -> None:
    new = put(SAMPLES, ("r", "groups", 0, "rules", 0, "expr"), "errors / all_calls")
    shown = words.markdown("a*b", compared(parsed(**SAMPLES), parsed(**new)))
    assert shown.splitlines() == [
        r"**a\*b**",
        "",
        "### Queries",
        "",
        "- record job:errors:ratio (tier=1): expression changed",
        "  ```diff",
        "  - errors / calls",
        "  + errors / all_calls",
        "  ```",
    ]


def test_one_threshold_is_told_of_its_alert_and_of_what_draws_it() -> None:
    def generated(thresholds: Thresholds) -> Revision:
        files = dashboard_files(thresholds, Links()) | rule_files(thresholds, Links())
        read = {"b": [], "r": []}
        for name, text in files.items():
            part = "b" if name.endswith(".json") else "r"
            read[part] += READ[part](name, text.encode())
        return Revision("", {part: tuple(found) for part, found in read.items()})

    changes = compared(generated(Thresholds()), generated(Thresholds(ai_error_ratio=0.2)))
    told = [f"{change.name}: {change.text}" for change in changes]
    assert "AIProviderFailing (page): threshold above 10% -> above 20%" in told
    assert any("red 10% -> " in each and "red 20%" in each for each in told)
    assert not [
        change for change in not_empty(changes) if change.section.startswith(("Who", "Added"))
    ]


class Checkout:
    """A git repository with the samples, and what the command says in it."""

    def __init__(self, folder: Path, printed: Callable[[], str]) -> None:
        self.folder, self._printed = folder, printed
        self.write("prometheus/rules/calls.yml", SAMPLES["r"])
        self.board = self.write("grafana/dashboards/calls.json", SAMPLES["b"])
        self.write("alerts/alertmanager.yml", SAMPLES["a"])
        self.git("init", "--quiet", "--initial-branch=main", "--template=")
        self.commit()

    def write(self, path: str, document: Any) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(document))
        return file

    def git(self, *arguments: str) -> None:
        person = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        asked = ["git", "-C", str(self.folder), "-c", "maintenance.auto=false", *person, *arguments]
        subprocess.run(asked, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=changed")

    def said(self, *arguments: str) -> list[str]:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        assert command.run(parser.parse_args(arguments), self.folder) == 0
        return [line.strip() for line in self._printed().splitlines() if line.strip()]


@pytest.fixture
def checkout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Checkout:
    return Checkout(tmp_path / "checkout", lambda: capsys.readouterr().out)


def test_the_branch_with_what_is_not_committed_is_compared_by_default(checkout: Checkout) -> None:
    assert checkout.said()[1:] == [NOTHING]
    assert checkout.said("--format", "markdown")[1:] == [NOTHING]
    checkout.git("checkout", "--quiet", "-b", "topic")
    checkout.write("prometheus/rules/calls.yml", put(SAMPLES["r"], ("groups", 0, "interval"), "2m"))
    checkout.commit()
    checkout.write("grafana/dashboards/calls.json", SAMPLES["b"] | {"refresh": "1m"})
    title, board, group = (
        "Other settings",
        "dashboard calls: refresh 30s -> 1m",
        "group calls: interval 1m -> 2m",
    )
    heading, *told = checkout.said()
    assert heading.endswith("(where this branch left main) to the working tree")
    assert told == [title, board, group]
    assert checkout.said("HEAD")[1:] == [title, board]
    assert checkout.said("main", "topic")[1:] == [title, group]


def test_folder_of_rules_only_leaves_dashboards_out(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "calls.yml").write_text(json.dumps(SAMPLES["r"]).replace("> 5", "> 6"))
    told = "alert CallsFail (page): threshold above 5 -> above 6"
    assert checkout.said("HEAD", str(tmp_path / "rules"))[1:] == ["Thresholds", told]


def test_a_side_that_cannot_be_read_is_named_with_the_mend(
    checkout: Checkout, tmp_path: Path
) -> None:
    def refused(problem: str, *sides: str) -> None:
        with pytest.raises(ValueError, match=problem):
            checkout.said(*sides)

    checkout.git("branch", "release")
    refused(r"relaese: neither a revision.* mean release\?", "relaese")
    refused("zzz: .*nor a folder; `git branch --all`", "HEAD", "zzz")
    (tmp_path / "empty").mkdir()
    refused("empty: holds no dashboards and no rules; name a", str(tmp_path / "empty"))
    checkout.board.write_text("{")
    refused("^grafana/dashboards/calls.json in the working tree: ")
    checkout.commit()
    refused("^grafana/dashboards/calls.json in HEAD: is not valid JSON", "HEAD")
    with pytest.raises(ValueError, match="no git checkout with a commit; name two folders"):
        command.run(argparse.Namespace(old=None, new=None, format="text"), tmp_path / "empty")


@pytest.mark.parametrize(
    ("part", "text", "problem"),
    [
        ("b", "{", "is not valid JSON: .*line 1.*make generate"),
        ("b", "[]", "is not a dashboard"),
        ("b", '{"panels": [1]}', "is not a dashboard"),
        ("r", "a: [", "is not valid YAML: .*line.*make generate"),
        ("r", "[]", "is not YAML of keys and values"),
        ("r", "groups: [{name: a}]", "is not a rule file"),
        ("r", "groups: [{name: a, rules: [{expr: up}]}]", "is not a rule file"),
        ("r", "\x00", "is not valid YAML"),
    ],
)
def test_file_that_cannot_be_read_says_why(part: str, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}"):
        READ[part]("file", text.encode())


def test_command_line_says_what_cannot_be_read() -> None:
    done = command_line(main, "diff", "nothing-of-this-name")
    assert done.returncode == 1
    assert done.stderr.startswith("nothing-of-this-name: ")
    assert len(done.stderr.splitlines()) == 1
