"""What panels answer in an outage, asked of Prometheus with the committed rules."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from promql_parser import MatchOp, VectorSelector

from alerts import paths
from alerts.exporters import ALERTS
from alerts.identity import IDENTITY
from alerts.model import Severity
from alerts.signals import groups, operations, slo
from alerts.signals.scraping import REACHABLE
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards.choices import of
from dashboards.deployments import legend_with_where
from dashboards.known import now
from dashboards.panels.states import UNKNOWN_STATE
from dashboards.queries import (
    BUILT_IN,
    filled_in,
    is_prometheus,
    of_all,
    panels,
    selectors_in,
    series_in,
)
from dashboards.signal_table import Place, signal_table
from dashboards.sources import Source, sources_by_series, told_of
from prometheus_tools import promtool
from tests.not_empty import not_empty

FILES = not_empty(sorted(paths.DASHBOARDS.glob("*.json")))
DOCUMENTS = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in FILES}
UP = 'up{job="orchestrator",instance="a"}'
WATCHDOG = 'ALERTS{alertname="Watchdog",alertstate="firing",team="platform"}'
HOUR = 240
"""Scrapes of an hour."""


def asked(board: str, title: str, lane: str = "", **chosen: str) -> str:
    """The first query of a panel, or that of a lane, with all chosen but what is named."""
    document = DOCUMENTS[f"{board}.json"]
    (panel,) = (each for each in panels(document) if each["title"] == title)
    values = {**of_all(document), **BUILT_IN, **chosen}
    targets = [each for each in panel["targets"] if not lane or lane_of(each) == lane]
    return filled_in(targets[0]["expr"], values, title)


def lane_of(target: Mapping[str, str]) -> str:
    """What a lane is called, in each deployment."""
    return target["legendFormat"].removesuffix(legend_with_where(""))


def answers(
    folder: Path,
    series: Mapping[str, str],
    exprs: Sequence[str],
    minute: float,
    rules: Sequence[str] = (),
) -> list[dict[str, float]]:
    """What each of ``exprs`` gives at that minute: values by their labels; NaN is not known."""
    return answers_at(folder, series, [(expr, minute) for expr in exprs], rules)


def answers_at(
    folder: Path,
    series: Mapping[str, str],
    questions: Sequence[tuple[str, float]],
    rules: Sequence[str] = (),
) -> list[dict[str, float]]:
    """The same of questions that are each asked at a minute of its own."""
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": f"{minute * 60:g}s", "exp_samples": []}
            for expr, minute in questions
        ],
    }
    file = folder / "asked.yml"
    files = [str(paths.RULES / f"{name}.yml") for name in rules]
    document = {"rule_files": files, "evaluation_interval": "15s", "tests": [test]}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    said = promtool.said(file)
    samples = [
        re.findall(r"(\{.*?\}) (\S+?)(?:, |$)", said.get((expr, int(minute * 60)), ""))
        for expr, minute in questions
    ]
    return [
        {
            labels: math.nan if float(value) == UNKNOWN_STATE else float(value)
            for labels, value in each
        }
        for each in samples
    ]


def test_an_outage_uses_up_its_budget_while_it_lasts(tmp_path: Path) -> None:
    budget, lasted = asked("overview", "Error budget left"), (1, 3, 9)
    left = answers_at(
        tmp_path,
        {UP: f"1x{HOUR - 1} 0x{HOUR}", WATCHDOG: f"1x{2 * HOUR}"},
        [(budget, 60 + minutes) for minutes in lasted],
        rules=("scraping", "slo_events", "slo", "slo_slices", "slo_long"),
    )
    for minutes, each in zip(lasted, not_empty(left), strict=True):
        assert each['{slo="reachable"}'] == pytest.approx(1 - minutes / 43.2, abs=0.03)


@pytest.mark.parametrize(
    "title",
    ["Error budget left of 30 days", *(f"Burn rate over {each.long}" for each in slo.BURN_RATES)],
)
def test_how_a_budget_is_used_up_is_seen_while_the_outage_lasts(tmp_path: Path, title: str) -> None:
    (seen,) = answers(
        tmp_path,
        {UP: f"1x{HOUR - 1} 0x{HOUR}", WATCHDOG: f"1x{2 * HOUR}"},
        [asked("slos_and_alerts", title)],
        minute=90,
        rules=("scraping", "slo_events", "slo", "slo_slices", "slo_long"),
    )
    assert any('slo="reachable"' in series for series in seen), seen


def test_all_instances_are_down_when_the_only_one_is(tmp_path: Path) -> None:
    down = asked("overview", "Down")
    other = 'up{job="orchestrator",instance="b"}'
    for series, expected in (
        ({UP: "1x8"}, 0),
        ({UP: "0x8"}, -1),
        ({UP: "0x8", other: "1x8"}, 1),
        ({UP: "0x8", other: "0x8"}, -1),
    ):
        (found,) = answers(tmp_path, series, [down], minute=2, rules=("scraping",))
        assert found == {"{}": expected}, series


NO_TARGETS, DOWN = 3, 2
"""States of the API's lane."""


@pytest.mark.parametrize(
    ("series", "minute", "answer"),
    [
        # Its only target goes from discovery, after it was up.
        ({UP: "1x20 stale"}, 8, (-2, -2, NO_TARGETS)),
        # It was down before that.
        ({UP: "1x8 0x12 stale"}, 8, (-2, -2, NO_TARGETS)),
        # It is there, and down.
        ({UP: "1x8 0x40"}, 8, (-1, -1, DOWN)),
        # There never was one; nor has Prometheus had the time to scrape any.
        ({}, 8, (-2, -2, NO_TARGETS)),
        ({}, 0.5, ()),
    ],
)
def test_what_has_no_target_is_not_called_down(
    tmp_path: Path, series: Mapping[str, str], minute: float, answer: Sequence[float]
) -> None:
    exprs = [
        asked("overview", "API availability"),
        asked("overview", "Down"),
        asked("overview", "What works, and since when?", lane="API"),
    ]
    known = {**series, WATCHDOG: "1x40"}
    found = answers(tmp_path, known, exprs, minute, rules=("scraping",))
    said = [value for each in found for value in each.values() if math.isfinite(value)]
    assert said == [*answer]


def test_one_without_targets_beside_one_that_works_is_said(tmp_path: Path) -> None:
    up = {place: f'up{{job="orchestrator",instance="a",environment="{place}"}}' for place in "ps"}
    exprs = [
        asked("overview", "API availability"),
        asked("overview", "Down"),
        asked("overview", "What works, and since when?", lane="API"),
    ]
    tile, down, lanes = answers(
        tmp_path,
        {up["p"]: "1x20 stale", up["s"]: "1x40", WATCHDOG: "1x40"},
        exprs,
        minute=8,
        rules=("scraping",),
    )
    assert [*tile.values(), *down.values()] == [-2, -2]
    its = {labels: value for labels, value in lanes.items() if 'environment="p"' in labels}
    assert [*its.values()] == [NO_TARGETS]
    assert [v for labels, v in lanes.items() if labels not in its] != [NO_TARGETS]


def test_a_deployment_that_works_does_not_hide_one_that_is_down(tmp_path: Path) -> None:
    """Whatever is chosen: by default both are."""
    up = {place: f'up{{job="orchestrator",instance="a",environment="{place}"}}' for place in "ps"}
    in_flight = catalogue.SMS_IN_FLIGHT.name
    series = {up["p"]: "0x20", up["s"]: "1x20"}
    series[f'{in_flight}{{job="orchestrator",instance="a",environment="s"}}'] = "3x20"
    board = DOCUMENTS["overview.json"]
    present = [
        filled_in(now(f"sum({of(catalogue.SMS_IN_FLIGHT)})"), of_all(board) | chosen, "in flight")
        for chosen in ({}, {"environment": "s"})
    ]
    availability = [
        asked("overview", "API availability", **chosen) for chosen in ({}, {"environment": "s"})
    ]
    both, only, *in_flight_of = answers(
        tmp_path, series, [*availability, *present], minute=4, rules=("scraping",)
    )
    assert both == {"{}": -1}, "down"
    assert only == {}, "nothing was asked there"
    assert [[*each.values()] for each in in_flight_of] == [[], [3]]


def test_as_many_alerts_are_counted_as_are_listed(tmp_path: Path) -> None:
    """Of three instances at one place one, of two places two; a page and a ticket of one name."""
    series = {WATCHDOG: "1x8"}
    for severity, labels in (
        ("page", 'alertname="A",job="orchestrator",instance="a"'),
        ("page", 'alertname="A",job="orchestrator",instance="b"'),
        ("page", 'alertname="A",job="orchestrator",instance="c"'),
        ("page", 'alertname="A",job="orchestrator",environment="staging",instance="a"'),
        ("page", 'alertname="B",job="orchestrator",component="database"'),
        ("page", 'alertname="B",job="orchestrator",component="sms_agent"'),
        ("ticket", 'alertname="A",job="orchestrator",instance="a"'),
        ("ticket", 'alertname="A",job="orchestrator",instance="b"'),
    ):
        its = f'{labels},severity="{severity}",team="orchestrator"'
        series[f'ALERTS{{{its},alertstate="firing"}}'] = "1x8"
        series[f"ALERTS_FOR_STATE{{{its}}}"] = "0x8"
    titles = ("Pages", "Tickets", "Firing alerts")
    pages, tickets, listed = answers(
        tmp_path, series, [asked("overview", title) for title in titles], minute=1
    )
    rows = [re.findall('severity="(.+?)"', labels) for labels in listed]
    assert pages == {"{}": 4} == {"{}": rows.count(["page"])}
    assert tickets == {"{}": 1} == {"{}": rows.count(["ticket"])}


def test_pages_are_those_of_the_job_that_is_chosen_and_of_monitoring(tmp_path: Path) -> None:
    series = {'ALERTS{alertname="Watchdog",alertstate="firing",team="platform"}': "1x8"}
    for labels in (
        '"Ours",job="orchestrator"',
        '"Another",job="another"',
        '"Its",job="prometheus"',
        '"No"',
    ):
        alert = f'alertname={labels},severity="page",team="orchestrator"'
        series[f'ALERTS{{{alert},alertstate="firing"}}'] = "1x8"
        series[f"ALERTS_FOR_STATE{{{alert}}}"] = "0x8"
    every, another = answers(
        tmp_path,
        series,
        [asked("overview", "Pages"), asked("overview", "Pages", job="another")],
        minute=1,
    )
    assert (every, another) == ({"{}": 3}, {"{}": 3})
    (listed,) = answers(tmp_path, series, [asked("overview", "Firing alerts", job="x")], minute=1)
    assert sorted(re.findall('alertname="(.+?)"', str(listed))) == ["Its", "No"]


@pytest.mark.parametrize(
    ("board", "title"),
    [
        ("overview", "Releases"),
        ("services", "Routes: rate, errors, duration"),
        ("services", "Operations: rate, errors, duration"),
        ("runtime", "Instances and their releases"),
        ("overview", "Firing alerts"),
    ],
)
def test_a_table_of_nothing_says_that_it_is_not_known(
    tmp_path: Path, board: str, title: str
) -> None:
    (found,) = answers(tmp_path, {"other": "1x8"}, [asked(board, title)], minute=1)
    ((labels, _),) = found.items()
    assert "Not known" in labels


def test_an_alert_is_known_not_to_fire_while_rules_are_evaluated(tmp_path: Path) -> None:
    """It has fired for a minute; before it there was the Watchdog, and at first nothing at all."""
    late = 'ALERTS{alertname="A",alertstate="firing",severity="page",team="orchestrator"}'
    series = {WATCHDOG: "_x7 1x20", late: "_x15 1x4 stale"}
    expr = asked("slos_and_alerts", "What fired?")
    for minute, expected in ((4.5, 2), (6, -1)):
        (found,) = answers(tmp_path, series, [expr], minute=minute)
        assert found == {'{alertname="A"}': expected, '{alertname="Watchdog"}': 0}
    (found,) = answers(tmp_path, series, [expr], minute=1)
    assert math.isnan(found.pop('{alertname="Watchdog"}'))
    assert found == {}


def test_where_rules_are_evaluated_no_alert_is_none_and_not_unknown(tmp_path: Path) -> None:
    (found,) = answers(tmp_path, {WATCHDOG: "1x8"}, [asked("overview", "Firing alerts")], minute=1)
    assert found == {'{severity="none"}': -1}


@pytest.mark.parametrize(("share", "state"), [("0.0002", 0), ("0.01", 1), ("0.07", 2)])
def test_the_lane_of_the_api_is_in_a_state_and_not_a_number(
    tmp_path: Path, share: str, state: int
) -> None:
    (found,) = answers(
        tmp_path,
        {
            'job:up:reachable{job="orchestrator"}': "1x8",
            'job_slo:sli_errors:ratio_rate5m{job="orchestrator",slo="availability"}': f"{share}x8",
        },
        [asked("overview", "What works, and since when?", lane="API")],
        minute=1,
    )
    assert found == {"{}": state}


@pytest.mark.parametrize(("share", "state"), [("0.0002", 0), ("0.01", 1), ("0.5", 2)])
def test_sms_are_not_well_while_they_are_not_accepted(
    tmp_path: Path, share: str, state: int
) -> None:
    """Those of the minutes before were answered in time."""
    label = 'http_route="/orchestrate/sms-received"'
    failed = "job_http_route:http_server_request_duration_seconds_count:error_ratio_rate5m"
    (found,) = answers(
        tmp_path,
        {
            'job:up:reachable{job="orchestrator"}': "1x8",
            'job_slo:sli_errors:ratio_rate5m{job="orchestrator",slo="sms_latency"}': "0x8",
            f'{failed}{{job="orchestrator",{label}}}': f"{share}x8",
        },
        [asked("overview", "What works, and since when?", lane="SMS")],
        minute=1,
    )
    assert found == {"{}": state}


@pytest.mark.parametrize(("share", "state"), [("0.01", 0), ("0.2", 1)])
def test_a_database_that_is_slow_is_not_well(tmp_path: Path, share: str, state: int) -> None:
    """None of its statements fails."""
    labels = '{job="orchestrator",component="database"}'
    (found,) = answers(
        tmp_path,
        {
            'job:up:reachable{job="orchestrator"}': "1x8",
            f"{operations.COMPONENT_ERROR_RATIO}{labels}": "0x8",
            f"{operations.slow(Thresholds()).source}{labels}": f"{share}x8",
        },
        [asked("overview", "What works, and since when?", lane="Database")],
        minute=1,
    )
    assert found == {"{}": state}


def test_who_waits_is_not_known_while_it_cannot_be_counted(tmp_path: Path) -> None:
    """The service can be reached, its database can't; by the last count, nobody waits for long."""
    waits = 'job:orchestrator_approval_queue_oldest_age_seconds:max{job="orchestrator"}'
    failed = 'job:orchestrator_workflows_failed_oldest_age_seconds:max{job="orchestrator"}'
    counts = 'background_task_failures_total{job="orchestrator",task="backlog",instance="%s"}'
    shown = [
        asked("overview", "What works, and since when?", lane="Managers"),
        f"min({asked('ai_and_approvals', 'Oldest answer waiting')})",
        f"min({asked('ai_and_approvals', 'Oldest failed workflow')})",
    ]
    none, some = "0x16", "0x8 0+1x8"
    for a, b, is_known in ((none, none, True), (some, none, True), (some, some, False)):
        series = {
            'job:up:reachable{job="orchestrator"}': "1x16",
            waits: "20x16",
            failed: "20x16",
            counts % "a": a,
            counts % "b": b,
        }
        for found in not_empty(answers(tmp_path, series, shown, minute=3)):
            assert math.isfinite(found.get("{}", math.nan)) == is_known, (a, b)


@pytest.mark.parametrize(
    ("lane", "alert", "severity", "state"),
    [
        ("Monitoring", "AlertmanagerNotificationsFailing", "page", 2),
        ("Monitoring", "AlertmanagerNotificationsFailing", "ticket", 1),
        ("SMS", "SMSMissing", "page", 2),
    ],
)
def test_a_lane_is_red_while_somebody_is_paged_for_it(
    tmp_path: Path, lane: str, alert: str, severity: str, state: int
) -> None:
    known = {
        WATCHDOG: "1x8",
        'up{job="prometheus",instance="a"}': "1x8",
        'job:up:reachable{job="orchestrator"}': "1x8",
        "job_cause:orchestrator_sms_processing_duration_seconds_count:failed_ratio_rate5m"
        '{job="orchestrator",cause="other"}': "0x8",
        'prometheus_notifications_alertmanagers_discovered{job="prometheus"}': "1x8",
    }
    labels = f'alertname="{alert}",severity="{severity}",job="orchestrator"'
    fires = f'ALERTS{{alertstate="firing",{labels}}}'
    for series, expected in ((known, 0), ({**known, fires: "1x8"}, state)):
        (found,) = answers(
            tmp_path,
            series,
            [asked("overview", "What works, and since when?", lane=lane)],
            minute=1,
        )
        assert found == {"{}": expected}


def test_every_page_turns_a_lane_red() -> None:
    """Save those about machines and certificates: no lane is about these."""
    (lanes,) = (
        each
        for each in panels(DOCUMENTS["overview.json"])
        if each["title"] == "What works, and since when?"
    )
    exprs = [target["expr"] for target in lanes["targets"]]
    read = frozenset().union(*map(series_in, exprs))
    pages = [
        (threshold.alert, series_in(str(signal.source)))
        for group in groups(Thresholds())
        for signal in group.signals
        for threshold in signal.thresholds
        if threshold.severity is Severity.PAGE
    ]
    unseen = {
        alert for alert, series in pages if alert not in " ".join(exprs) and not series & read
    }
    assert unseen == {"NodeDiskFull", "CertificateExpiring"}


class TestWhatIsGone:
    """No tile, table or lane of any board repeats what was so before."""

    OF_A_RANGE = (
        "From received to sent",
        "From found to confirmed",
        "Time to resolve nine in ten, by type",
    )
    """What happened in the chosen range has happened, whatever is gone now."""
    OF_WEEKS = ("Error budget left", "Time left until full", "Is enough history known?")
    """Computed of so long a time that an outage of minutes leaves it true."""
    OF_REACHABILITY = ("API availability", "Down", "What works, and since when?")
    """They say that it is down."""
    OF_EACH_ALERT = "Every alert and its limit"
    """Too long to be asked here; the lint finds that each of its rows asks what is known."""

    @pytest.fixture(scope="class")
    @classmethod
    def shown(cls) -> dict[tuple[str, str], str]:
        """What is shown as of now, by its panel and its place there."""
        return {
            (panel["title"], target["refId"]): filled_in(
                target["expr"], {**of_all(document), **BUILT_IN}, panel["title"]
            )
            for document in DOCUMENTS.values()
            for panel in panels(document)
            if panel["type"] in ("stat", "bargauge", "table", "state-timeline")
            if panel["title"] not in (*cls.OF_A_RANGE, cls.OF_EACH_ALERT)
            for target in panel["targets"]
            if selectors_in(target["expr"])
        }

    @staticmethod
    def known(
        shown: Mapping[tuple[str, str], str], folder: Path, lasting: str, reachable: str = ""
    ) -> set[tuple[str, str]]:
        """What has a number after 12.5 minutes, when all that they read is ``lasting``."""
        read = {each for expr in not_empty(shown.values()) for each in selectors_in(expr)}
        series = {series_of(each): lasting for each in read}
        series[f'{REACHABLE}{{job="orchestrator"}}'] = reachable or lasting
        found = answers(folder, series, list(shown.values()), minute=12.5)
        return {
            key
            for key, values in zip(shown, found, strict=True)
            if any(map(math.isfinite, values.values()))
        }

    def test_while_prometheus_stores_nothing(
        self, tmp_path: Path, shown: Mapping[tuple[str, str], str]
    ) -> None:
        """It goes on answering with its last samples for five minutes."""
        not_known = {*shown} - self.known(shown, tmp_path, "1x60")
        # A forecast, and the instance runs for a second.
        assert not_known == {("What should never happen", "B")}
        # How old they are, and the lane that is red for it.
        age = {("Newest sample", "A"), ("What works, and since when?", "A")}
        assert self.known(shown, tmp_path, "1x40 _x20") == age

    def test_while_the_service_is_halted(
        self, tmp_path: Path, shown: Mapping[tuple[str, str], str]
    ) -> None:
        """Recorded rates go on for as long as their windows."""
        origin = sources_by_series()
        counted = {
            key: expr
            for key, expr in shown.items()
            for read in [series_in(expr) - {str(REACHABLE)}]
            if Source.SERVICE in set().union(*(origin[name] for name in read))
        }
        said = self.known(counted, tmp_path, "1x60", reachable="1x40 0x20")
        assert {title for title, _ in said} <= {*self.OF_WEEKS, *self.OF_REACHABILITY}


PLACES = ("production", "staging")
NAMELESS = ("",)
"""One deployment, whose targets say nowhere which it is."""


class TestSeveralDeployments:
    """All of them are chosen. One that is down hides none that works, and is hidden by none."""

    LASTED = "1x60"
    FELL = "1x40 0x20"

    OF_WEEKS = ("Error budget left", "Time left until full", "Is enough history known?")
    OF_ALL = ("Pages", "Tickets", "What fired?", "Firing alerts")
    """Alerts, which are evaluated for all of them in one place."""
    SAYS_IT_IS_DOWN = (
        ("What works, and since when?", "B"),
        ("Prometheus and Alertmanager", "A"),
    )

    NOTED_OF_SCRAPES = tuple(("Prometheus and Alertmanager", query) for query in "BDF")
    """Whether targets are missing, come and go, or give more than before: known while they are
    down."""

    Answers = Mapping[tuple[str, str], Mapping[str, float]]

    @classmethod
    def asked_of(cls, folder: Path, kinds: Sequence[str], lives: Mapping[str, str]) -> Answers:
        """What panels of these ``kinds`` say, by panel and query, of what is of the service.

        All that they read goes on, as recorded rates do; ``lives`` says of each deployment whether
        it can be reached.
        """
        shown = {
            (panel["title"], target["refId"]): filled_in(
                target["expr"], {**of_all(document), **BUILT_IN}, panel["title"]
            )
            for document in DOCUMENTS.values()
            for panel in panels(document)
            if is_prometheus(panel) and panel["type"] in kinds
            if panel["title"] != TestWhatIsGone.OF_EACH_ALERT
            for target in panel["targets"]
            if Source.SERVICE in told_of(target["expr"]) | cls._asks_of(target["expr"])
        }
        series = {}
        for each in {each for expr in shown.values() for each in selectors_in(expr)}:
            is_of_one = each.name != ALERTS and 'job="orchestrator"' in series_of(each)
            for place in lives if is_of_one else NAMELESS:
                series[series_of(each, place)] = cls.LASTED
        for place, lasting in lives.items():
            series[written(REACHABLE.name, {"job": "orchestrator"}, place)] = lasting
        found = answers(folder, series, list(not_empty(shown.values())), minute=12.5)
        return dict(zip(shown, found, strict=True))

    @staticmethod
    def _asks_of(expr: str) -> set[Source]:
        return {Source.SERVICE} if str(REACHABLE) in expr else set()

    @staticmethod
    def of_place(found: Answers, place: str) -> dict[tuple[str, str], list[float]]:
        """The known values of one deployment."""
        return {
            key: known
            for key, values in found.items()
            for known in [
                [
                    value
                    for labels, value in values.items()
                    if f'environment="{place}"' in labels and math.isfinite(value)
                ]
            ]
            if known
        }

    def test_rows_and_lanes_are_of_one_each(self, tmp_path: Path) -> None:
        kinds = ("table", "state-timeline")
        production, staging = PLACES
        both, one_fell, both_fell = (
            self.asked_of(tmp_path, kinds, {production: its, staging: the_other})
            for its, the_other in (
                (self.LASTED, self.LASTED),
                (self.FELL, self.LASTED),
                (self.FELL, self.FELL),
            )
        )
        of_staging = self.of_place(both, staging)
        # A forecast: the instance runs for a second.
        assert {*both} - {*of_staging} == {("What should never happen", "B")}
        assert self.of_place(both, production) == of_staging
        assert self.of_place(one_fell, staging) == of_staging
        for found in (one_fell, both_fell):
            said = {key for key in self.of_place(found, production) if key[0] not in self.OF_WEEKS}
            assert said == {*self.SAYS_IT_IS_DOWN, *self.NOTED_OF_SCRAPES}
        assert self.of_place(both_fell, staging) == self.of_place(both_fell, production)

    def test_rows_and_lanes_say_which_they_are_of_and_which_are_not_known(
        self, tmp_path: Path
    ) -> None:
        """Also where there is nothing to be shown of it."""
        found = self.asked_of(
            tmp_path,
            ("table", "state-timeline"),
            {"production": self.FELL, "staging": self.LASTED},
        )
        first = {title: values for (title, query), values in found.items() if query == "A"}
        for title, values in not_empty(first.items()):
            named = {
                place for labels in values for place in re.findall(r'where=" ?eu (\w+)"', labels)
            }
            assert named == {*PLACES}, title
        (not_known,) = (
            (labels, value)
            for labels, value in first["Routes: rate, errors, duration"].items()
            if "production" in labels
        )
        assert 'http_route="Not known"' in not_known[0]
        assert math.isnan(not_known[1])
        # By which the rows are sorted: Grafana puts no value behind all others.
        failing = found["Routes: rate, errors, duration", "B"]
        assert [v for labels, v in failing.items() if "production" in labels] == [math.inf]
        assert math.isfinite(max(v for labels, v in failing.items() if "staging" in labels))
        lanes = first["Breakers"]
        assert {value for labels, value in lanes.items() if "staging" in labels} == {2}
        assert [str(value) for labels, value in lanes.items() if "production" in labels] == ["nan"]

    def test_lines_and_bars_of_each_say_which_they_are_of(self, tmp_path: Path) -> None:
        kinds = ("timeseries", "bargauge")
        found = self.asked_of(tmp_path, kinds, dict.fromkeys(PLACES, self.LASTED))
        of_each = {key: str([*v]) for key, v in found.items() if "environment" in str([*v])}
        assert ("Error budget left", "A") in of_each
        for key, labels in of_each.items():
            assert {*re.findall(r'where=" eu (\w+)"', labels)} == {*PLACES}, key

    def test_a_budget_that_is_not_known_is_none_of_another_deployment(self, tmp_path: Path) -> None:
        one = {"job": "orchestrator", "slo": "availability"}
        series = {written(slo.BUDGET_LEFT.name, one, PLACES[0]): "0.5x60"}
        for place in PLACES:
            series[written(REACHABLE.name, {"job": "orchestrator"}, place)] = self.LASTED
            series[written(slo.OBJECTIVE, one, place)] = "0.999x60"
        (found,) = answers(tmp_path, series, [asked("overview", "Error budget left")], minute=12.5)
        left = {
            place: value
            for labels, value in found.items()
            for place in re.findall(r'slo="availability", where=" eu (\w+)"', labels)
        }
        production, staging = PLACES
        assert left == {production: 0.5, staging: pytest.approx(math.nan, nan_ok=True)}

    def test_lanes_go_on_in_grey_under_their_names_where_nothing_is_stored(
        self, tmp_path: Path
    ) -> None:
        """As before a Prometheus began: there is no further lane, of none."""
        ended = "1x30 _x30"
        known, unknown = (
            self.asked_of(tmp_path, ("state-timeline",), dict.fromkeys(PLACES, lasting))
            for lasting in (self.LASTED, ended)
        )
        of_each = {key for key in known if self.of_place(known, PLACES[0]).get(key)}
        for key in not_empty(of_each):
            named = {labels for labels in unknown[key] if "environment" in labels}
            assert len(named) == len(PLACES), key
            # An alert may be of no deployment, and turn a lane red.
            others = {value for labels, value in unknown[key].items() if labels not in named}
            assert not {*filter(math.isnan, others)}, key

    @pytest.mark.parametrize("lasting", [LASTED, FELL])
    def test_one_that_has_no_name_is_not_named(self, tmp_path: Path, lasting: str) -> None:
        (place,) = NAMELESS
        lanes = self.asked_of(tmp_path, ("state-timeline",), {place: lasting})
        for key, values in not_empty(lanes.items()):
            assert [*values] == ["{}"], key
        kinds = ("table", "stat", "bargauge", "timeseries")
        others = self.asked_of(tmp_path, kinds, {place: lasting})
        for key, values in not_empty(others.items()):
            assert not re.search("where|cluster", str([*values])), key

    @pytest.mark.parametrize(
        ("lives", "left_out"), [((LASTED, LASTED), set()), ((FELL, LASTED), {"eu production"})]
    )
    def test_limits_are_those_of_what_can_be_reached_and_who_cannot_comes_first(
        self, tmp_path: Path, lives: Sequence[str], left_out: set[str]
    ) -> None:
        """Of capacity used, 90% in production and 50% in staging."""
        limit = Thresholds().concurrent_sms_warning_ratio
        every = next(each for each in groups(Thresholds()) if each.name == "sms")
        (used,) = (each for each in every.signals if each.title == "Capacity used by SMS")
        one = replace(every, signals=(used,))
        graph = Place(
            uid="board", panel=1, title="Graph", kind="timeseries", asks="", series=frozenset()
        )
        table = signal_table([one], [graph])
        series = {WATCHDOG: self.LASTED}
        for place, lasting, share in zip(PLACES, lives, ("0.9", "0.5"), strict=True):
            series[written(REACHABLE.name, {"job": "orchestrator"}, place)] = lasting
            series[written(str(used.source), {"job": "orchestrator"}, place)] = f"{share}x60"
        all_chosen = {**of_all(DOCUMENTS["slos_and_alerts.json"]), **BUILT_IN}
        rows, value, near, state = answers(
            tmp_path,
            series,
            [filled_in(target.expr, all_chosen, "") for target in table.targets],
            minute=12.5,
        )
        shown = {labels for labels in rows if 'alert="Not known"' not in labels}
        said = " ".join(rows)
        assert {*re.findall(r"can't be reached: ([\w ]+)", said)} == left_out
        assert len(shown) == len(used.thresholds)
        assert {*value.values()} == {50 if left_out else 90}
        assert len(near) == len(shown) + len(left_out)
        assert max(near.values()) == (math.inf if left_out else pytest.approx(0.9 / limit))
        assert len(state) == len(shown)

    def test_one_number_for_all_is_none_while_one_is_down(self, tmp_path: Path) -> None:
        """Nor is it green, or of those that are left."""

        def numbers(*lives: str) -> dict[str, float]:
            found = self.asked_of(tmp_path, ("stat",), dict(zip(PLACES, lives, strict=True)))
            return {
                title: value
                for (title, _), values in found.items()
                for value in values.values()
                if math.isfinite(value) and title not in self.OF_ALL
            }

        well = numbers(self.LASTED, self.LASTED)
        assert well["Down"] == 0
        assert {"API availability", "SMS within 2s", "AI calls that fail"} <= {*well}
        for lives, down in (
            ((self.FELL, self.LASTED), -3),
            ((self.LASTED, self.FELL), -3),
            ((self.FELL, self.FELL), -1),
        ):
            assert numbers(*lives) == {"API availability": -1, "Down": down}


def series_of(selector: VectorSelector, place: str = "") -> str:
    """A series that ``selector`` finds, of the deployment at ``place``."""
    labels = {}
    for each in selector.matchers.matchers:
        if each.op is MatchOp.Equal:
            labels[each.name] = each.value
        elif each.op is MatchOp.Re and each.name not in IDENTITY:
            several = ["orchestrator", *each.value.split("|")]
            labels[each.name] = next(v for v in several if re.fullmatch(each.value, v))
    return written(selector.name or "", labels, place)


def written(name: str, labels: Mapping[str, str], place: str = "") -> str:
    """A series of the deployment at ``place``."""
    where = {"cluster": "eu", "environment": place} if place else {}
    its = ",".join(f'{label}="{value}"' for label, value in {**labels, **where}.items())
    return f"{name}{{{its}}}"


def test_samples_that_are_far_apart_are_shown(tmp_path: Path) -> None:
    """As in a history that was made later: one in five minutes, also of an old moment."""
    sparse = "_x19 1 _x19 1 _x19 1 _x19 1"
    series = {
        'job:up:reachable{job="orchestrator"}': sparse,
        'job:orchestrator_sms_received:to_usual_ratio{job="orchestrator"}': sparse,
    }
    (found,) = answers(tmp_path, series, [asked("overview", "SMS vs usual")], minute=14)
    assert found == {"{}": 1}


def test_no_more_sms_fail_than_there_are(tmp_path: Path) -> None:
    """Of 60 SMS a minute 6 fail, while 120 old workflows a minute are run again and fail."""
    ended = 'orchestrator_sms_processing_duration_seconds_count{job="orchestrator",instance="a"'
    step = 'orchestrator_workflow_step_duration_seconds_count{job="orchestrator",instance="a"'
    (found,) = answers(
        tmp_path,
        {
            UP: f"1x{HOUR}",
            f'{ended},route="auto_sent"}}': f"0+13.5x{HOUR}",
            f'{ended},route="failed"}}': f"0+1.5x{HOUR}",
            f'{step},step="ai_response",step_type="ai_processing",status="failed"}}': (
                f"0+30x{HOUR}"
            ),
        },
        [asked("services", "SMS whose workflow failed")],
        minute=30,
        rules=("scraping", "sms"),
    )
    assert found
    assert sum(found.values()) == pytest.approx(0.1, rel=0.01)
