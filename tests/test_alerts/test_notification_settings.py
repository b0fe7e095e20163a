"""Settings and secrets of the notifications, and the command that reads them."""

from collections.abc import Callable
from datetime import time
from pathlib import Path

import pytest
import yaml

import alerts.__main__
from alerts.notifications.channels import SECRET_FILES, Channel, Secrets
from alerts.notifications.settings import (
    NotificationSettings,
    SettingsError,
    described_variables,
    load_settings,
    variable,
)
from prometheus_tools import promtool
from tests.not_empty import not_empty
from tests.project import ROOT

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `python -m alerts notifications …`; gives exit code, output and errors."""

    def run(arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["alerts", "notifications", *arguments.split()])
        code = alerts.__main__.main()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "slack_webhook_url").write_text("https://hooks.slack.example/T0/B0/xyz\n")
    (folder / "database_password").write_text("somebody else's")
    return folder


def test_every_setting_is_described() -> None:
    described = described_variables()
    for name in not_empty(NotificationSettings.model_fields):
        assert f"  {variable(name)}=" in described
    assert "ALERTS_WORKING_DAYS=monday,tuesday,wednesday,thursday,friday\n" in described
    assert "None" not in described


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_WORKING_DAYS", "sunday, monday")
    monkeypatch.setenv("ALERTS_WORK_ENDS", "17:30")
    monkeypatch.setenv("ALERTS_QUIET_HOURS", "true")
    # As make exports a variable that is not set.
    monkeypatch.setenv("ALERTS_EMAIL_TO", "")
    settings = load_settings()
    assert settings.working_days == ("sunday", "monday")
    assert settings.work_ends == time(17, 30)
    assert settings.quiet_hours
    assert settings.email_to is None


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        (
            "ALERTS_EMAIL_TOO",
            "x",
            "ALERTS_EMAIL_TOO: no such setting; did you mean ALERTS_EMAIL_TO?",
        ),
        ("ALERTS_TIME_ZONE", "Australia/Sidney", "did you mean Australia/Sydney?"),
        ("ALERTS_WORK_ENDS", "07:00", "ALERTS_WORK_ENDS (07:00) is not after ALERTS_WORK_BEGINS"),
        ("ALERTS_WORK_ENDS", "late", "ALERTS_WORK_ENDS='late': "),
        (
            "ALERTS_WORKING_DAYS",
            "freitag",
            "ALERTS_WORKING_DAYS='freitag': Input should be 'monday'",
        ),
        ("ALERTS_EMAIL_SMARTHOST", "mail", "ALERTS_EMAIL_SMARTHOST='mail': "),
        ("ALERTS_PAGERDUTY_URL", "here", "ALERTS_PAGERDUTY_URL='here': "),
    ],
)
def test_bad_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, error: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert error in str(raised.value)


def test_the_command_says_what_is_on_and_what_would_switch_on_the_rest(
    run: Run, secrets: Path, tmp_path: Path
) -> None:
    output = tmp_path / "etc" / "alertmanager.yml"
    code, out, _ = run(f"--secrets {secrets} --output {output}")
    assert code == 0
    assert out == (
        f"{output}:\n"
        "  webhook           off  webhook_url switches it on\n"
        "  Slack             on   by slack_webhook_url\n"
        "  PagerDuty         off  pagerduty_routing_key switches it on\n"
        "  email             off  smtp_password switches it on\n"
        "  Microsoft Teams   off  teams_webhook_url switches it on\n"
        "  dead man's switch off  watchdog_url switches it on\n"
    )
    promtool.check_alertmanager(output)
    assert "xyz" not in output.read_text()
    assert (output.parent / "templates" / "slack.tmpl").exists()


def test_alertmanager_may_see_the_secrets_elsewhere(
    run: Run, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERTS_SECRETS_PATH", "/etc/alertmanager/secrets")
    output = tmp_path / "alertmanager.yml"
    assert run(f"--secrets {secrets} --output {output}")[0] == 0
    (slack,) = yaml.safe_load(output.read_text())["receivers"][0]["slack_configs"]
    assert slack["api_url_file"] == "/etc/alertmanager/secrets/slack_webhook_url"


def test_what_can_t_be_used_is_named_and_nothing_written(
    run: Run, secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "alertmanager.yml"
    (secrets / "smtp_password").write_text("secret")
    code, _, err = run(f"--secrets {secrets} --output {output}")
    assert code == 1
    assert "smtp_password is there, so email is on" in err
    assert "set ALERTS_EMAIL_TO, or remove the file" in err
    (secrets / "smtp_password").write_text("")
    code, _, err = run(f"--secrets {secrets} --output {output}")
    assert (code, err) == (1, f"{secrets}/smtp_password is empty; fill it, or remove it\n")
    code, _, err = run(f"--secrets {secrets}/none --output {output}")
    assert code == 1
    assert f"{secrets}/none is no folder" in err
    assert not output.exists()


def test_other_secrets_switch_nothing_on(secrets: Path) -> None:
    found = Secrets.found_in(secrets)
    assert [channel for channel in Channel if found.is_on(channel)] == [Channel.SLACK]


def test_the_guide_names_every_file_and_setting() -> None:
    guide = (ROOT / "docs" / "notifying.md").read_text()
    variables = map(variable, NotificationSettings.model_fields)
    for name in not_empty([*SECRET_FILES.values(), *variables]):
        assert f"`{name}`" in guide
