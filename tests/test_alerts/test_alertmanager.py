"""Who gets what: Alertmanager's routes for any set of secrets, and what they share names with."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alerts import check, paths
from alerts.model import Severity, Team, alert_names
from alerts.notifications import configuration
from alerts.notifications.channels import Channel, Secrets, known_files, team_file
from alerts.notifications.settings import NotificationSettings
from alerts.rules import RULESET
from alerts.signals import groups
from alerts.signals.scraping import ORCHESTRATOR_JOB, PLATFORM_JOBS
from app.core.environment import SettingsError
from app.core.thresholds import Thresholds
from prometheus_tools import promtool
from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty

CONFIG = read_yaml(paths.ALERTMANAGER_CONFIG.read_text())
ALERTS = alert_names(groups(Thresholds()))
SETTINGS = NotificationSettings(email_to="on-call@example.com")
PAGING = {Channel.WEBHOOK, Channel.SLACK, Channel.PAGERDUTY, Channel.EMAIL, Channel.TEAMS}

SETS = [
    Secrets.of(),
    *map(Secrets.of, Channel),
    Secrets.of(Channel.SLACK, Channel.PAGERDUTY, Channel.DEAD_MANS_SWITCH),
    Secrets.of(*Channel),
]

INTEGRATIONS = {
    "webhook_configs": Channel.WEBHOOK,
    "slack_configs": Channel.SLACK,
    "pagerduty_configs": Channel.PAGERDUTY,
    "email_configs": Channel.EMAIL,
    "msteamsv2_configs": Channel.TEAMS,
}


@dataclass(frozen=True)
class Notified:
    """Whom one alert reaches: the receiver, and what is in it."""

    receiver: dict[str, Any]

    @property
    def channels(self) -> set[Channel]:
        if self.receiver["name"] == "dead-mans-switch":
            return {Channel.DEAD_MANS_SWITCH}
        return {INTEGRATIONS[key] for key in self.receiver if key != "name"}

    @property
    def secrets(self) -> set[str]:
        """The names of the secret files that are read."""
        fields = [
            f for key in self.receiver if key != "name" for f in self.receiver[key][0].items()
        ]
        return {Path(value).name for name, value in fields if name.endswith("_file")}


def notified(
    folder: Path, secrets: Secrets, settings: NotificationSettings, **labels: str
) -> Notified:
    """Whom an alert with ``labels`` reaches, by amtool."""
    file = folder / "alertmanager.yml"
    configuration.write(file, secrets, settings)
    (name,) = promtool.receivers(file, **labels)
    found = read_yaml(file.read_text())["receivers"]
    (receiver,) = (each for each in found if each["name"] == name)
    return Notified(receiver)


def alert(severity: str, team: str) -> dict[str, str]:
    return {"alertname": "Anything", "job": "orchestrator", "severity": severity, "team": team}


def on(secrets: Secrets) -> set[Channel]:
    return {channel for channel in Channel if secrets.is_on(channel)}


def test_what_is_committed_is_generated_for_the_webhook_alone() -> None:
    assert check.notification_drift() == []
    assert configuration.COMMITTED.files == {"webhook_url"}


def test_a_drift_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(paths.ALERTMANAGER_CONFIG.read_text().replace("1h", "2h"))
    monkeypatch.setattr(paths, "ALERTMANAGER_CONFIG", file)
    assert check.notification_drift() == [f"{file}: differs from its source; run `make generate`"]


def test_alertmanager_accepts_every_configuration() -> None:
    promtool.check_alertmanager(paths.ALERTMANAGER_CONFIG)
    assert check.unusable_notifications() == []


@pytest.mark.parametrize("secrets", SETS, ids=lambda each: "+".join(sorted(each.files)) or "none")
@pytest.mark.parametrize("team", Team)
def test_a_severity_reaches_what_is_switched_on_for_it(
    tmp_path: Path, secrets: Secrets, team: Team
) -> None:
    def reached(severity: Severity) -> set[Channel]:
        return notified(tmp_path, secrets, SETTINGS, **alert(severity, team)).channels

    assert reached(Severity.PAGE) == on(secrets) & PAGING
    assert reached(Severity.TICKET) == on(secrets) & (PAGING - {Channel.PAGERDUTY})
    assert reached(Severity.INFO) == set()


@pytest.mark.parametrize("secrets", SETS, ids=lambda each: "+".join(sorted(each.files)) or "none")
def test_the_watchdog_reaches_who_would_miss_it_and_nobody_else(
    tmp_path: Path, secrets: Secrets
) -> None:
    labels = {"alertname": "Watchdog", "severity": "info", "team": "platform"}
    found = notified(tmp_path, secrets, SETTINGS, **labels, **dict([RULESET]))
    assert found.channels == on(secrets) & {Channel.DEAD_MANS_SWITCH}


def test_a_watchdog_of_others_does_not_vouch_for_ours(tmp_path: Path) -> None:
    found = notified(
        tmp_path, Secrets.of(*Channel), SETTINGS, alertname="Watchdog", severity="none"
    )
    assert found.channels == set()


@pytest.mark.parametrize(
    ("paging", "environment", "receiver"),
    [
        (("production",), "production", "page"),
        (("production",), "", "page"),
        (("production",), "staging", "ticket"),
        # Not only the beginning of its name.
        (("production",), "production-test", "ticket"),
        (("production", "live"), "live", "page"),
        (("live",), "production", "ticket"),
    ],
)
def test_only_environments_that_matter_wake_people(
    tmp_path: Path, paging: tuple[str, ...], environment: str, receiver: str
) -> None:
    settings = NotificationSettings(email_to="a@example.com", paging_environments=paging)
    labels = {**alert("page", "orchestrator"), "environment": environment}
    if not environment:
        del labels["environment"]
    found = notified(tmp_path, Secrets.of(*Channel), settings, **labels)
    assert found.receiver["name"] == receiver


def test_an_environment_that_can_not_be_is_named() -> None:
    with pytest.raises(ValueError, match=r"'li\|ve' is no environment; write names of letters"):
        NotificationSettings(paging_environments=("production", "li|ve"))


def test_an_alert_of_unknown_severity_is_not_lost(tmp_path: Path) -> None:
    found = notified(tmp_path, Secrets.of(*Channel), SETTINGS, alertname="Foreign")
    assert found.channels == PAGING - {Channel.PAGERDUTY}


@pytest.mark.parametrize("severity", [Severity.PAGE, Severity.TICKET])
def test_a_team_s_own_channel_replaces_everybody_s(tmp_path: Path, severity: Severity) -> None:
    own = team_file(Channel.SLACK, Team.PLATFORM)
    secrets = Secrets(Secrets.of(Channel.SLACK, Channel.WEBHOOK).files | {own})

    def reads(team: str) -> set[str]:
        return notified(tmp_path, secrets, SETTINGS, **alert(severity, team)).secrets

    assert reads("platform") == {"webhook_url", "slack_webhook_url_platform"}
    assert reads("orchestrator") == {"webhook_url", "slack_webhook_url"}


def test_a_channel_can_be_one_team_s_alone(tmp_path: Path) -> None:
    secrets = Secrets(frozenset({"pagerduty_routing_key_orchestrator"}))
    page = notified(tmp_path, secrets, SETTINGS, **alert("page", "orchestrator"))
    assert page.secrets == {"pagerduty_routing_key_orchestrator"}
    assert notified(tmp_path, secrets, SETTINGS, **alert("page", "platform")).channels == set()


def test_mail_goes_to_the_team_s_own_address(tmp_path: Path) -> None:
    settings = NotificationSettings(email_to="all@example.com", email_to_platform="ops@example.com")

    def to(team: str) -> str:
        found = notified(tmp_path, Secrets.of(Channel.EMAIL), settings, **alert("page", team))
        address: str = found.receiver["email_configs"][0]["to"]
        return address

    assert to("platform") == "ops@example.com"
    assert to("orchestrator") == to("another") == "all@example.com"


def test_mail_without_an_address_is_refused() -> None:
    settings = NotificationSettings(email_to_platform="ops@example.com")
    with pytest.raises(
        SettingsError, match="team orchestrator has no address:\nset ALERTS_EMAIL_TO"
    ):
        configuration.text(Secrets.of(Channel.EMAIL), settings)


def test_resolved_alerts_are_sent_to_whom_the_alert_was() -> None:
    config = read_yaml(configuration.text(Secrets.of(*Channel), SETTINGS))
    for receiver, integration in not_empty(_integrations(config)):
        assert integration["send_resolved"] is (receiver != "dead-mans-switch")


def test_secrets_are_named_and_not_given() -> None:
    secrets = Secrets(frozenset(known_files()))
    config = read_yaml(configuration.text(secrets, SETTINGS))
    named = set()
    for _, integration in not_empty(_integrations(config)):
        (file,) = (value for name, value in integration.items() if name.endswith("_file"))
        named.add(file)
        given = {"url", "api_url", "routing_key", "auth_password", "webhook_url", "service_key"}
        assert given & set(integration) <= {"url"}
        assert integration.get("url") in (None, "https://events.pagerduty.com/v2/enqueue")
    assert named == {f"secrets/{name}" for name in known_files()}


def test_quiet_hours_are_for_tickets() -> None:
    quiet = NotificationSettings(quiet_hours=True, time_zone="Australia/Sydney")
    secrets = Secrets(frozenset({"webhook_url", "webhook_url_platform"}))
    config = read_yaml(configuration.text(secrets, quiet))
    hours = {
        " ".join(route["matchers"]): route.get("active_time_intervals")
        for route in _routes(config["route"])
        if route["receiver"] != "null" and "matchers" in route
    }
    assert hours == {
        'severity="page" environment=~"|production"': None,
        'severity="page" environment=~"|production" team="platform"': None,
        'severity=~"page|ticket"': ["working-hours"],
        'severity=~"page|ticket" team="platform"': ["working-hours"],
    }
    (interval,) = config["time_intervals"]
    (working,) = interval["time_intervals"]
    assert working == {
        "weekdays": ["monday", "tuesday", "wednesday", "thursday", "friday"],
        "times": [{"start_time": "08:00", "end_time": "18:00"}],
        "location": "Australia/Sydney",
    }


def test_at_first_tickets_come_at_any_hour() -> None:
    assert "time_intervals" not in CONFIG


def test_matchers_match_alerts_that_exist() -> None:
    routes = [route.get("matchers", []) for route in CONFIG["route"]["routes"]]
    sides = [rule[side] for rule in CONFIG["inhibit_rules"] for side in rule if side != "equal"]
    matchers = [m for side in [*routes, *sides] for m in side if m.startswith("alertname")]
    assert matchers
    for matcher in matchers:
        pattern = matcher.split('"')[1]
        assert any(re.fullmatch(pattern, name) for name in ALERTS), matcher


def test_prometheus_scrapes_the_jobs_that_are_watched() -> None:
    config = read_yaml(paths.PROMETHEUS_CONFIG.read_text())
    jobs = [job["job_name"] for job in config["scrape_configs"]]
    assert sorted(jobs) == sorted([ORCHESTRATOR_JOB, *PLATFORM_JOBS])


def _integrations(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each way in which somebody is notified, with the name of its receiver."""
    for receiver in config["receivers"]:
        for key in receiver.keys() - {"name"}:
            yield from ((receiver["name"], integration) for integration in receiver[key])


def _routes(route: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """``route`` and all below it, each with the matchers of those above."""
    matchers = (*above, *route.get("matchers", ()))
    yield {**route, "matchers": matchers} if matchers else route
    for child in route.get("routes", ()):
        yield from _routes(child, matchers)
