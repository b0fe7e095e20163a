"""Settings: a bad one is refused at start, by name and with the fix."""

import traceback
from pathlib import Path

import pytest
import uvicorn
from pydantic import ValidationError

from app.__main__ import main
from app.core.config import (
    Settings,
    SettingsError,
    load_settings,
    overridden_environments,
)
from tests.not_empty import not_empty
from tests.project import command_line, python_m


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    return str(error.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ORCHESTRATOR_PROT", "1", "did you mean ORCHESTRATOR_PORT?"),
        ("ORCHESTRATOR_THRESHOLDS__SMS_LATENCY", "1", "THRESHOLDS__SMS_LATENCY_SECONDS?"),
        ("ORCHESTRATOR_QQQ", "1", "remove it"),
        ("ORCHESTRATOR_PORT", "99999", "less than or equal to 65535"),
        ("ORCHESTRATOR_PORT", "eight", "valid integer"),
        ("ORCHESTRATOR_WORKERS", "0", "greater than or equal to 1"),
        ("ORCHESTRATOR_HOST", "here", "IPv4"),
        ("ORCHESTRATOR_TIMEZONE", "Mars/Base", "IANA name"),
        ("ORCHESTRATOR_DATABASE_URL", "mysql://db/x", "postgresql://"),
        ("ORCHESTRATOR_DATABASE_URL", "nonsense", "sqlite:///FILE"),
        ("ORCHESTRATOR_AI_PROVIDER_URL", "not a url", "valid URL"),
        ("ORCHESTRATOR_ROUTING__ESCALATE_BELOW", "0.9", "must not be above auto_send_above"),
        ("ORCHESTRATOR_ROUTING__AUTO_SEND_ABOVE", "1.5", "less than or equal to 1"),
        ("ORCHESTRATOR_CALLS__RETRY_WAITS_SECONDS", "1 2 4", "lists are JSON"),
        ("ORCHESTRATOR_CALLS__RETRY_WAITS_SECONDS", "[-1]", "must not be negative"),
        ("ORCHESTRATOR_THRESHOLDS__AI_ERROR_RATIO", "-0.1", "greater than or equal to 0"),
        (
            *("ORCHESTRATOR_THRESHOLDS__APPROVAL_WAIT_SECONDS", "3600"),
            "approval_wait_warning_seconds=97200 must be below approval_wait_seconds=3600",
        ),
        ("ORCHESTRATOR_SECRETS_DIR", "/no/such/folder", "is not a folder"),
        ("ORCHESTRATOR_LOGS__SAMPLE_EVENTS", '{"sms_recieved": 1}', "did you mean sms_received?"),
        ("ORCHESTRATOR_LOGS__SAMPLE_EVENTS", '{"request": 2}', "less than or equal to 1"),
        ("ORCHESTRATOR_LOGS__SLOW_OPERATION_SECONDS", '{"databse": 1}', "did you mean database?"),
        ("ORCHESTRATOR_LOGS__LEVELS", '{"app": "loud"}', "'debug', 'info', 'warning' or 'error'"),
        ("ORCHESTRATOR_LOGS__LEVELS", "debug", "lists are JSON"),
        ("ORCHESTRATOR_LOGS__MAX_TOTAL_BYTES", "1048576", "must not be below rotate_bytes"),
        ("ORCHESTRATOR_LOG_FORMAT", "off", "name ORCHESTRATOR_LOGS__FOLDER"),
        ("ORCHESTRATOR_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("ORCHESTRATOR_CORRELATION_ID_STRATEGY", "snowflake", "'uuid7' or 'uuid4'"),
    ],
)
def test_a_bad_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    message = refused(monkeypatch, **{variable: value})
    assert variable.partition("__")[0] in message
    assert said in message


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refused(monkeypatch, ORCHESTRATOR_PORT="0", ORCHESTRATOR_WORKERS="0")
    assert "ORCHESTRATOR_PORT='0'" in message
    assert "ORCHESTRATOR_WORKERS='0'" in message


def test_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "database_password").write_text("hunter2\n")
    monkeypatch.setenv("ORCHESTRATOR_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_URL", "postgresql://orchestrator@db/orchestrator")
    settings = load_settings()
    assert settings.database.password == "hunter2"
    assert "hunter2" not in repr(settings)


PASSWORD = "hunter2"
ADDRESSES = {
    "ORCHESTRATOR_DATABASE_URL": [
        *("mysql://u:hunter2@db/o", "postgres://u:hunter2@db/o", "mysql://u:p@/hunter2@db/o"),
        *("postgresql://u:hunter2@db:port/o", "postgresql//u:hunter2@db/o", "u:hunter2@db"),
        *("oracle://db/o?password=hunter2", "hunter2", "mongodb+srv://:hunter2 @db"),
    ],
    "ORCHESTRATOR_ROLLUP_DATABASE_URL": ["mysql://u:hunter2@db/o", "hunter2"],
    "ORCHESTRATOR_AI_PROVIDER_URL": ["ftp://u:hunter2@h", "http://u:hunter2@h/?q", "hunter2"],
    "ORCHESTRATOR_LINKS__GRAFANA_URL": ["ftp://u:hunter2@h", "https://hunter2@h/#x"],
    "ORCHESTRATOR_AI_PROVIDER_PROXY": ["u:hunter2@proxy", "hunter2", "ftp://u:hunter2@proxy:x"],
}


@pytest.mark.parametrize(
    ("variable", "value"), [(name, each) for name, values in ADDRESSES.items() for each in values]
)
def test_an_address_that_is_refused_is_shown_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    message = refused(monkeypatch, **{variable: value})
    assert variable.partition("__")[0] in message
    assert PASSWORD not in message


def test_no_error_of_the_settings_repeats_a_password() -> None:
    """Not the one that a test or a script sees that makes its own settings, either."""
    for given in ({"database_url": f"mysql://u:{PASSWORD}@db/o"}, {"ai_api_key": [PASSWORD]}):
        with pytest.raises(ValidationError) as error:
            Settings(**given)  # type: ignore[arg-type]
        assert PASSWORD not in f"{error.value} {error.value!r}"
        assert PASSWORD not in "".join(traceback.format_exception(error.value))


def test_settings_are_shown_without_passwords() -> None:
    settings = Settings(
        database_url=f"postgresql://u:{PASSWORD}@db/o",
        ai_provider_url=f"https://u:{PASSWORD}@ai.example.com",  # type: ignore[arg-type]
        ai_api_key=PASSWORD,  # type: ignore[arg-type]
    )
    assert PASSWORD not in f"{settings} {settings!r}"
    assert "postgresql://u:***@db/o" in repr(settings)


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hunter2@127.0.0.1:1/o", "postgresql://u@127.0.0.1:1/o?password=hunter2"],
)
def test_a_database_that_can_not_be_reached_is_named_without_its_password(url: str) -> None:
    at_once = {"ORCHESTRATOR_DATABASE_START_WAIT_SECONDS": "0"}
    result = command_line(main, variables=at_once | {"ORCHESTRATOR_DATABASE_URL": url})
    assert result.returncode == 2
    assert "ORCHESTRATOR_DATABASE_URL: postgresql+asyncpg://u" in result.stderr
    assert PASSWORD not in result.stderr + result.stdout


@pytest.mark.parametrize("level", ["warn", "WARN", "warning", "Warning"])
def test_warn_is_a_level(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LOG_LEVEL", level)
    monkeypatch.setenv("ORCHESTRATOR_LOGS__LEVELS", f'{{"app.clients": "{level}"}}')
    settings = load_settings()
    assert settings.log_options.level == "warning"
    assert settings.log_options.levels == {"app.clients": "warning"}


def test_a_secret_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ai_api_key").write_bytes(b"\xff\xfe")
    message = refused(monkeypatch, ORCHESTRATOR_SECRETS_DIR=str(tmp_path))
    assert (
        message == f"ORCHESTRATOR_SECRETS_DIR: {tmp_path}/ai_api_key can't be read: it is not UTF-8"
    )


def test_every_setting_can_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_THRESHOLDS__SMS_LATENCY_SECONDS", "3.5")
    monkeypatch.setenv("ORCHESTRATOR_CALLS__RETRY_WAITS_SECONDS", "[0.5]")
    settings = load_settings()
    assert settings.thresholds.sms_latency_seconds == 3.5
    assert settings.calls.retry_waits_seconds == (0.5,)
    assert "ORCHESTRATOR_CALLS__RETRY_WAITS_SECONDS" in Settings.variables()


@pytest.mark.parametrize(
    ("database_url", "rollups"),
    [
        ("sqlite:////data/o.db", "sqlite+aiosqlite:////data/o.db.rollups"),
        ("postgresql://u@db/o", "postgresql+asyncpg://u@db/o"),
    ],
)
def test_the_rollups_are_beside_the_database(database_url: str, rollups: str) -> None:
    settings = Settings(database_url=database_url)
    assert settings.rollup_database.render_as_string() == rollups


def test_the_program_says_so_and_stops() -> None:
    result = python_m("app", variables={"ORCHESTRATOR_PROT": "8000"})
    assert result.returncode == 2
    assert "no such setting; did you mean ORCHESTRATOR_PORT?" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ORCHESTRATOR_DATABASE_URL", "sqlite:////no/folder/o.db", "does its folder exist?"),
        ("ORCHESTRATOR_DATABASE_URL", "postgresql://u@127.0.0.1:1/o", "is its server up"),
    ],
)
def test_a_database_that_can_not_be_used_is_named(variable: str, value: str, said: str) -> None:
    at_once = {"ORCHESTRATOR_DATABASE_START_WAIT_SECONDS": "0"}
    result = command_line(main, variables=at_once | {variable: value})
    assert result.returncode == 2
    assert variable in result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORCHESTRATOR_LOGS__FOLDER", "/proc/nowhere"),
        ("ORCHESTRATOR_LOGS__FOLDER", "/dev/null"),
        ("ORCHESTRATOR_LOGS__TOKENS_FILE", "/nowhere"),
        ("ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE", "/nowhere"),
    ],
)
def test_files_that_can_not_be_used_are_named_before_anything_starts(
    tmp_path: Path, variable: str, value: str
) -> None:
    database = {"ORCHESTRATOR_DATABASE_URL": f"sqlite:///{tmp_path}/o.db"}
    done = command_line(main, variables=database | {variable: value})
    assert done.returncode == 2
    assert done.stderr.startswith("The settings can't be used:\n" + variable)
    assert "Traceback" not in done.stderr


def test_what_an_environment_overrides_comes_after_the_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    default = load_settings().thresholds
    staging = load_settings("staging").thresholds
    assert staging.availability_objective < default.availability_objective
    assert staging.ai_error_ratio == default.ai_error_ratio
    monkeypatch.setenv("ORCHESTRATOR_ENVIRONMENT", "staging")
    monkeypatch.setenv("ORCHESTRATOR_THRESHOLDS__AVAILABILITY_OBJECTIVE", "0.95")
    settings = load_settings()
    assert settings.thresholds.availability_objective == 0.95
    assert settings.thresholds.minimum_failures == staging.minimum_failures


def test_an_environment_without_overrides_is_named_with_the_choice() -> None:
    with pytest.raises(SettingsError, match=r"no environment 'stagin' in .*; did you mean staging"):
        load_settings("stagin")
    with pytest.raises(SettingsError, match=r"no environment 'moon' in .*; there are staging"):
        load_settings("moon")
    with pytest.raises(SettingsError, match=r"no environment '' in .*; there are staging"):
        load_settings("")


def test_every_override_is_one_that_the_settings_take() -> None:
    for environment in not_empty(overridden_environments()):
        assert load_settings(environment).environment == environment


@pytest.mark.parametrize(
    ("written", "days"), [("none", None), ("None", None), ("90", 90), ("0.5", 0.5)]
)
def test_the_retention_of_personal_data_is_days_or_none(
    monkeypatch: pytest.MonkeyPatch, written: str, days: float | None
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_PERSONAL_DATA_RETENTION_DAYS", written)
    assert load_settings().personal_data_retention_days == days


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("never", "write a number of days, or none"),
        ("0", "greater than 0"),
        ("-1", "greater than 0"),
        ("inf", "less than or equal to 36500"),
        ("0.005", "DUPLICATE_WINDOW_SECONDS=600"),
    ],
)
def test_a_retention_of_personal_data_that_is_none_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, written: str, words: str
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_PERSONAL_DATA_RETENTION_DAYS", written)
    with pytest.raises(SettingsError, match=words):
        load_settings()


def test_a_stop_waits_for_requests_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Kubernetes as long as the longest one takes."""
    longest = Settings().longest_request_seconds
    assert longest == 4 * (30 + 5)
    served: list[uvicorn.Config] = []

    async def prepared(_settings: Settings) -> None: ...

    monkeypatch.setattr("app.__main__._prepare_databases", prepared)
    monkeypatch.setattr("app.__main__._serve", lambda config: served.append(config) or 0)
    monkeypatch.setattr("app.__main__.signal.signal", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["app"])
    monkeypatch.setenv("ORCHESTRATOR_STOP_GRACE_SECONDS", f"{longest:.0f}")
    assert main() == 0
    assert [config.timeout_graceful_shutdown for config in served] == [longest]
