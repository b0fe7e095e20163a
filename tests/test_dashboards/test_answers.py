"""What panels answer in an outage, asked of Prometheus with the committed rules."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from alerts import paths
from alerts.model import Severity
from alerts.signals import groups, http
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.boards import dashboard_files
from dashboards.queries import BUILT_IN, filled_in, of_all, panels, series_in
from prometheus_tools import promtool
from tests.not_empty import not_empty

DOCUMENTS = {n: json.loads(text) for n, text in dashboard_files(Thresholds(), Links()).items()}
UP = 'up{job="orchestrator",instance="a"}'
HOUR = 240
"""Scrapes of an hour."""


def asked(board: str, title: str, lane: str = "", **chosen: str) -> str:
    """The first query of a panel, or that of a lane, with all chosen but what is named."""
    document = DOCUMENTS[f"{board}.json"]
    (panel,) = (each for each in panels(document) if each["title"] == title)
    values = {**of_all(document), **BUILT_IN, **chosen}
    targets = [each for each in panel["targets"] if not lane or each["legendFormat"] == lane]
    return filled_in(targets[0]["expr"], values, title)


def answers(
    folder: Path,
    series: Mapping[str, str],
    exprs: Sequence[str],
    minute: float,
    rules: Sequence[str] = (),
) -> list[dict[str, float]]:
    """What each of ``exprs`` gives at that minute: values by their labels."""
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expr, "eval_time": f"{minute * 60:g}s", "exp_samples": []} for expr in exprs
        ],
    }
    file = folder / "asked.yml"
    files = [str(paths.RULES / f"{name}.yml") for name in rules]
    document = {"rule_files": files, "evaluation_interval": "15s", "tests": [test]}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    said = promtool.said(file)
    samples = [
        re.findall(r"(\{.*?\}) (\S+?)(?:, |$)", said.get((e, int(minute * 60)), "")) for e in exprs
    ]
    return [{labels: float(value) for labels, value in each} for each in samples]


@pytest.mark.parametrize("minutes", [1, 3, 9])
def test_an_outage_uses_up_its_budget_while_it_lasts(tmp_path: Path, minutes: int) -> None:
    (left,) = answers(
        tmp_path,
        {UP: f"1x{HOUR - 1} 0x{HOUR}"},
        [asked("overview", "Error budget left")],
        minute=60 + minutes,
        rules=("scraping", "slo_events", "slo", "slo_slices", "slo_long"),
    )
    assert left['{slo="reachable"}'] == pytest.approx(1 - minutes / 43.2, abs=0.03)


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
    watchdog = 'ALERTS{alertname="Watchdog",alertstate="firing",team="platform"}'
    series = {watchdog: "_x7 1x20", late: "_x15 1x4 stale"}
    expr = asked("slos_and_alerts", "What fired?", lane="{{alertname}}")
    for minute, expected in ((1, {}), (4.5, {'{alertname="A"}': 2}), (6, {'{alertname="A"}': -1})):
        (found,) = answers(tmp_path, series, [expr], minute=minute)
        assert found == expected


def test_where_rules_are_evaluated_no_alert_is_none_and_not_unknown(tmp_path: Path) -> None:
    watchdog = 'ALERTS{alertname="Watchdog",alertstate="firing",team="platform"}'
    (found,) = answers(tmp_path, {watchdog: "1x8"}, [asked("overview", "Firing alerts")], minute=1)
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


def test_monitoring_fails_while_nobody_can_be_woken(tmp_path: Path) -> None:
    failed = "job_instance_integration:alertmanager_notifications_failed:ratio_increase15m"
    lane = asked("overview", "What works, and since when?", lane="Monitoring")
    for integration, share, expected in (
        ("webhook", "0", 0),
        ("webhook", "1", 2),
        ("email", "1", 1),
    ):
        labels = f'job="alertmanager",instance="a",integration="{integration}"'
        (found,) = answers(tmp_path, {f"{failed}{{{labels}}}": f"{share}x8"}, [lane], minute=1)
        assert found == {"{}": expected}, integration


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


def test_who_waits_is_not_known_while_it_cannot_be_counted(tmp_path: Path) -> None:
    """The service can be reached, its database can't; by the last count, nobody waits for long."""
    waits = 'job:orchestrator_approval_queue_oldest_age_seconds:max{job="orchestrator"}'
    counts = 'background_task_failures_total{job="orchestrator",task="backlog",instance="%s"}'
    lane = asked("overview", "What works, and since when?", lane="Managers")
    none, some = "0x16", "0x8 0+1x8"
    for a, b, expected in ((none, none, 0), (some, none, 0), (some, some, math.nan)):
        series = {
            'job:up:reachable{job="orchestrator"}': "1x16",
            waits: "20x16",
            counts % "a": a,
            counts % "b": b,
        }
        (found,) = answers(tmp_path, series, [lane], minute=3)
        assert found.get("{}") == pytest.approx(expected, nan_ok=True), (a, b)


@pytest.mark.parametrize(
    ("lane", "alert"),
    [("Monitoring", "AlertmanagerNotificationsFailing"), ("SMS", "SMSMissing")],
)
def test_a_lane_is_red_while_somebody_is_paged_for_it(
    tmp_path: Path, lane: str, alert: str
) -> None:
    known = {
        'job:up:reachable{job="orchestrator"}': "1x8",
        "job_cause:orchestrator_sms_processing_duration_seconds_count:failed_ratio_rate5m"
        '{job="orchestrator",cause="other"}': "0x8",
        'prometheus_notifications_alertmanagers_discovered{job="prometheus"}': "1x8",
    }
    fires = f'ALERTS{{alertname="{alert}",alertstate="firing",severity="page",job="orchestrator"}}'
    for series, state in ((known, 0), ({**known, fires: "1x8"}, 2)):
        (found,) = answers(
            tmp_path,
            series,
            [asked("overview", "What works, and since when?", lane=lane)],
            minute=1,
        )
        assert found == {"{}": state}


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


@pytest.mark.parametrize(
    ("board", "title", "record"),
    [
        (
            "ai_and_approvals",
            "Sent at once",
            "job:orchestrator_ai_responses:auto_sent_ratio_increase1h",
        ),
        ("overview", "SMS vs usual", "job:orchestrator_sms_received:to_usual_ratio1h"),
        ("trends", "SMS vs usual", "job:orchestrator_sms_received:to_usual_ratio"),
    ],
)
def test_what_was_counted_before_an_outage_is_not_shown_in_it(
    tmp_path: Path, board: str, title: str, record: str
) -> None:
    known = {f'{record}{{job="orchestrator"}}': "0.7x8"}
    for reachable, expected in (("1x8", {"{}": 0.7}), ("0x8", {})):
        series = {**known, 'job:up:reachable{job="orchestrator"}': reachable}
        (found,) = answers(tmp_path, series, [asked(board, title)], minute=1)
        assert found == expected


@pytest.mark.parametrize(("minutes_later", "is_known"), [(1, True), (2.5, False), (4.5, False)])
def test_what_was_so_before_the_disk_was_full_is_not_shown(
    tmp_path: Path, minutes_later: float, is_known: bool
) -> None:
    """Prometheus goes on answering with its last samples for five minutes."""
    lasting = "1x40 _x40"
    series = {
        'job:up:reachable{job="orchestrator"}': lasting,
        UP: lasting,
        'ALERTS{alertname="Watchdog",alertstate="firing",team="platform"}': lasting,
        'job_slo:sli_errors:ratio_rate5m{job="orchestrator",slo="sms_latency"}': "0x40 _x40",
        f'{http.REFUSED_RATIO.name}{{job="orchestrator"}}': "0x40 _x40",
    }
    tiles = [asked("overview", each) for each in ("Pages", "Tickets", "SMS within 2s", "Down")]
    lanes = [asked("overview", "What works, and since when?", lane=each) for each in ("API", "SMS")]
    minute = 10 + minutes_later
    for found in not_empty(answers(tmp_path, series, tiles + lanes, minute=minute)):
        assert (found.get("{}", math.nan) >= 0) == is_known


def test_samples_that_are_far_apart_are_shown(tmp_path: Path) -> None:
    """As in a history that was made later: one in five minutes, also of an old moment."""
    sparse = "_x19 1 _x19 1 _x19 1 _x19 1"
    series = {
        'job:up:reachable{job="orchestrator"}': sparse,
        'job:orchestrator_sms_received:to_usual_ratio1h{job="orchestrator"}': sparse,
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
            f'{ended},route="auto_sent"}}': f"0+13.5x{HOUR}",
            f'{ended},route="failed"}}': f"0+1.5x{HOUR}",
            f'{step},step="ai_response",step_type="ai_processing",status="failed"}}': (
                f"0+30x{HOUR}"
            ),
        },
        [asked("services", "SMS whose workflow failed")],
        minute=30,
        rules=("sms",),
    )
    assert found
    assert sum(found.values()) == pytest.approx(0.1, rel=0.01)
