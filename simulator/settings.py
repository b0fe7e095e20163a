"""Settings of the simulator: environment variables that start with ``SIMULATOR_``."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, Field, model_validator
from pydantic_settings import SettingsConfigDict

from app.core.environment import OwnSettings, SettingsError
from app.core.sections import BaseUrl

ENV_PREFIX = "SIMULATOR_"
MAX_MESSAGES_PER_MINUTE = 6000

Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(OwnSettings):
    """All settings of the simulator. Port 0 takes any free port, named in the log."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX)

    host: IPv4Address | IPv6Address = Field(
        IPv4Address("127.0.0.1"), description="address to listen on"
    )
    collections_monitor_port: Port = 8001
    sms_agent_port: Port = 8002
    notification_service_port: Port = 8003
    ai_provider_port: Port = 8004
    receiver_port: Port = Field(
        8005, description="port of the control API and of the webhook receiver"
    )
    app_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8000"), description="the orchestrator that gets the SMS"
    )
    app_token_file: Path | None = Field(
        None,
        description="file with a token that the orchestrator takes for SMS and decisions; none if "
        "unset",
    )
    traffic_per_minute: float = Field(
        60, ge=0, le=MAX_MESSAGES_PER_MINUTE, description="SMS a minute, on average; 0 for none"
    )
    data_dir: Path | None = Field(
        None,
        description="folder in which the receiver keeps notifications; only in memory if unset",
    )
    runbooks_dir: Path = Field(
        Path(__file__).parents[1] / "alerts" / "runbooks",
        description="folder of the runbooks; alerts/runbooks of the checkout if unset",
    )
    preview_dir: Path = Field(
        Path(__file__).parents[1] / ".state" / "preview",
        description="folder of the dashboards' pictures; .state/preview of the checkout if unset",
    )
    log_format: Literal["json", "console", "off"] = Field(
        "json",
        description="form of the log lines on standard output: json for programs, console for "
        "people, off for none",
    )
    log_folder: Path | None = Field(None, description="folder for log files; none if unset")
    seed: int | None = Field(
        None, description="a number; the same number gives the same random values"
    )

    @classmethod
    def _written(cls, field: str) -> str:
        # Where this checkout lies is nothing to tell.
        return "" if field in ("runbooks_dir", "preview_dir") else super()._written(field)

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        taken: dict[int, str] = {}
        for name in type(self).model_fields:
            port = getattr(self, name) if name.endswith("_port") else 0
            if port and taken.setdefault(port, name) != name:
                raise ValueError(
                    f"{self.variable(name)} and {self.variable(taken[port])} are both {port}; "
                    "give each its own port"
                )
        return self


def load_settings() -> Settings:
    """The settings from the environment.

    Raises SettingsError naming every unknown or impossible setting and its fix.
    """
    settings = Settings.load()
    if settings.app_token_file:
        try:
            settings.app_token_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{settings.variable('app_token_file')}={settings.app_token_file} can't be read "
                f"({error}); name a file that holds a token"
            ) from None
    if settings.data_dir:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{settings.variable('data_dir')}={settings.data_dir}: {error.strerror}; "
                "name a folder that can be written to"
            ) from None
    return settings
