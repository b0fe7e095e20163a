"""Settings of the notifications: environment variables that start with ``ALERTS_``.

Nothing secret is among them: that is in files (channels.py).
"""

from collections.abc import Iterator
from typing import Self
from zoneinfo import available_timezones

from pydantic import AnyHttpUrl, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from alerts.model import Team
from alerts.notifications.mail import Addresses, MailServer, Sender
from alerts.notifications.working_hours import END_OF_DAY, MIDNIGHT, WEEK, Clock, Days
from app.core.environment import OwnVariables, unknown_variables
from app.core.nearest import did_you_mean

ENV_PREFIX = "ALERTS_"


class SettingsError(ValueError):
    """The settings can't be used; the message names each setting and its fix."""


class _ListsByComma(OwnVariables):
    """``monday,friday`` instead of JSON."""

    def decode_complex_value(self, field_name: str, field: object, value: object) -> object:
        return [part.strip() for part in str(value).split(",")]


class NotificationSettings(BaseSettings):
    """What Alertmanager's configuration says beside who is on and what is secret."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, env_ignore_empty=True)

    secrets_path: str = Field(
        "secrets",
        description="folder in which Alertmanager finds the secret files; a relative path begins "
        "in its working directory",
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _ListsByComma(settings_cls)

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        if zone not in available_timezones():
            hint = did_you_mean(
                zone, available_timezones(), "use an IANA name such as Europe/Berlin"
            )
            raise ValueError(f"no such time zone; {hint}")
        return zone

    @model_validator(mode="after")
    def _work_has_a_length(self) -> Self:
        if self.work_begins == END_OF_DAY:
            raise ValueError(f"{variable('work_begins')}={END_OF_DAY}: write {MIDNIGHT}")
        if self.work_begins == self.work_ends:
            raise ValueError(
                f"{variable('work_begins')} and {variable('work_ends')} are both "
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


def load_settings() -> NotificationSettings:
    """The settings from the environment.

    Raises SettingsError naming every unknown or impossible setting and its fix.
    """
    known = [variable(field) for field in NotificationSettings.model_fields]
    if unknown := list(unknown_variables(ENV_PREFIX, known)):
        raise SettingsError("\n".join(unknown))
    try:
        return NotificationSettings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explanations(error))) from None


def described_variables() -> str:
    """Every variable with its default and meaning, one a line."""
    lines = []
    for name, field in NotificationSettings.model_fields.items():
        lines.append(f"  {variable(name)}={_written(field.default)}")
        lines.append(f"      {field.description}")
    return "\n".join(lines)


def variable(field: str) -> str:
    """The environment variable that sets ``field``."""
    return f"{ENV_PREFIX}{field.upper()}"


def _written(default: object) -> str:
    match default:
        case None:
            return ""
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(map(str, default))
        case _:
            return str(default)


def _explanations(error: ValidationError) -> Iterator[str]:
    for problem in error.errors():
        rule = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            yield f"{variable(str(problem['loc'][0]))}={problem['input']!r}: {rule}"
        else:
            yield rule
