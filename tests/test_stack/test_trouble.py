"""`make status` in an outage: a component that answers and does not do its work is not well."""

import asyncio
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from prometheus_tools.scratch import scratch
from stack import trouble
from stack.backend import ComponentStatus
from tests.test_alerts.alertmanager_process import alertmanager
from tests.upstreams import serving

Answers = Mapping[str, Any]


def _rule(name: str, severity: str, *states: str, lasts: float = 0.0) -> dict[str, Any]:
    """A rule that waits for a minute, as Prometheus tells of it, and its alerts' states."""
    since = datetime.now(UTC) - timedelta(seconds=lasts)
    labels = {"alertname": name, "severity": severity}
    active = f"{since:%Y-%m-%dT%H:%M:%S.%f}123Z"
    alerts = [{"labels": labels, "state": state, "activeAt": active} for state in states]
    return {"name": name, "duration": 60, "alerts": alerts}


NEVER = "0001-01-01T00:00:00Z"


def _rules(
    *rules: dict[str, Any], evaluated: str = "2026-01-05T14:00:00.5Z", interval: float = 15
) -> Answers:
    group = {
        "name": "other",
        "interval": interval,
        "lastEvaluation": evaluated,
        "rules": [*rules],
    }
    well = WELL["/api/v1/rules"]["data"]["groups"]
    return {"/api/v1/rules": {"data": {"groups": [*well, group]}}}


LONG_AGO = datetime.now(UTC) - timedelta(hours=1)
NO_CONFIG = Path("/no/such/alertmanager.yml")
WELL: Answers = {
    "/health/dependencies": {"dependencies": {"database": {"up": True, "reason": None}}},
    "/orchestrate/metrics": {
        "health": {
            "rollup_store": {"state": "ok", "reason": None},
            "dependencies": {"database": {"state": "ok", "calls": 9, "errors": 0}},
        },
        "thresholds": [{"state": "no_data"}, {"state": "ok"}],
    },
    "/api/v1/targets": {"data": {"activeTargets": [{"health": "up", "labels": {"job": "node"}}]}},
    "/api/v1/alertmanagers": {"data": {"activeAlertmanagers": [{}]}},
    "/metrics": "prometheus_config_last_reload_successful 1\n"
    "alertmanager_config_last_reload_successful 1\n",
    "time() - max(timestamp": [({}, "3")],
    "alertmanager_notifications_failed": [],
    "/api/v1/rules": {
        "data": {
            "groups": [
                {
                    "name": "quick",
                    "interval": 15,
                    "lastEvaluation": "2026-01-05T14:00:00.5Z",
                    "rules": [
                        {"name": "job:up:sum"},
                        _rule("Watchdog", "info", "firing"),
                        _rule("TargetDown", "ticket"),
                    ],
                }
            ]
        }
    },
}
"""What components that work answer, by path; to a query, by what it begins with or holds."""


async def said(
    name: str,
    answers: Answers,
    since: datetime = LONG_AGO,
    headers: Mapping[str, str] | None = None,
) -> tuple[list[str], list[str]]:
    """What status says of the component, and of alerts, where all of them give ``answers``."""

    async def answer(request: Request) -> Response:
        found = answers.get(request.url.path)
        if request.url.path == "/api/v1/query":
            asked = request.query_params["query"]
            series = next(value for key, value in answers.items() if key in asked)
            result = [{"metric": labels, "value": [0, number]} for labels, number in series]
            found = {"data": {"result": result}}
        if isinstance(found, int):
            return Response(status_code=found)
        if isinstance(found, str):
            return PlainTextResponse(found)
        return JSONResponse(found, headers=dict(headers or {}))

    async with serving(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        statuses = [ComponentStatus(each, True, url, since) for each in {name, "prometheus"}]
        found = await asyncio.to_thread(trouble.troubles, statuses, "token", NO_CONFIG)
        alerts = await asyncio.to_thread(trouble.alerts, statuses)
    return found.get(name, []), alerts


@pytest.mark.parametrize("name", ["app", "prometheus", "alertmanager", "simulator"])
async def test_nothing_is_said_of_what_works(name: str) -> None:
    assert await said(name, WELL) == ([], ["Alerts: none fires"])


def _figures(**health: Any) -> Answers:
    figures = WELL["/orchestrate/metrics"]
    return {"/orchestrate/metrics": figures | {"health": figures["health"] | health}}


@pytest.mark.parametrize(
    ("name", "instead", "expected"),
    [
        (
            "app",
            {"/health/dependencies": {"dependencies": {"database": {"up": False, "reason": "x"}}}},
            "database: x",
        ),
        (
            "app",
            _figures(rollup_store={"state": "down", "reason": "the disk is full"}),
            "its counts can't be stored or read: the disk is full",
        ),
        (
            "app",
            _figures(dependencies={"ai_provider": {"state": "failing", "calls": 9, "errors": 7}}),
            "ai provider: its calls fail: 7 of 9 in the last 5 minutes",
        ),
        ("app", {"/orchestrate/metrics": 503}, "its figures can't be read: it answers 503"),
        (
            "prometheus",
            {"/api/v1/targets": {"data": {"activeTargets": []}}},
            "it scrapes nothing: it knows no target",
        ),
        (
            "prometheus",
            {
                "/api/v1/targets": {
                    "data": {
                        "activeTargets": [
                            {"health": "down", "labels": {"job": "node"}, "lastError": "refused"}
                        ]
                    }
                }
            },
            "it can't scrape node: refused",
        ),
        (
            "prometheus",
            {
                "/api/v1/targets": {
                    "data": {"activeTargets": [{"health": "unknown", "labels": {"job": "node"}}]}
                }
            },
            "it has never scraped node",
        ),
        (
            "prometheus",
            {"time() - max(timestamp": [({}, "3600")]},
            "it has stored nothing for 3600 s",
        ),
        (
            "prometheus",
            {"time() - max(timestamp": []},
            "it has stored nothing in the last 5 minutes",
        ),
        (
            "prometheus",
            {"/api/v1/alertmanagers": {"data": {"activeAlertmanagers": []}}},
            "it sends alerts to nobody: it knows no Alertmanager",
        ),
        (
            "prometheus",
            {"/metrics": "prometheus_config_last_reload_successful 0\n"},
            "it runs with an old configuration: the last reload failed",
        ),
        (
            "alertmanager",
            {"alertmanager_notifications_failed": [({"integration": "webhook"}, "4")]},
            "webhook took no notification 4 times in 5 minutes",
        ),
        (
            "alertmanager",
            {"/metrics": 500},
            "can't be asked how it does: ",
        ),
    ],
)
async def test_what_does_not_work_is_said(name: str, instead: Answers, expected: str) -> None:
    (text,) = (await said(name, WELL | instead))[0]
    assert text.startswith(expected)


async def test_a_clock_that_is_wrong_is_said() -> None:
    behind = formatdate(time.time() - 3600, usegmt=True)
    (text,) = (await said("app", WELL, headers={"Date": behind}))[0]
    assert "behind this machine's" in text
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    (text,) = (await said("simulator", WELL, since=in_an_hour))[0]
    assert "clock was set back" in text


async def test_a_prometheus_that_has_just_started_need_not_have_scraped_yet() -> None:
    targets = {"data": {"activeTargets": [{"health": "unknown", "labels": {"job": "node"}}]}}
    just_now = {"/api/v1/targets": targets, "time() - max(timestamp": []}
    # One of its groups has had its turn.
    half = _rules(_rule("ServiceDown", "page"), evaluated=NEVER)
    since = datetime.now(UTC) - timedelta(seconds=12)
    found, alerts = await said("prometheus", WELL | just_now | half, since=since)
    assert found == []
    # But nobody calls that well, and nobody looks for what is wrong with it.
    (alert,) = alerts
    assert re.fullmatch(
        r"Alerts: not known, rules not evaluated yet \(Prometheus started 1\d s ago\)", alert
    )


async def test_alerts_are_named_or_not_known() -> None:
    firing = _rules(_rule("ServiceDown", "page", "firing", "pending"))
    assert (await said("app", WELL | firing))[1] == ["Alert: ServiceDown (page)"]
    strange = {"/api/v1/rules": {"data": {"groups": []}}}
    assert (await said("app", WELL | strange))[1] == [
        "Alerts: not known, Prometheus evaluates no rules"
    ]
    full = WELL | {"time() - max(timestamp": [({}, "165")]}
    assert (await said("app", full))[1] == ["Alerts: not known, Prometheus stores nothing"]
    gone = [ComponentStatus("prometheus", False, "http://127.0.0.1:1", None)]
    assert trouble.alerts(gone) == ["Alerts: not known, Prometheus does not answer"]


async def test_rules_that_have_their_turn_every_few_minutes_only_are_named() -> None:
    slow = _rules(_rule("DiskFullSoon", "ticket"), evaluated=NEVER, interval=300)
    since = datetime.now(UTC) - timedelta(seconds=100)
    (alert,) = (await said("prometheus", WELL | slow, since=since))[1]
    assert re.fullmatch(
        r"Alerts: none fires; rules not evaluated yet: other \(Prometheus started 10\d s ago\)",
        alert,
    )
    # What is only recorded fires for nobody.
    recorded = _rules({"name": "job:up:sum"}, evaluated=NEVER)
    assert (await said("prometheus", WELL | recorded))[1] == ["Alerts: none fires"]


async def test_an_alert_that_still_waits_is_told_of_before_it_fires() -> None:
    down = _rule("ServiceDown", "page", "pending", lasts=20)
    other = _rule("TargetDown", "ticket", "pending", "pending", lasts=5)
    (text,) = (await said("app", WELL | _rules(other, down)))[1]
    assert re.fullmatch(
        r"Alerts: none fires; 2 pending, to fire if this lasts: "
        r"ServiceDown \(page\) in [34]\d s, TargetDown \(ticket\) in 5\d s",
        text,
    )
    fires = _rule("AIProviderFailing", "page", "firing", lasts=300)
    first, second = (await said("app", WELL | _rules(fires, other)))[1]
    assert first == "Alert: AIProviderFailing (page)"
    assert second.startswith("Alerts: 1 pending, to fire if this lasts: TargetDown (ticket) in ")


async def test_an_alertmanager_that_goes_on_with_its_old_configuration_is_said(
    tmp_path: Path,
) -> None:
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    async with alertmanager(tmp_path, config) as client:
        its = [ComponentStatus("alertmanager", True, str(client.base_url).rstrip("/"), LONG_AGO)]
        assert trouble.troubles(its, "", config) == {}
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}, {name: new}]\n")
        (other,) = trouble.troubles(its, "", config)["alertmanager"]
        assert "another configuration than alertmanager.yml" in other
        config.write_text("nonsense")
        assert client.post("/-/reload").is_error
        (old,) = trouble.troubles(its, "", config)["alertmanager"]
        assert old == "it runs with an old configuration: the last reload failed"


def test_a_prometheus_that_scrapes_nothing_is_said(tmp_path: Path) -> None:
    with scratch(tmp_path / "data") as url:
        its = [ComponentStatus("prometheus", True, url, LONG_AGO)]
        found = trouble.troubles(its, "", NO_CONFIG)["prometheus"]
        assert "it scrapes nothing: it knows no target" in found
        assert "it sends alerts to nobody: it knows no Alertmanager" in found
        assert trouble.alerts(its) == ["Alerts: not known, Prometheus evaluates no rules"]
