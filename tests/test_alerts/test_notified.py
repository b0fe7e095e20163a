"""From an alert to each of the six receivers and back to quiet, through a real Alertmanager."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from pydantic import AnyHttpUrl

from alerts.notifications import configuration
from alerts.notifications.channels import Channel, Secrets
from alerts.notifications.settings import NotificationSettings
from alerts.notifications.working_hours import WEEK
from alerts.rules import RULESET
from prometheus_tools.yaml_reading import read_yaml
from tests.test_alerts.alertmanager_process import alertmanager
from tests.test_alerts.rendering import AI_FAILING
from tests.test_alerts.smtp_sink import Sink, smtp_sink
from tests.upstreams import serving
from tests.waiting import until

WATCHDOG = {
    "labels": {
        "alertname": "Watchdog",
        "severity": "info",
        "team": "platform",
        **dict([RULESET]),
    }
}
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=5)
ENDED = BEGAN + timedelta(minutes=4)


@dataclass
class Services:
    """Slack, PagerDuty, Teams and two webhooks at once: what was posted, by path."""

    posted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    """How long the longest was."""

    def app(self) -> FastAPI:
        """Answers as they do."""
        app = FastAPI()

        @app.post("/{path}")
        async def post(path: str, request: Request) -> PlainTextResponse:
            body = await request.body()
            self.posted.setdefault(path, []).append(json.loads(body))
            self.bytes[path] = max(self.bytes.get(path, 0), len(body))
            return PlainTextResponse("ok", 202 if path == "pagerduty" else 200)

        return app


@asynccontextmanager
async def running(
    folder: Path, secrets: dict[str, str], settings: NotificationSettings
) -> AsyncIterator[httpx.Client]:
    """An Alertmanager with the configuration generated for ``secrets``, its waits shortened."""
    (folder / "secrets").mkdir()
    for name, content in secrets.items():
        # As an editor leaves it.
        (folder / "secrets" / name).write_text(content + "\n")
    file = folder / "alertmanager.yml"
    configuration.write(file, Secrets.found_in(folder / "secrets"), settings)
    config = read_yaml(file.read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s"}
        if route["receiver"] == "dead-mans-switch":
            route["repeat_interval"] = "1s"
    file.write_text(yaml.safe_dump(config))
    async with alertmanager(folder, file) as client:
        yield client


def fire(client: httpx.Client, *alerts: dict[str, Any]) -> None:
    client.post("/api/v2/alerts", json=list(alerts)).raise_for_status()


@pytest.fixture
async def mail() -> AsyncIterator[Sink]:
    async with smtp_sink() as sink:
        yield sink


async def test_each_receiver_is_told_and_told_when_it_is_over(tmp_path: Path, mail: Sink) -> None:
    services = Services()
    async with serving(services.app()) as url:
        secrets = {
            "webhook_url": f"{url}/webhook",
            "slack_webhook_url": f"{url}/slack",
            "pagerduty_routing_key": "the-routing-key",
            "smtp_password": "the-password",
            "teams_webhook_url": f"{url}/teams",
            "watchdog_url": f"{url}/watchdog",
        }
        assert {*secrets} == Secrets.of(*Channel).files
        settings = NotificationSettings(
            email_to="on-call@example.com",
            email_from="alerts@example.com",
            email_smarthost=mail.address,
            email_require_tls=False,
            pagerduty_url=AnyHttpUrl(f"{url}/pagerduty"),
        )
        posted = services.posted
        told = ("webhook", "slack", "pagerduty", "teams")

        async with running(tmp_path, secrets, settings) as client:
            page = {**AI_FAILING, "startsAt": BEGAN.isoformat()}
            del page["status"], page["endsAt"]
            fire(client, page, WATCHDOG)
            await until(lambda: all(path in posted for path in told) and mail.mails)
            await until(lambda: len(posted.get("watchdog", ())) > 1)
            fire(client, {**page, "endsAt": ENDED.isoformat()})
            await until(lambda: all(len(posted[p]) > 1 for p in told) and len(mail.mails) > 1)

    assert {path: len(posted[path]) for path in told} == dict.fromkeys(told, 2)
    _webhook(*posted["webhook"])
    _slack(*posted["slack"])
    _pagerduty(*posted["pagerduty"])
    _teams(*posted["teams"])
    _mail(*mail.mails)
    assert mail.logins == {("alerts@example.com", "the-password")}
    assert {each["status"] for each in posted["watchdog"]} == {"firing"}


# What the receivers take at most, in bytes or characters.
TEAMS_BYTES = 28 * 1024
SLACK_TEXT = 3000
PAGERDUTY_SUMMARY, PAGERDUTY_BYTES = 1024, 512 * 1000
WEBHOOK_BYTES = 1_000_000
"""What web servers take as a rule."""


def _many(text: str) -> list[dict[str, Any]]:
    """500 alerts of one group, with ``text`` for all that may be anybody's."""
    return [
        {
            "labels": {
                **AI_FAILING["labels"],
                "instance": f"{number:03} {text}",
                "path": f"{text} {number}",
                "user": f"{text} {number}",
                "tenant": f"{text} {number}",
                "long": text,
            },
            "annotations": {
                **dict.fromkeys(("summary", "description", "action"), f"{number} {text}"),
                "logs_command": f"{number} {text}",
                "runbook_url": "http://runbooks.example/" + "r" * 270,
                "dashboard_url": "http://grafana.example/" + "d" * 270,
            },
            "startsAt": BEGAN.isoformat(),
        }
        for number in range(500)
    ]


@pytest.mark.parametrize(
    ("text", "slack_text"),
    [
        ("a rather long text " * 40, SLACK_TEXT),
        # What takes most room where it is written as JSON, and as Slack's markup.
        ("<&>" * 250, 5 * SLACK_TEXT),
        ('\N{FIRE}"[' * 250, SLACK_TEXT),
    ],
    ids=["words", "markup", "symbols"],
)
async def test_no_message_is_longer_than_its_receiver_takes(
    tmp_path: Path, mail: Sink, text: str, slack_text: int
) -> None:
    services = Services()
    async with serving(services.app()) as url:
        secrets = {
            "webhook_url": f"{url}/webhook",
            "slack_webhook_url": f"{url}/slack",
            "pagerduty_routing_key": "the-routing-key",
            "smtp_password": "the-password",
            "teams_webhook_url": f"{url}/teams",
        }
        settings = NotificationSettings(
            email_to="on-call@example.com",
            email_from="alerts@example.com",
            email_smarthost=mail.address,
            email_require_tls=False,
            pagerduty_url=AnyHttpUrl(f"{url}/pagerduty"),
        )
        posted, told = services.posted, ("webhook", "slack", "pagerduty", "teams")
        async with running(tmp_path, secrets, settings) as client:
            # Past the first notification of a few: those that came in one request.
            fire(client, *_many(text))
            await until(
                lambda: all(_told_of_all(services, path) for path in told) and mail.mails,
                seconds=60,
            )
    (slack,) = posted["slack"][-1]["attachments"]
    assert len(slack["text"]) <= slack_text
    assert "and 497 more" in slack["text"]
    assert services.bytes["teams"] <= TEAMS_BYTES
    pagerduty = posted["pagerduty"][-1]["payload"]
    assert len(pagerduty["summary"]) <= PAGERDUTY_SUMMARY
    assert "and 495 more" in pagerduty["custom_details"]["firing"]
    assert services.bytes["pagerduty"] <= PAGERDUTY_BYTES
    assert posted["webhook"][-1]["truncatedAlerts"] == 480
    assert services.bytes["webhook"] <= WEBHOOK_BYTES
    assert len(mail.mails[-1].as_bytes()) <= PAGERDUTY_BYTES


def _told_of_all(services: Services, path: str) -> bool:
    """Alertmanager takes alerts one after the other, so that the first message tells of a few."""
    said = services.posted.get(path, [{}])[-1]
    return said.get("truncatedAlerts") == 480 or "500 alerts" in json.dumps(said)


FIRING = "[PAGE production eu-1] Calls of orchestrator to the AI provider fail"
RESOLVED = "[RESOLVED production eu-1] Calls of orchestrator to the AI provider fail"
SINCE = f"since {BEGAN:%a} {BEGAN.day} {BEGAN:%b %H:%M} UTC"
OVER = "over after 4m 0s"
VALUE = "Last 34.1%; alerts above 10% for 90s."
RUNBOOK = "http://runbooks.example/AIProviderFailing"
LOGS = AI_FAILING["annotations"]["logs_command"]
_DASHBOARD = "http://grafana.example/d/sms-orchestrator-services"
_FROM = int((BEGAN - timedelta(hours=1)).timestamp() * 1000)
DASHBOARD = f"{_DASHBOARD}?from={_FROM}&to=now"
DASHBOARD_THEN = (
    f"{_DASHBOARD}?from={_FROM}&to={int((ENDED + timedelta(minutes=15)).timestamp() * 1000)}"
)


def _webhook(firing: dict[str, Any], resolved: dict[str, Any]) -> None:
    assert firing["status"] == "firing"
    assert firing["alerts"][0]["annotations"] == AI_FAILING["annotations"]
    assert resolved["status"] == "resolved"


def _slack(firing: dict[str, Any], resolved: dict[str, Any]) -> None:
    (told,), (over,) = firing["attachments"], resolved["attachments"]
    assert (told["title"], told["title_link"], told["color"]) == (FIRING, DASHBOARD, "danger")
    for part in (VALUE, f"<{RUNBOOK}|Runbook>", f"<{DASHBOARD}|Dashboard>", f"`{LOGS}`"):
        assert part in told["text"]
    assert (over["title"], over["title_link"], over["color"]) == (RESOLVED, DASHBOARD_THEN, "good")
    assert OVER in over["text"]


def _pagerduty(firing: dict[str, Any], resolved: dict[str, Any]) -> None:
    assert {firing["routing_key"], resolved["routing_key"]} == {"the-routing-key"}
    assert (firing["event_action"], resolved["event_action"]) == ("trigger", "resolve")
    assert firing["dedup_key"] == resolved["dedup_key"]
    payload = firing["payload"]
    assert (payload["summary"], payload["severity"]) == (FIRING, "critical")
    assert payload["component"] == "ai_provider"
    details = payload["custom_details"]
    assert SINCE in details["firing"]
    assert VALUE in details["firing"]
    assert details["logs"] == LOGS
    links = {link["text"]: link["href"] for link in firing["links"]}
    assert links["Runbook"] == RUNBOOK
    assert links["Dashboard"] == DASHBOARD
    assert "/#/silences/new?filter=%7Balertname%3D%22AIProviderFailing%22" in links["Silence"]


def _teams(firing: dict[str, Any], resolved: dict[str, Any]) -> None:
    def card(message: dict[str, Any]) -> list[str]:
        return [block["text"] for block in message["attachments"][0]["content"]["body"]]

    title, text = card(firing)
    assert title == FIRING
    for part in (SINCE, VALUE, f"[Runbook]({RUNBOOK})", f"[Dashboard]({DASHBOARD})", LOGS):
        assert part in text
    title, text = card(resolved)
    assert title == RESOLVED
    assert OVER in text


def _mail(firing: EmailMessage, resolved: EmailMessage) -> None:
    assert (firing["To"], firing["From"]) == ("on-call@example.com", "alerts@example.com")
    assert firing["Subject"] == FIRING
    text, html = (_part(firing, kind) for kind in ("plain", "html"))
    for part in (SINCE, VALUE, RUNBOOK, DASHBOARD, LOGS):
        assert part in text
        assert part.replace("&", "&amp;") in html
    assert resolved["Subject"] == RESOLVED
    assert OVER in _part(resolved, "plain")


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


async def test_outside_working_hours_pages_come_and_tickets_wait(tmp_path: Path) -> None:
    # Whatever the hour and whenever midnight comes: a day that is neither today nor next to it.
    far_away = WEEK[(datetime.now(UTC).weekday() + 3) % 7]
    settings = NotificationSettings(
        quiet_hours=True, working_days=(far_away,), work_begins="08:00", work_ends="18:00"
    )
    services = Services()
    async with serving(services.app()) as url:
        secrets = {"webhook_url": f"{url}/webhook"}
        async with running(tmp_path, secrets, settings) as client:
            fire(client, *({"labels": _labels(severity)} for severity in ("ticket", "page")))
            await until(lambda: _muted(client) == ["ticket"])
            await until(lambda: "webhook" in services.posted)
    told = [each["commonLabels"]["severity"] for each in services.posted["webhook"]]
    assert set(told) == {"page"}


async def test_in_working_hours_tickets_come(tmp_path: Path) -> None:
    settings = NotificationSettings(
        quiet_hours=True, working_days=WEEK, work_begins="00:00", work_ends="24:00"
    )
    services = Services()
    async with serving(services.app()) as url:
        secrets = {"webhook_url": f"{url}/webhook"}
        async with running(tmp_path, secrets, settings) as client:
            fire(client, {"labels": _labels("ticket")})
            await until(lambda: "webhook" in services.posted, seconds=90)


@pytest.mark.parametrize("inside", [True, False])
async def test_hours_that_go_on_after_midnight_are_kept(tmp_path: Path, inside: bool) -> None:
    # From an hour ago until two hours ago are 23 hours around now, over midnight at most hours;
    # from in an hour until an hour ago are 22 hours without now.
    begins, ends = (-1, -2) if inside else (1, -1)
    now = datetime.now(UTC)
    settings = NotificationSettings(
        quiet_hours=True,
        working_days=WEEK,
        work_begins=f"{now + timedelta(hours=begins):%H:%M}",
        work_ends=f"{now + timedelta(hours=ends):%H:%M}",
    )
    services = Services()
    async with (
        serving(services.app()) as url,
        running(tmp_path, {"webhook_url": f"{url}/webhook"}, settings) as client,
    ):
        fire(client, {"labels": _labels("ticket")})
        if inside:
            await until(lambda: "webhook" in services.posted, seconds=90)
        else:
            await until(lambda: _muted(client) == ["ticket"])


def _labels(severity: str) -> dict[str, str]:
    return {"alertname": f"Any{severity}", "severity": severity, "team": "platform"}


def _muted(client: httpx.Client) -> list[str]:
    """The severities of what is held back by the hour."""
    groups = client.get("/api/v2/alerts/groups").raise_for_status().json()
    return [
        alert["labels"]["severity"]
        for group in groups
        for alert in group["alerts"]
        if alert["status"]["mutedBy"] == ["working-hours"]
    ]
