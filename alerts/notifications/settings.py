"""Settings of the notifications: environment variables that start with ``ALERTS_``.

Nothing secret is among them: that is in files (channels.py).
"""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, AnyHttpUrl, Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from alerts.model import Team
from alerts.notifications.mail import Addresses, MailServer, Sender
from alerts.notifications.working_hours import END_OF_DAY, MIDNIGHT, WEEK, Clock, Days
from app.core.environment import OwnSettings, OwnVariables
from app.core.time_zones import time_zones
from asgi_observability.nearest import did_you_mean

ENV_PREFIX = "ALERTS_"


def _environment(name: str) -> str:
    if not re.fullmatch(r"[\w-]+", name):
        raise ValueError(
            f"{name!r} is no environment; write names of letters, digits, - and _, separated by "
            "commas, such as production,live"
        )
    return name


_Environment = Annotated[str, AfterValidator(_environment)]


class _ListsByComma(OwnVariables):
    """``monday,friday`` instead of JSON."""

    def decode_complex_value(self, field_name: str, field: object, value: object) -> object:
        return [part.strip() for part in str(value).split(",")]


class NotificationSettings(OwnSettings):
    """What Alertmanager's configuration says beside who is on and what is secret."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_ignore_empty=True)
    sources = (_ListsByComma,)

    secrets_path: str = Field(
        "secrets",
        description="folder in which Alertmanager finds the secret files; a relative path begins "
        "in its working directory",
    )
    templates_path: str = Field(
        "templates",
        description="folder in which Alertmanager finds the texts of the messages; a relative path "
        "begins at its configuration file",
    )
    email_to: Addresses = Field(
        None, description="addresses that get the alerts, separated by commas"
    )
    email_to_orchestrator: Addresses = Field(
        None, description="addresses of the orchestrator team; ALERTS_EMAIL_TO if unset"
    )
    email_to_platform: Addresses = Field(
        None, description="addresses of the platform team; ALERTS_EMAIL_TO if unset"
    )
    email_from: Sender = Field("alertmanager@localhost", description="address of the sender")
    email_smarthost: MailServer = Field(
        "localhost:587", description="mail server as HOST:PORT; write an IPv6 address as [::1]:25"
    )
    email_username: str | None = Field(
        None, description="user name at the mail server; the sender's address if unset"
    )
    email_require_tls: bool = Field(True, description="refuse servers without STARTTLS")
    slack_channel: str | None = Field(
        None, description="channel, if the webhook can post to several; most webhooks can't"
    )
    pagerduty_url: AnyHttpUrl = Field(
        AnyHttpUrl("https://events.pagerduty.com/v2/enqueue"),
        description="URL of PagerDuty; the EU region and event gateways have other URLs",
    )
    paging_environments: Annotated[tuple[_Environment, ...], Field(min_length=1)] = Field(
        ("production",),
        description="environments whose pages may wake somebody, separated by commas; those of "
        "others arrive as tickets. What has no environment pages",
    )
    quiet_hours: bool = Field(
        False, description="send tickets only in working hours; pages are sent at any hour"
    )
    working_days: Days = Field(
        WEEK[:5],
        description="days on which tickets are sent, such as monday,tuesday or monday:friday",
        min_length=1,
    )
    work_begins: Clock = Field("08:00", description="time from which tickets are sent, as HH:MM")
    work_ends: Clock = Field(
        "18:00",
        description="time until which tickets are sent, as HH:MM; 24:00 is the end of the day, and "
        "a time before ALERTS_WORK_BEGINS is on the next day",
    )
    time_zone: str = Field(
        "UTC", description="time zone of the working hours, such as Australia/Sydney"
    )

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        if zone not in time_zones():
            hint = did_you_mean(zone, time_zones(), "use an IANA name such as Europe/Berlin")
            raise ValueError(f"no such time zone; {hint}")
        return zone

    @model_validator(mode="after")
    def _work_has_a_length(self) -> Self:
        if self.work_begins == END_OF_DAY:
            raise ValueError(f"{self.variable('work_begins')}={END_OF_DAY}: write {MIDNIGHT}")
        if self.work_begins == self.work_ends:
            raise ValueError(
                f"{self.variable('work_begins')} and {self.variable('work_ends')} are both "
                f"{self.work_ends}; for the whole day write {MIDNIGHT} and {END_OF_DAY}"
            )
        return self

    def recipients(self, team: Team) -> str | None:
        """The mail addresses of ``team``."""
        own = {
            Team.ORCHESTRATOR: self.email_to_orchestrator,
            Team.PLATFORM: self.email_to_platform,
        }
        return own[team] or self.email_to
