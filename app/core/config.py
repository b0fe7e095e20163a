"""Settings: every interval, limit, threshold and address, typed, with its default.

Each is overridden by one environment variable: ``ORCHESTRATOR_`` and the field's name in capitals,
with ``__`` before a field of a nested section (``ORCHESTRATOR_THRESHOLDS__SMS_LATENCY_SECONDS``).
Secrets can be files instead: ``ORCHESTRATOR_SECRETS_DIR`` names a folder with one file a secret,
with the same name as the field.
"""

import os
import re
import tomllib
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as PydanticSettingsError

from app.core.catalogue import Component
from app.core.environment import OwnSettings, OwnVariables, SettingsError
from app.core.events import declared
from app.core.levels import Level
from app.core.sections import BaseUrl, Days, Ratio, Seconds, Section
from app.core.thresholds import Thresholds
from app.core.time_zones import time_zones
from asgi_observability.correlation import Strategy
from asgi_observability.log_files import Keeping
from asgi_observability.log_sampling import Sampling
from asgi_observability.logging import LogOptions
from asgi_observability.nearest import did_you_mean

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

ENV_PREFIX = "ORCHESTRATOR_"
SECRETS_DIR = f"{ENV_PREFIX}SECRETS_DIR"
ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}


LEAST_CONNECTIONS = 3
"""Database connections without which a worker can't work: two for business, one for rollups."""

ROOMY_CONNECTIONS = 5
"""From here on a worker has a second one for rollups: it can be read while it is written."""

DEFAULT_CONNECTIONS = 7
"""Database connections a worker has if nothing else is set."""

UPGRADE_WAIT_SECONDS = 300
"""How long a start waits while another replica upgrades the schema of the same database."""

_CALLS_IN_TURN = 4
"""Those of one SMS: the tenant, the earlier messages, the AI, the answer to the tenant."""


# Commands that open no database read settings too: SQLAlchemy would be a quarter of their start.
_PLAIN_FILE = re.compile(r"sqlite:///[\w./-]+")


def _database_url(value: str) -> str:
    if _PLAIN_FILE.fullmatch(value):
        return value
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # its port is no number
        raise ValueError("use sqlite:///FILE or postgresql://USER@HOST/DATABASE") from None
    if url.get_backend_name() not in ASYNC_DRIVERS:
        raise ValueError("use sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    return value


def _time_zone(value: str) -> str:
    if value not in time_zones():
        raise ValueError("use an IANA name such as UTC or Europe/Berlin")
    return value


def _days_or_none(value: object) -> object:
    """``none``, as a variable can say it."""
    if not isinstance(value, str):
        return value
    if value.strip().lower() == "none":
        return None
    try:
        return float(value)
    except ValueError:
        raise ValueError("write a number of days, or none to keep them for ever") from None


def _proxy(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        try:
            AnyHttpUrl(value.get_secret_value().strip())
        except ValidationError:
            raise ValueError("write it as http://HOST:PORT") from None
    return value


DatabaseUrl = Annotated[str, AfterValidator(_database_url)]


class Routing(Section):
    """Routing of AI answers by confidence (docs/domain.md, "What the orchestrator does")."""

    auto_send_above: Ratio = Field(0.85, description="confidence above which an answer is sent")
    escalate_below: Ratio = Field(0.60, description="confidence below which a person takes over")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.escalate_below > self.auto_send_above:
            raise ValueError("escalate_below must not be above auto_send_above")
        return self


class PaymentPlanLimits(Section):
    """What a payment plan must keep to be valid (docs/domain.md)."""

    max_weeks: int = Field(12, ge=1, description="longest plan, weeks")
    min_weekly_dollars: float = Field(25, gt=0, description="smallest instalment, $ a week")


class Calls(Section):
    """HTTP calls to the upstreams (docs/domain.md, "What it depends on")."""

    timeout_seconds: Seconds = Field(
        30, description="limit of a whole call: its attempts, the waits between them, the answer"
    )
    retry_waits_seconds: tuple[float, ...] = Field(
        (1, 2, 4),
        description="waits between attempts, each up to a quarter longer or shorter by chance; one "
        "retry for each wait. Retry-After of the upstream is kept if it is longer",
    )
    longest_retry_after_seconds: Seconds = Field(
        60,
        description="how long an upstream is left alone at most, whatever its Retry-After asks; "
        "then a call is tried again",
    )
    breaker_reset_seconds: Seconds = Field(60, description="how long an open breaker refuses calls")
    collections_monitor_breaker_failures: int = Field(
        5, ge=1, description="failures in a row that open its circuit breaker"
    )
    sms_agent_breaker_failures: int = Field(
        3, ge=1, description="failures in a row that open its circuit breaker"
    )
    notification_service_breaker_failures: int = Field(
        5, ge=1, description="failures in a row that open its circuit breaker"
    )
    ai_provider_breaker_failures: int = Field(
        5, ge=1, description="failures in a row that open its circuit breaker"
    )
    max_connections: int = Field(200, ge=1, description="connections per upstream and worker")

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if any(wait < 0 for wait in self.retry_waits_seconds):
            raise ValueError("retry_waits_seconds must not be negative")
        return self


class Links(Section):
    """Where the links in alerts lead."""

    runbooks_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8005/runbooks"),
        description="address of the runbooks, one page for each alert",
    )
    grafana_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:3000"),
        description="address of the Grafana with the dashboards",
    )


class Retention(Section):
    """How long rollups are kept at one resolution, days; what expires is archived."""

    counts: Days = Field(description="events counted")
    durations: Days = Field(description="durations with their sketches, the largest part")
    samples: Days = Field(description="gauges sampled once a second")


class RollupSettings(Section):
    """The rollups behind the JSON endpoint (docs/rollups.md)."""

    flush_seconds: Seconds = Field(
        1.0, description="how often counts are written; a killed worker loses at most this"
    )
    max_unwritten_minutes: int = Field(
        360,
        ge=1,
        description="minutes kept in memory while the store does not answer; older ones are lost",
    )
    retention_1m: Retention = Retention(counts=3, durations=2, samples=1)
    retention_5m: Retention = Retention(counts=14, durations=7, samples=3)
    retention_1h: Retention = Retention(counts=400, durations=100, samples=35)
    retention_1d: Retention = Retention(counts=1200, durations=1200, samples=400)
    expiry_interval_seconds: Seconds = Field(
        3600, description="how often expired rows are looked for"
    )
    archive_dir: Path | None = Field(
        None,
        description="folder for what expires; by default rollup-archives beside the SQLite file, "
        "or in the working directory for PostgreSQL",
    )


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(values: dict[str, Any]) -> dict[str, Any]:
        for name in values:
            if name.partition(".")[0] not in names:
                hint = did_you_mean(name, names, otherwise=f"use one of {', '.join(names)}")
                raise ValueError(f"{name} is unknown; {hint}")
        return values

    return AfterValidator(check)


_EVENTS = tuple(event.name for event in declared())
_OPERATIONS = (*(component.value for component in Component), "default")


class LogSettings(Section):
    """Logs (docs/logs.md)."""

    environment_levels: dict[str, Level] = Field(
        {"development": "debug", "test": "debug", "staging": "info", "production": "info"},
        description="level by environment, info in others; ORCHESTRATOR_LOG_LEVEL overrides it",
    )
    levels: dict[str, Level] = Field(
        {}, description='levels of single loggers, such as {"app.clients": "debug"}'
    )
    folder: Path | None = Field(
        None,
        description="folder for log files, one for each process; without it there are no files",
    )
    rotate_bytes: int = Field(
        128 * 1024 * 1024, ge=64 * 1024, description="size at which a file is rotated; also daily"
    )
    retention_days: Days = Field(14, description="how long rotated files are kept")
    max_total_bytes: int = Field(
        4 * 1024**3,
        ge=1024 * 1024,
        description="limit for compressed files; the oldest are deleted first",
    )
    queue_bytes: int = Field(
        8 * 1024 * 1024,
        ge=64 * 1024,
        description="bytes of lines that may wait to be written; more are dropped",
    )
    sample_info: Ratio = Field(1.0, description="share of info lines kept, by correlation ID")
    sample_debug: Ratio = Field(1.0, description="share of debug lines kept")
    sample_events: Annotated[dict[str, Ratio], _one_of(_EVENTS)] = Field(
        # An SMS runs about twenty statements. For one SMS in a hundred, all are logged.
        {"operation_completed.database": 0.01},
        description="share of lines kept, by event; operation_completed also by component",
    )
    slow_operation_seconds: Annotated[dict[str, Seconds], _one_of(_OPERATIONS)] = Field(
        {"default": 1.0, "database": 0.25, "ai_provider": 5.0},
        description="durations above which an operation is logged as slow, by component or "
        "component.operation",
    )
    exception_messages: bool = Field(
        False,
        description="write the messages of all exceptions; they may quote any text, so use it only "
        "where there are no real tenants",
    )
    tokens_file: Path | None = Field(
        None,
        description="tokens that may change log levels at run time: file of `name:token` lines",
    )

    @model_validator(mode="after")
    def _room_for_one(self) -> Self:
        if self.rotate_bytes > self.max_total_bytes:
            raise ValueError("max_total_bytes must not be below rotate_bytes")
        return self


class MetricsAccess(Section):
    """Who may read metrics and use the orchestration endpoints; how often, and how fresh it is."""

    tokens_file: Path | None = Field(
        None,
        description="file of bearer tokens, one `name:token` a line, then what it is for: metrics "
        "(the default), receive, act, manager; read again when it changes",
    )
    open_on_loopback: bool = Field(
        False, description="let clients on this machine in without a token"
    )
    requests_per_minute: int = Field(
        600,
        ge=1,
        description="limit for one token or address in each worker; only for the JSON metrics",
    )
    cache_seconds: Seconds = Field(1.0, description="how long an answer is reused")
    stream_interval_seconds: Seconds = Field(
        1.0, description="time between two changes in the stream"
    )
    stream_heartbeat_seconds: Seconds = Field(
        15.0, description="silence after which a heartbeat is sent"
    )


ENVIRONMENTS = Path(__file__).with_name("environments.toml")
"""What differs by environment from the defaults."""


def overridden_environments() -> list[str]:
    """The environments of which something differs."""
    return sorted(tomllib.loads(ENVIRONMENTS.read_text(encoding="utf-8")))


class _OfTheEnvironment(PydanticBaseSettingsSource):
    """The overrides of the environment that the settings so far are for."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        default = Settings.model_fields["environment"].default
        name = self.current_state.get("environment", default)
        overrides: dict[str, Any] = tomllib.loads(ENVIRONMENTS.read_text(encoding="utf-8")).get(
            name, {}
        )
        return overrides


class Settings(OwnSettings):
    """All settings of the orchestrator."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        validate_default=True,
    )
    # What the environment overrides comes after the variables, before the defaults.
    sources = (OwnVariables, _OfTheEnvironment)

    host: IPv4Address | IPv6Address = Field(
        IPv4Address("127.0.0.1"), description="address to listen on"
    )
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, le=64, description="processes that serve requests")
    worker_metrics_dir: Path | None = Field(
        None, description="folder in which workers share metrics; `python -m app` makes one"
    )
    environment: str = Field(
        "development",
        min_length=1,
        max_length=40,
        description="where this runs; it is in metrics and logs, and chooses defaults",
    )
    log_level: Level | None = Field(
        None, description="lowest level that is written; default: logs.environment_levels"
    )
    log_format: Literal["json", "console", "off"] = Field(
        "json", description="standard output: json for machines, console for people, or off"
    )
    log_hash_key: SecretStr | None = Field(
        None, description="key with which personal identifiers are hashed in logs"
    )
    correlation_id_strategy: Strategy = Field(
        "uuid7", description="how a correlation ID is made if the caller sends none"
    )
    timezone: Annotated[str, AfterValidator(_time_zone)] = Field(
        "UTC", description='IANA zone in which "today" begins'
    )
    max_body_bytes: int = Field(64 * 1024, ge=1024, description="largest request body")
    stop_grace_seconds: int = Field(
        30,
        ge=1,
        description="how long requests under way may take after a stop was asked for. A workflow "
        "that is cut off then is failed after interrupted_after_seconds, and waits until somebody "
        "asks for it to be run again. The longest request takes 140 s by default: with 140 none is "
        "cut off. Whatever stops the service has to wait longer before it kills",
    )

    stop_drain_seconds: float = Field(
        0,
        ge=0,
        le=300,
        description="how long it serves on after SIGTERM, while `/health` answers 503 and a "
        "balancer sees that; a second signal ends this",
    )

    database_url: DatabaseUrl = Field(
        "sqlite:///orchestrator.db", description="sqlite:///FILE or postgresql://USER@HOST/NAME"
    )
    database_password: SecretStr | None = Field(None, description="added to database_url")
    database_connections: int | None = Field(
        None,
        ge=1,
        description="database connections that a replica may open in total: all its workers, for "
        "the business tables and the rollups together; by default 7 for each worker. 10 "
        "replicas open 10 times as many, which must fit into max_connections of PostgreSQL",
    )
    database_timeout_seconds: Seconds = Field(
        5,
        description="limit of each step of a query: to get a connection, a statement, a commit, a "
        "lock; beyond it the answer is 503",
    )
    database_start_wait_seconds: float = Field(
        60,
        ge=0,
        description="how long a start waits for a database that does not answer, before it ends "
        "with an error. Once started, workers wait without end",
    )
    rollup_database_url: DatabaseUrl | None = Field(
        None,
        description="store of the JSON metrics; by default a file beside the SQLite database, "
        "or the PostgreSQL database itself",
    )

    collections_monitor_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8001"), description="knows tenants and their arrears"
    )
    sms_agent_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8002"), description="sends SMS and knows earlier ones"
    )
    notification_service_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8003"), description="tells managers what waits for them"
    )
    ai_provider_url: BaseUrl = Field(
        AnyHttpUrl("http://127.0.0.1:8004"), description="without the path /v1/chat/completions"
    )
    ai_provider_proxy: Annotated[SecretStr | None, AfterValidator(_proxy)] = Field(
        None,
        description="proxy for calls to the AI provider, as http://HOST:PORT, with USER:PASSWORD@ "
        "if it needs them; HTTP_PROXY and similar variables are never used",
    )
    ai_api_key: SecretStr | None = Field(None, description="sent to the AI provider as its token")
    ai_model: str = Field("gpt-4o-mini", min_length=1, description="model that the AI is asked for")

    duplicate_window_seconds: Seconds = Field(
        600, description="the same text in the same conversation within this time is one message"
    )
    no_response_seconds: Seconds = Field(
        36 * 3600, description="without an answer for this long, a conversation is escalated"
    )
    sweep_interval_seconds: Seconds = Field(
        60, description="how often to look for overdue, interrupted and unannounced work"
    )
    no_responses_per_minute: int = Field(
        600, ge=1, description="escalations that all sweeps together open for missing answers"
    )
    retries_per_minute: int = Field(
        600,
        ge=1,
        le=3000,
        description="failed workflows that all workers together run again on one request; each "
        "asks the AI, whose quota is 3,500 a minute",
    )
    recovery_interval_seconds: Seconds = Field(
        1, description="how often to look for failed workflows that are to be run again"
    )
    backlog_interval_seconds: Seconds = Field(
        5, description="how often waiting responses and open escalations are counted"
    )
    interrupted_after_seconds: Seconds = Field(
        # Longer than a run in which every call uses up its time, and the database too: 4 x 30 s.
        900,
        description="work without progress for this long was interrupted and may be run again",
    )

    personal_data_retention_days: Annotated[
        Annotated[Days, Field(le=36_500)] | None, BeforeValidator(_days_or_none)
    ] = Field(
        365,
        description="texts and phone numbers of a conversation are erased when it has been over "
        "for this long; none keeps them for ever",
    )
    erasure_interval_seconds: Seconds = Field(
        3600, description="how often texts and phone numbers that have to be erased are looked for"
    )

    metrics_access: MetricsAccess = MetricsAccess()
    logs: LogSettings = LogSettings()
    rollups: RollupSettings = RollupSettings()
    routing: Routing = Routing()
    payment_plans: PaymentPlanLimits = PaymentPlanLimits()
    calls: Calls = Calls()
    thresholds: Thresholds = Thresholds()
    links: Links = Links()

    @model_validator(mode="after")
    def _logs_somewhere(self) -> Self:
        if self.log_format == "off" and self.logs.folder is None:
            raise ValueError(
                f"{ENV_PREFIX}LOG_FORMAT=off leaves no log at all; write json, or name "
                f"{ENV_PREFIX}LOGS__FOLDER"
            )
        return self

    @model_validator(mode="after")
    def _duplicates_known(self) -> Self:
        days = self.personal_data_retention_days
        if days is not None and days * 86400 <= self.duplicate_window_seconds:
            raise ValueError(
                f"{ENV_PREFIX}PERSONAL_DATA_RETENTION_DAYS={days:g} is within "
                f"{ENV_PREFIX}DUPLICATE_WINDOW_SECONDS={self.duplicate_window_seconds:g}: what is "
                "erased can't be known again; make the retention longer, or the window shorter"
            )
        return self

    @model_validator(mode="after")
    def _enough_connections(self) -> Self:
        total, least = self.database_connections, LEAST_CONNECTIONS * self.workers
        if total is not None and total < least:
            raise ValueError(
                f"{ENV_PREFIX}DATABASE_CONNECTIONS={total}: {self.workers} workers need at least "
                f"{least}, {LEAST_CONNECTIONS} each; raise it, or lower {ENV_PREFIX}WORKERS"
            )
        return self

    @classmethod
    def variables(cls) -> list[str]:
        """Those of the sections as well, sorted."""
        names = [SECRETS_DIR, *super().variables()]
        for name, field in cls.model_fields.items():
            section = field.annotation
            if isinstance(section, type) and issubclass(section, Section):
                names += [cls.variable(f"{name}__{inner}") for inner in section.model_fields]
        return sorted(names)

    @property
    def ai_proxy(self) -> str | None:
        """The proxy that calls to the AI provider go through."""
        proxy = self.ai_provider_proxy
        return proxy.get_secret_value().strip() if proxy else None

    @property
    def most_connections(self) -> int:
        """Database connections that all workers of this replica may open in total."""
        return self.database_connections or DEFAULT_CONNECTIONS * self.workers

    @property
    def longest_request_seconds(self) -> float:
        """How long an SMS takes whose every call uses up its time, and whose database waits too."""
        step = self.calls.timeout_seconds + self.database_timeout_seconds
        return _CALLS_IN_TURN * step

    @property
    def rollup_pool_size(self) -> int:
        """Connections that a worker keeps for the rollups."""
        return 1 if self.most_connections // self.workers < ROOMY_CONNECTIONS else 2

    @property
    def database_pool_size(self) -> int:
        """Connections that a worker keeps for the business tables."""
        return self.most_connections // self.workers - self.rollup_pool_size

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def log_options(self) -> LogOptions:
        """What the logging takes."""
        logs = self.logs
        return LogOptions(
            level=self.log_level or logs.environment_levels.get(self.environment, "info"),
            levels=logs.levels,
            sampling=Sampling(logs.sample_info, logs.sample_debug, logs.sample_events),
            stdout=self.log_format,
            folder=logs.folder,
            keeping=Keeping(logs.rotate_bytes, logs.retention_days, logs.max_total_bytes),
            queue_bytes=logs.queue_bytes,
            workers_dir=self.worker_metrics_dir,
            exception_messages=logs.exception_messages,
            hash_key=self.log_hash_key.get_secret_value() if self.log_hash_key else "",
            replace_handlers=True,
        )

    @property
    def database(self) -> "URL":
        """The database with its async driver and, when given, its password."""
        return self._connectable(self.database_url)

    @property
    def rollup_database(self) -> "URL":
        """The rollup store with its async driver."""
        if self.rollup_database_url:
            return self._connectable(self.rollup_database_url)
        url = self.database
        if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
            return url.set(database=f"{url.database}.rollups")
        return url

    @property
    def rollup_archive_dir(self) -> Path:
        """Where expired rollups are archived."""
        if self.rollups.archive_dir:
            return self.rollups.archive_dir
        url = self.rollup_database
        file = url.database if url.get_backend_name() == "sqlite" else None
        return (
            Path(file or ".").absolute().parent / "rollup-archives"
            if file
            else Path("rollup-archives")
        )

    def _connectable(self, value: str) -> "URL":
        from sqlalchemy.engine import make_url

        url = make_url(value)
        url = url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()])
        if self.database_password is not None and url.get_backend_name() == "postgresql":
            url = url.set(password=self.database_password.get_secret_value().strip())
        return url


def load_settings(environment: str | None = None) -> Settings:
    """The settings from the environment variables.

    ``environment`` overrides ORCHESTRATOR_ENVIRONMENT.

    Raises SettingsError naming every unknown or impossible setting and its fix.
    """
    named: dict[str, Any] = {} if environment is None else {"environment": environment}
    if environment is not None and environment not in (known := overridden_environments()):
        raise SettingsError(
            f"no environment {environment!r} in {ENVIRONMENTS.name}; "
            + did_you_mean(environment, known, otherwise=f"there are {', '.join(known)}")
        )
    problems = Settings.unknown()
    secrets = os.environ.get(SECRETS_DIR)
    if secrets and not Path(secrets).is_dir():
        problems.append(
            f"{SECRETS_DIR}: {secrets} is not a folder; create it or unset the variable"
        )
    if problems:
        raise SettingsError("\n".join(problems))
    try:
        return Settings.load(**named, **(_secrets_in(Path(secrets)) if secrets else {}))
    except PydanticSettingsError as error:  # a value that should be JSON and is not
        section = re.search(r'field "(\w+)"', str(error))
        name = f"{ENV_PREFIX}{section[1].upper()}__…" if section else ENV_PREFIX
        raise SettingsError(f"{name}: not readable; lists are JSON, such as [1, 2, 4]") from None


def _secrets_in(folder: Path) -> dict[str, Any]:
    """The secret settings found as files, without the newline that editors add."""
    secret_fields = ("database_password", "ai_api_key", "ai_provider_proxy", "log_hash_key")
    files = ((name, folder / name) for name in secret_fields)
    return {name: _secret(file) for name, file in files if file.is_file()}


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{SECRETS_DIR}: {file} can't be read: {reason}") from None
