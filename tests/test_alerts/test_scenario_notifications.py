"""The model of Alertmanager's waits says what a real Alertmanager does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import yaml
from fastapi import FastAPI, Request

from alerts import paths
from alerts.notifications import configuration
from alerts.notifications.settings import NotificationSettings
from alerts.scenarios.notifications import Message, asked, messages, waits_by_receiver
from alerts.scenarios.routing import Alert, State, routing
from prometheus_tools.yaml_reading import read_yaml
from tests.test_alerts.alertmanager_process import alertmanager
from tests.upstreams import serving
from tests.waiting import until

JOB = {"job": "orchestrator", "team": "orchestrator"}
SMS_AGENT: Alert = frozenset(
    {"alertname": "UpstreamFailing", "severity": "ticket", "component": "sms_agent", **JOB}.items()
)
COLLECTIONS: Alert = frozenset({**dict(SMS_AGENT), "component": "collections_monitor"}.items())
PAGE: Alert = frozenset({"alertname": "SMSConcurrencyHigh", "severity": "page", **JOB}.items())
ITS_TICKET: Alert = frozenset({**dict(PAGE), "severity": "ticket"}.items())

HISTORY: tuple[set[Alert], ...] = (
    {SMS_AGENT},
    # Another one of the same group, and then only that.
    {SMS_AGENT, COLLECTIONS},
    {COLLECTIONS},
    set(),
    # It comes back.
    {SMS_AGENT},
    set(),
    # A page holds its ticket back, which is told once the page is over.
    {PAGE},
    {PAGE, ITS_TICKET},
    {ITS_TICKET},
    set(),
)
SPACED_SECONDS = 100.0


def shortened(repeat_interval: str) -> dict[str, Any]:
    """The configuration as it is generated, with other waits."""
    text = configuration.text(configuration.COMMITTED, NotificationSettings())
    document: dict[str, Any] = read_yaml(text)
    for route in (document["route"], *document["route"]["routes"]):
        waits = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": repeat_interval}
        route |= waits
    return document


@asynccontextmanager
async def told_by(
    folder: Path, config: dict[str, Any]
) -> AsyncIterator[tuple[httpx.Client, list[dict[str, Any]]]]:
    """A real Alertmanager, and what it has posted so far."""
    posted: list[dict[str, Any]] = []
    app = FastAPI()

    @app.post("/")
    async def post(request: Request) -> None:
        posted.append(json.loads(await request.body()))

    async with serving(app) as url:
        (folder / "secrets").mkdir()
        (folder / "secrets" / "webhook_url").write_text(url)
        (folder / "templates").symlink_to(paths.MESSAGE_TEMPLATES)
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config))
        async with alertmanager(folder, file) as client:
            yield client, posted


def of_model(config: dict[str, Any], history: list[State], spaced: float) -> list[Message]:
    """What the model says of alerts that fire for so many seconds each."""
    routed = routing(asked(history), yaml.safe_dump(config), paths.MESSAGE_TEMPLATES)
    evaluations = [(number * spaced, state) for number, state in enumerate(history)]
    end = (len(history) * spaced, history[-1])
    return messages([*evaluations, end], routed, waits_by_receiver(config))


def parts(message: dict[str, Any]) -> tuple[str, State, State]:
    """The receiver, and the alerts that fire or are over."""
    alerts: dict[str, set[Alert]] = {"firing": set(), "resolved": set()}
    for alert in message["alerts"]:
        alerts[alert["status"]].add(frozenset(alert["labels"].items()))
    return message["receiver"], frozenset(alerts["firing"]), frozenset(alerts["resolved"])


async def test_each_receiver_gets_the_same_messages_in_the_same_order(tmp_path: Path) -> None:
    config = shortened(repeat_interval="12h")
    history = [frozenset(state) for state in HISTORY]
    model = of_model(config, history, SPACED_SECONDS)
    assert len(model) > len(history) // 2

    async with told_by(tmp_path, config) as (client, posted):
        before: State = frozenset()
        for number, firing in enumerate(history):
            now = datetime.now(UTC).isoformat()
            alerts = [{"labels": dict(alert)} for alert in firing]
            over = [{"labels": dict(alert), "endsAt": now} for alert in before - firing]
            # A second Prometheus says the same.
            for _ in range(2):
                client.post("/api/v2/alerts", json=[*alerts, *over]).raise_for_status()
            before = firing
            due = sum(each.seconds < (number + 1) * SPACED_SECONDS for each in model)
            await until(partial(_are_there, posted, due))
    for receiver in ("page", "ticket"):
        expected = [(m.receiver, m.firing, m.over) for m in model if m.receiver == receiver]
        assert [parts(m) for m in posted if m["receiver"] == receiver] == expected


def _are_there(posted: list[dict[str, Any]], count: int) -> bool:
    return len(posted) >= count


async def test_it_repeats_what_goes_on_no_sooner_than_told_to(tmp_path: Path) -> None:
    config = shortened(repeat_interval="3s")
    model = of_model(config, [frozenset({PAGE})] * 2, spaced=10)
    expected = [b.seconds - a.seconds for a, b in pairwise(model)]
    # The first time the group is looked at after more than three seconds.
    assert set(expected) == {4}

    async with told_by(tmp_path, config) as (client, posted):
        client.post("/api/v2/alerts", json=[{"labels": dict(PAGE)}]).raise_for_status()
        began = datetime.now(UTC)
        await until(lambda: len(posted) >= 3, seconds=90)
        assert (datetime.now(UTC) - began).total_seconds() >= 2 * 3
    assert {parts(each) for each in posted} == {("page", frozenset({PAGE}), frozenset())}
