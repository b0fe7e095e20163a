"""What Alertmanager has to be told of each channel. Secrets are named by file, never given."""

from typing import Any

from alerts.model import Severity, Team
from alerts.notifications.channels import CHANNELS, SECRET_FILES, Channel, Secrets
from alerts.notifications.mail import address_of
from alerts.notifications.settings import NotificationSettings
from app.core.environment import SettingsError

NOBODY = "null"
DEAD_MANS_SWITCH = "dead-mans-switch"

WEBHOOK_ALERTS = 20
"""As many alerts are in one request to a webhook; ``truncatedAlerts`` counts the others."""

Config = dict[str, Any]


def receiver(
    severity: Severity, team: Team | None, secrets: Secrets, settings: NotificationSettings
) -> Config:
    """All that is notified of ``severity``, except for the name.

    ``team`` is whose own channels are preferred; None takes everybody's.
    """
    of_channel = {
        Channel.WEBHOOK: ("webhook_configs", _webhook),
        Channel.SLACK: ("slack_configs", _slack),
        Channel.PAGERDUTY: ("pagerduty_configs", _pagerduty),
        Channel.EMAIL: ("email_configs", _email),
        Channel.TEAMS: ("msteamsv2_configs", _teams),
    }
    config: Config = {}
    for channel in CHANNELS[severity]:
        if not (name := secrets.file(channel, team)):
            continue
        key, made = of_channel[channel]
        if specific := made(f"{settings.secrets_path}/{name}", team, settings):
            # Whoever was called is told when it is over.
            config[key] = [{"send_resolved": True, **specific}]
    return config


def dead_mans_switch(settings: NotificationSettings) -> Config:
    """Who misses the Watchdog when it doesn't come, except for the name."""
    url_file = f"{settings.secrets_path}/{SECRET_FILES[Channel.DEAD_MANS_SWITCH]}"
    # Silence is the message: that the Watchdog is over has to be noticed, not told.
    return {"webhook_configs": [{"send_resolved": False, "url_file": url_file}]}


def require_recipients(secrets: Secrets, settings: NotificationSettings) -> None:
    """Raise SettingsError where mail is on, but a team has no address."""
    if not secrets.is_on(Channel.EMAIL):
        return
    for team in Team:
        if not settings.recipients(team):
            raise SettingsError(
                f"{SECRET_FILES[Channel.EMAIL]} is there, so email is on, but team {team} has no "
                f"address:\nset {settings.variable('email_to')}, or remove the file"
            )


def _webhook(secret: str, _team: Team | None, _settings: NotificationSettings) -> Config:
    return {"url_file": secret, "max_alerts": WEBHOOK_ALERTS}


def _slack(secret: str, _team: Team | None, settings: NotificationSettings) -> Config:
    return {
        "api_url_file": secret,
        **({"channel": settings.slack_channel} if settings.slack_channel else {}),
        "title": _template("slack.title"),
        "title_link": _template("message.dashboard"),
        "fallback": _template("slack.title"),
        "text": _template("slack.text"),
        "color": _template("slack.color"),
    }


def _pagerduty(secret: str, _team: Team | None, settings: NotificationSettings) -> Config:
    return {
        "routing_key_file": secret,
        "url": str(settings.pagerduty_url),
        "description": _template("message.title"),
        "severity": "critical",
        "class": _template("pagerduty.class"),
        "component": _template("pagerduty.component"),
        "group": _template("pagerduty.group"),
        "client_url": _template("message.dashboard"),
        # The first two replace lists of all labels; Alertmanager adds them where they are missing.
        "details": {
            "firing": _template("pagerduty.firing"),
            "resolved": _template("pagerduty.resolved"),
            "action": _template("message.action"),
            "logs": _template("message.logs"),
        },
        "links": [
            {"href": _template("message.runbook"), "text": "Runbook"},
            {"href": _template("message.dashboard"), "text": "Dashboard"},
            {"href": _template("message.silence"), "text": "Silence"},
        ],
    }


def _email(secret: str, team: Team | None, settings: NotificationSettings) -> Config:
    to = settings.recipients(team) if team else settings.email_to
    if not to:
        return {}
    return {
        "to": to,
        "from": settings.email_from,
        "smarthost": settings.email_smarthost,
        "auth_username": settings.email_username or address_of(settings.email_from),
        "auth_password_file": secret,
        "require_tls": settings.email_require_tls,
        "headers": {"Subject": _template("message.title")},
        "text": _template("message.text"),
        "html": _template("email.html"),
    }


def _teams(secret: str, _team: Team | None, _settings: NotificationSettings) -> Config:
    return {
        "webhook_url_file": secret,
        "title": _template("teams.title"),
        "text": _template("teams.text"),
    }


def _template(name: str) -> str:
    return f'{{{{ template "{name}" . }}}}'
