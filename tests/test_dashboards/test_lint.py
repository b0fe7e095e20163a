"""Dashboards that would be broken or misleading are found, with panel and fix."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from alerts.prometheus_config import scrape_seconds
from alerts.signals import groups
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards import lint
from dashboards.boards import dashboard_files
from dashboards.choices import TARGETS
from dashboards.queries import panels
from tests.not_empty import not_empty

GROUPS = groups(Thresholds())
OVERVIEW = "overview.json"

Document = dict[str, Any]


@cache
def texts() -> dict[str, str]:
    """The set, as it is written."""
    return dashboard_files(Thresholds(), Links())


def documents() -> dict[str, Document]:
    """The set, to be changed at will."""
    return {name: json.loads(text) for name, text in texts().items()}


def found(changed: dict[str, Document]) -> list[str]:
    return lint.problems(changed, GROUPS, scrape_seconds())


def found_in(change: Callable[[Document], None]) -> list[str]:
    """What is found in the overview alone, after ``change``."""
    board = documents()[OVERVIEW]
    change(board)
    return lint.problems({OVERVIEW: board}, GROUPS, scrape_seconds())


def panel(document: Document, title: str = "") -> Document:
    """A panel of that title; without one, the first that draws lines."""
    return next(
        each
        for each in panels(document)
        if each["title"] == title or (not title and each["type"] == "timeseries")
    )


def test_there_is_nothing_to_find_in_the_set() -> None:
    assert found(documents()) == []


def _unknown_variable(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = 'up{job=~"$jbo"}'


def _typo(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = 'sum(up{job=~"$job"}'


def _renamed_metric(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = (
        'rate(orchestrator_sms_receved_total{job=~"$job"}[$__rate_interval])'
    )


def _unknown_value(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = 'circuit_breaker_state{state="opened",job=~"$job"}'


def _raw_counter(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = 'orchestrator_sms_received_total{job=~"$job"}'


def _fixed_range(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = (
        'sum(rate(orchestrator_sms_received_total{job=~"$job"}[5m]))'
    )


def _every_job(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = "sum(up)"


def _unknown_option(board: Document) -> None:
    panel(board)["options"]["legend"]["colour"] = "red"


def _unknown_field(board: Document) -> None:
    board["sharedCrosshair"] = True


def _no_unit(board: Document) -> None:
    del panel(board)["fieldConfig"]["defaults"]["unit"]


def _no_description(board: Document) -> None:
    panel(board)["description"] = "What it is."


def _two_of_a_title(board: Document) -> None:
    first, second = list(panels(board))[:2]
    second["title"] = first["title"]


def _overlap(board: Document) -> None:
    panel(board)["gridPos"]["h"] += 3


def _same_id(board: Document) -> None:
    first, second = list(panels(board))[:2]
    second["id"] = first["id"]


def _other_threshold(board: Document) -> None:
    drawn = next(
        each
        for each in panels(board)
        if len(each["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])) > 1
        and each["type"] == "timeseries"
    )
    drawn["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"] = 0.07


def _dead_link(board: Document) -> None:
    panel(board)["links"] = [{"title": "more", "url": "/d/sms-orchestrator-nowhere"}]


def _own_data_source(board: Document) -> None:
    panel(board)["datasource"]["uid"] = "P1809F7CD0C75ACF3"


def _editable(board: Document) -> None:
    board["editable"] = True


def _stale_variable(board: Document) -> None:
    variable = _variable(board, "job")
    variable["refresh"] = 1


def _variable(board: Document, name: str) -> Document:
    found: Document = next(v for v in board["templating"]["list"] if v["name"] == name)
    return found


def _unread_variable(board: Document) -> None:
    _variable(board, "job")["name"] = "team"


def _empty_choice(board: Document) -> None:
    del _variable(board, "environment")["allValue"]


def _first_by_name(board: Document) -> None:
    _variable(board, "datasource")["current"] = {}


def _six_tiles(board: Document) -> None:
    sixth = panel(board)
    sixth["type"], sixth["gridPos"]["y"] = "stat", 0


def _narrow(board: Document) -> None:
    panel(board)["gridPos"]["w"] = 6


def _long_title(board: Document) -> None:
    panel(board, "Pages")["title"] = "Alerts that fire now and call somebody"


def _green_for_unknown(board: Document) -> None:
    del panel(board, "Pages")["fieldConfig"]["defaults"]["mappings"]


def _states_by_threshold(board: Document) -> None:
    lanes = next(each for each in panels(board) if each["type"] == "state-timeline")
    lanes["fieldConfig"]["defaults"]["color"] = {"mode": "thresholds"}


def _known_last(board: Document) -> None:
    panel(board, "Pages")["options"]["reduceOptions"]["calcs"] = ["lastNotNull"]


def _all_is_well(board: Document) -> None:
    panel(board, "Pages")["fieldConfig"]["defaults"]["noValue"] = "No alert fires"


def _reason_that_may_be_another(board: Document) -> None:
    panel(board, "Pages")["fieldConfig"]["defaults"]["noValue"] = "Not known: no rule runs"


def _lanes_of_no_number(board: Document) -> None:
    target = panel(board, "What works, and since when?")["targets"][0]
    target["expr"] += " or vector(NaN)"


def _lanes_that_may_be_missing(board: Document) -> None:
    lanes = next(each for each in panels(board) if each["type"] == "state-timeline")
    lanes["targets"] = [{**lanes["targets"][0], "expr": 'up{job=~"$job"}'}]


def _lanes_of_all_at_once(board: Document) -> None:
    for each in panel(board, "What works, and since when?")["targets"]:
        each["expr"] = each["expr"].replace("by (cluster, environment) ", "")


def _empty_with_another(board: Document) -> None:
    table = panel(board, "Releases")["targets"][0]
    table["expr"] = table["expr"].replace("and on (cluster, environment) (", "and on () (")


def _goes_on_without_one(board: Document) -> None:
    tile = panel(board, "SMS within 2s")["targets"][0]
    tile["expr"] = re.sub(r"\(min\(", "(max(", tile["expr"])


def _goes_on_while_some_wait(board: Document) -> None:
    failing = f'increase(background_task_failures_total{{task="backlog",{TARGETS}}}[5m])'
    tile = panel(board, "SMS within 2s")["targets"][0]
    tile["expr"] = f"sum(up{{{TARGETS}}}) unless on () (min({failing}) > 0)"


def _lanes_of_one_name(board: Document) -> None:
    for each in panel(board, "What works, and since when?")["targets"]:
        each["legendFormat"] = "API"


def _lines_of_one_name(board: Document) -> None:
    panel(board, "5xx by version")["targets"][0]["legendFormat"] = "{{version}}"


def _lanes_on_two_pages(board: Document) -> None:
    del panel(board, "What works, and since when?")["options"]["perPage"]
    lanes = panel(board, "What works, and since when?")["targets"]
    lanes += lanes[:4]


def _of_the_minutes_before(board: Document) -> None:
    panel(board, "Pages")["targets"][0]["expr"] = 'count(ALERTS{job=~"$job"})'


def _twice(board: Document) -> None:
    first, second = [each for each in panels(board) if each["type"] == "timeseries"][:2]
    second["targets"] = first["targets"]


def _to_itself(board: Document) -> None:
    panel(board)["links"] = [{"title": "here", "url": f"/d/{board['uid']}"}]


def _palette(board: Document) -> None:
    panel(board)["fieldConfig"]["defaults"]["color"] = {"mode": "palette-classic"}


def _known_last_in_a_legend(board: Document) -> None:
    panel(board)["options"]["legend"]["calcs"] = ["last", "max"]


def _cut_by_the_sign_of_error(board: Document) -> None:
    panel(board, "Time to process an SMS")["title"] = "Time to process every SMS"


def _long_legend(board: Document) -> None:
    panel(board, "5xx by version")["targets"][0]["legendFormat"] = "{{job}} {{instance}}{{where}}"


def _long_lane(board: Document) -> None:
    lanes = panel(board, "What works, and since when?")
    lanes["gridPos"]["w"] = 12
    lanes["targets"][0]["legendFormat"] = "{{instance}}{{where}}"


def _days_and_hours(board: Document) -> None:
    board["time"]["from"] = "now-7d"


def _cut_name(board: Document) -> None:
    organized = panel(board, "Firing alerts")["transformations"][-1]["options"]
    organized["renameByName"] = {"instance": "component", **organized["renameByName"]}


def _cut_in_a_packed_row(board: Document) -> None:
    row = f"id|{'Alert' * 9}|signal|limit|{board['uid']}|"
    releases = panel(board, "Releases")
    releases["targets"][0]["expr"] = f'label_replace(vector(1), "row", "{row}", "", "")'
    organized = releases["transformations"][-1]["options"]
    organized["renameByName"] = {"alert": "alert", **organized["renameByName"]}


def _narrow_column(board: Document) -> None:
    (severity,) = (
        each
        for each in panel(board, "Firing alerts")["fieldConfig"]["overrides"]
        if each["matcher"]["options"] == "dashboard"
    )
    (width,) = (each for each in severity["properties"] if each["id"] == "custom.width")
    width["value"] = 130


def _blank_table(board: Document) -> None:
    panel(board, "Releases")["targets"][0]["expr"] = 'build_info{job=~"$job"}'


def _empty_cells(board: Document) -> None:
    for each in panel(board, "Releases")["fieldConfig"]["overrides"]:
        each["properties"] = [p for p in each["properties"] if p["id"] != "mappings"]


def _wide_table(board: Document) -> None:
    panel(board, "Firing alerts")["gridPos"]["w"] = 12


def _alerts_of_every_job(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = 'count(ALERTS{cluster=~"$cluster"})'


def _of_every_cluster(board: Document) -> None:
    panel(board)["targets"][0]["expr"] = 'max(up{job="prometheus",environment=~"$environment"})'


def _pages_of_every_job(board: Document) -> None:
    marks = board["annotations"]["list"]
    next(each for each in marks if each["name"] == "Pages")["expr"] = "count(ALERTS)"


def _many_variables(board: Document) -> None:
    offered = board["templating"]["list"]
    offered += [{**offered[1], "name": f"cluster{number}"} for number in range(4)]


def _row_to_nowhere(board: Document) -> None:
    row = f'label_replace(vector(1), "row", "a|{board["uid"]}|viewPanel=panel-7", "", "")'
    panel(board, "Releases")["targets"][0]["expr"] = row


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_palette, "takes colours from the palette; use fixed or shades"),
        (_known_last_in_a_legend, "its legend says of a series that has ended what was last"),
        (_cut_by_the_sign_of_error, "while Prometheus can't be asked"),
        (_long_legend, "a name such as 'orchestrator orchestrator-"),
        (_long_lane, "is cut; give it more than"),
        (_lanes_on_two_pages, "the last of which are on a further page; set perPage"),
        (_days_and_hours, "of which the last is cut for hours; make it narrower"),
        (_cut_name, "x2k4z' is cut in the column 'component'"),
        (_cut_in_a_packed_row, "is cut in the column 'alert'"),
        (_blank_table, "panel 'Releases': is blank where nothing is known; add a row that says so"),
        (_empty_cells, "leaves a cell of 'instances' empty; map null+nan to 'Not known'"),
        (_narrow_column, "'trends and capacity' is cut in the column 'dashboard'; make it wider"),
        (_wide_table, "make some narrower, or the panel wider"),
        (_alerts_of_every_job, "ALERTS is shown whatever job is chosen; filter it"),
        (_of_every_cluster, "up is shown whatever cluster is chosen; filter it"),
        (_pages_of_every_job, "annotation 'Pages': ALERTS is shown whatever cluster is chosen"),
        (_many_variables, "its variables take 3 lines; 2 at most, so leave one out"),
        (_row_to_nowhere, "and to no panel of it; name the one that shows its signal"),
        (_unread_variable, "variable team: no panel reads it"),
        (_empty_choice, "variable environment: All is an empty choice"),
        (_first_by_name, "takes the first data source by name; choose the default one"),
        (_six_tiles, "6 numbers side by side at 0: titles are cut; 5 at most"),
        (_narrow, "is too narrow to be read; 8 at least"),
        (_long_title, "a shorter title, a wider panel or no icon beside it"),
        (_green_for_unknown, "gives no value the colour of the first step; map null+nan"),
        (_states_by_threshold, "would write ranges for states; use another colour mode"),
        (_known_last, "shows what was known last as if it were so now; reduce by last"),
        (_all_is_well, "says 'No alert fires' also when nothing is known"),
        (_reason_that_may_be_another, "'Not known; ' and what it takes to know"),
        (_lanes_that_may_be_missing, "has an error where no lane has a series; add one unknown"),
        (_lanes_of_no_number, "says 'No' at each step for NaN; use UNKNOWN_STATE"),
        (_lanes_of_all_at_once, "is empty while one can't be reached; keep by (cluster, env"),
        (_empty_with_another, "is empty for all deployments while one can't be reached; match on"),
        (_goes_on_without_one, "goes on without one that can't be reached; ask for the min of"),
        (_goes_on_while_some_wait, "goes on without one that can't be reached; ask for the max"),
        (_lanes_of_one_name, "names don't say which deployment they are of; end legends"),
        (_lines_of_one_name, "'5xx by version': names don't say which deployment they are of"),
        (_of_the_minutes_before, "shows ALERTS for minutes after its source is gone; ask through"),
        (_twice, "leave one of them out"),
        (_to_itself, "leads to its own dashboard; leave it out"),
        (_unknown_variable, "no variable $jbo; there are $__interval"),
        (_typo, "can't be parsed"),
        (_renamed_metric, "did you mean orchestrator_sms_received_total?"),
        (_unknown_value, 'state is never "opened"; it is one of closed, half_open, open'),
        (_raw_counter, "take rate() or increase() of it"),
        (_fixed_range, "write [$__rate_interval], or read a record"),
        (_every_job, 'up is shown of every job, whatever is chosen; add job=~"$job"'),
        (_unknown_option, "options.legend.colour: Grafana knows no such field; leave it out"),
        (_unknown_field, "sharedCrosshair: Grafana knows no such field; leave it out"),
        (_no_unit, "has no unit; give it one"),
        (_no_description, "does not say what good looks like; add it to the description"),
        (_two_of_a_title, "tell them apart"),
        (_overlap, "move it"),
        (_same_id, "give them different titles"),
        (_other_threshold, "draws a threshold at 0.07 that no alert has; pass the signal"),
        (_dead_link, "there is no dashboard sms-orchestrator-nowhere; name one that there is"),
        (_own_data_source, "use the variable datasource or logs"),
        (_editable, "set editable to false"),
        (_stale_variable, "variable job: is not read again when the time range changes"),
    ],
    ids=lambda value: getattr(value, "__name__", "").removeprefix("_"),
)
def test_it_is_named_with_its_mend(change: Callable[[Document], None], said: str) -> None:
    problems = found_in(change)
    assert any(problem.startswith(f"{OVERVIEW}: ") and said in problem for problem in problems)


@pytest.mark.parametrize(
    "change",
    [_unknown_variable, _typo, _renamed_metric, _no_unit, _other_threshold, _dead_link],
    ids=lambda value: value.__name__.removeprefix("_"),
)
def test_the_panel_is_named(change: Callable[[Document], None]) -> None:
    board = documents()[OVERVIEW]
    before = {each["id"]: json.dumps(each) for each in panels(board)}
    # Without the other dashboards, links to them lead nowhere.
    alone = lint.problems({OVERVIEW: board}, GROUPS, scrape_seconds())
    change(board)
    (title,) = {t["title"] for t in panels(board) if before[t["id"]] != json.dumps(t)}
    problems = lint.problems({OVERVIEW: board}, GROUPS, scrape_seconds())
    own = [each for each in problems if each.startswith(OVERVIEW) and each not in alone]
    assert all(f"panel {title!r}" in problem for problem in not_empty(own))


def test_two_of_one_uid_are_named() -> None:
    changed = documents()
    first, second, *_ = changed
    changed[second]["uid"] = changed[first]["uid"]
    (problem,) = (each for each in found(changed) if "same uid" in each)
    assert problem.startswith(f"{first} and {second}: ")


def test_an_alert_that_leads_to_where_nothing_is_shown_is_named() -> None:
    changed = documents()
    for each in panels(changed["services.json"]):
        each["targets"] = [t for t in each["targets"] if "circuit_breaker" not in t["expr"]]
    problems = found(changed)
    assert any("alert CircuitBreakerOpen leads here, and no panel shows" in p for p in problems)
