"""Settings and secrets of the notifications, and the command that reads them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alerts.command_line
from alerts.notifications import configuration
from alerts.notifications.channels import NOBODY_LISTENS, SECRET_FILES, Channel, Secrets
from alerts.notifications.settings import NotificationSettings
from alerts.notifications.working_hours import WEEK, time_intervals
from app.core.environment import SettingsError
from prometheus_tools import promtool
from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty
from tests.project import ROOT

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `python -m alerts notifications …`; gives exit code, output and errors."""

    def run(arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["alerts", "notifications", *arguments.split()])
        code = alerts.command_line.main()
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
    described = NotificationSettings.described()
    for name in not_empty(NotificationSettings.model_fields):
        assert f"  {NotificationSettings.variable(name)}=" in described
    assert "ALERTS_WORKING_DAYS=monday,tuesday,wednesday,thursday,friday\n" in described
    assert "None" not in described


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_WORKING_DAYS", "sunday, monday")
    monkeypatch.setenv("ALERTS_WORK_ENDS", "17:30")
    monkeypatch.setenv("ALERTS_QUIET_HOURS", "true")
    # As make exports a variable that is not set.
    monkeypatch.setenv("ALERTS_EMAIL_TO", "")
    settings = NotificationSettings.load()
    assert settings.working_days == ("sunday", "monday")
    assert settings.work_ends == "17:30"
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
        ("ALERTS_WORK_ENDS", "08:00", "ALERTS_WORK_BEGINS and ALERTS_WORK_ENDS are both 08:00"),
        ("ALERTS_WORK_ENDS", "24:01", "ALERTS_WORK_ENDS='24:01': write it as HH:MM"),
        ("ALERTS_WORK_BEGINS", "24:00", "ALERTS_WORK_BEGINS=24:00: write 00:00"),
        ("ALERTS_WORKING_DAYS", "monday:freitag", "Input should be 'monday'"),
        ("ALERTS_EMAIL_SMARTHOST", "::1:25", "with an IPv6 address in brackets"),
        ("ALERTS_EMAIL_SMARTHOST", "mail:0", "ALERTS_EMAIL_SMARTHOST='mail:0': "),
        ("ALERTS_EMAIL_SMARTHOST", "smtp://mail:25", "write it as HOST:PORT"),
        ("ALERTS_EMAIL_TO", "oncall", "ALERTS_EMAIL_TO='oncall': write addresses separated by"),
        ("ALERTS_EMAIL_TO_PLATFORM", "a@b.example;c@d.example", "separated by commas"),
        ("ALERTS_EMAIL_FROM", "a@b.example, c@d.example", "write one address"),
        ("ALERTS_WORK_ENDS", "late", "ALERTS_WORK_ENDS='late': "),
        (
            "ALERTS_WORKING_DAYS",
            "freitag",
            "ALERTS_WORKING_DAYS='freitag': Input should be 'monday'",
        ),
        ("ALERTS_EMAIL_SMARTHOST", "mail", "ALERTS_EMAIL_SMARTHOST='mail': "),
        ("ALERTS_PAGERDUTY_URL", "here", "ALERTS_PAGERDUTY_URL: Input"),
    ],
)
def test_bad_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, error: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        NotificationSettings.load()
    assert error in str(raised.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"work_ends": "24:00"},
        {"work_begins": "22:00", "work_ends": "06:00"},
        {"work_begins": "22:00", "work_ends": "00:00"},
        {"work_begins": "0:00", "work_ends": "24:00", "working_days": ["Sunday:tuesday"]},
        {"time_zone": "America/Argentina/Buenos_Aires"},
        {"time_zone": "Etc/GMT+5"},
        {"email_smarthost": "[::1]:25"},
        {"email_smarthost": "[fe80::1%eth0]:587"},
        {"email_smarthost": "mail_relay.internal:465"},
        {"email_to": '"On call, EU" <oncall+sms@example.org>, boss@example.org'},
        {"email_to": "{{ .CommonLabels.owner }}@example.org"},
        {"email_from": "Alerts <alerts+sms@example.org>"},
        {"pagerduty_url": "https://user:secret@[2001:db8::1]:8443/events_gateway/v2/enqueue"},
        {"secrets_path": "/run/my secrets/ünicode"},
    ],
)
def test_what_alertmanager_takes_is_not_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = NotificationSettings(
        **({"quiet_hours": True, "email_to": "team@example.org"} | changes)
    )
    file = tmp_path / "alertmanager.yml"
    configuration.write(file, Secrets.of(Channel.EMAIL, Channel.PAGERDUTY), settings)
    promtool.check_alertmanager(file)


def test_hours_over_midnight_are_two_ranges() -> None:
    evening, morning = time_intervals(("friday", "sunday"), "22:00", "06:00", "Asia/Tokyo")
    assert (evening["weekdays"], evening["times"]) == (
        ["friday", "sunday"],
        [{"start_time": "22:00", "end_time": "24:00"}],
    )
    assert (morning["weekdays"], morning["times"]) == (
        ["monday", "saturday"],
        [{"start_time": "00:00", "end_time": "06:00"}],
    )
    assert evening["location"] == morning["location"] == "Asia/Tokyo"
    assert [each["times"] for each in time_intervals(WEEK, "22:00", "00:00", "UTC")] == [
        [{"start_time": "22:00", "end_time": "24:00"}]
    ]


def test_days_are_read_as_alertmanager_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS_WORKING_DAYS", "Monday:Wednesday, saturday:sunday,MONDAY")
    assert NotificationSettings.load().working_days == (
        "monday",
        "tuesday",
        "wednesday",
        "saturday",
        "sunday",
    )
    monkeypatch.setenv("ALERTS_WORKING_DAYS", "saturday:monday")
    assert NotificationSettings.load().working_days == ("saturday", "sunday", "monday")


def test_the_login_is_the_senders_address(tmp_path: Path) -> None:
    settings = NotificationSettings(
        email_to="team@example.org", email_from="Alerts <alerts@example.org>"
    )
    written = read_yaml(configuration.text(Secrets.of(Channel.EMAIL), settings))
    mails = [mail for each in written["receivers"] for mail in each.get("email_configs", ())]
    assert {mail["auth_username"] for mail in mails} == {"alerts@example.org"}


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
    (slack,) = read_yaml(output.read_text())["receivers"][0]["slack_configs"]
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
    assert f"{secrets}/none is not a folder" in err
    assert not output.exists()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("file/x.yml", "{0}/file: File exists; it is a file: remove it, or name another\n"),
        ("file/a/b/x.yml", "{0}/file/a/b: Not a directory; a part of it is a file: name another\n"),
        ("folder", "--output {0}/folder is a folder; name a file\n"),
        ("x" * 300, "{0}/" + "x" * 300 + ": File name too long; name a shorter one\n"),
        (
            "kept/x.yml",
            "{0}/kept/templates: File exists; it is a file: remove it, or name another\n",
        ),
    ],
)
def test_a_path_that_can_t_be_is_named_with_what_to_do(
    run: Run, secrets: Path, tmp_path: Path, output: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "templates").write_text("")
    code, _, err = run(f"--secrets {secrets} --output {tmp_path}/{output}")
    assert (code, err.replace(NOBODY_LISTENS, "")) == (1, said.format(tmp_path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("slack_webhok_url", "did you mean slack_webhook_url?"),
        ("webhook_url.txt", "did you mean webhook_url?"),
        ("WATCHDOG_URL", "did you mean watchdog_url?"),
        ("pagerduty_key", "did you mean pagerduty_routing_key?"),
        ("slack_webhook_url_plattform", "did you mean slack_webhook_url_platform?"),
        ("smtp_password_platform", "did you mean smtp_password?"),
    ],
)
def test_a_misspelt_file_is_named(
    run: Run, secrets: Path, tmp_path: Path, name: str, said: str
) -> None:
    (secrets / name).write_text("secret")
    code, _, err = run(f"--secrets {secrets} --output {tmp_path}/alertmanager.yml")
    assert code == 0
    assert f"{secrets}/{name} switches nothing on; {said}" in err.splitlines()
    assert "Other files there, which switch nothing on: database_password" in err.splitlines()


def test_files_that_belong_to_others_are_not_named(run: Run, secrets: Path, tmp_path: Path) -> None:
    """Those that Kubernetes or an editor puts there, and folders."""
    (secrets / "database_password").unlink()
    (secrets / "..data").mkdir()
    (secrets / ".gitkeep").touch()
    _, _, err = run(f"--secrets {secrets} --output {tmp_path}/alertmanager.yml")
    assert "switches nothing on" not in err


def test_a_configuration_says_that_nobody_listens_to_the_watchdog() -> None:
    """Whoever reads the file has not seen what the command said."""
    settings = NotificationSettings()
    without = configuration.text(Secrets.of(Channel.WEBHOOK), settings)
    assert f"# {NOBODY_LISTENS}" in without.splitlines()
    nowhere = configuration.text(Secrets.of(), settings)
    assert "# Pages to team orchestrator and team platform reach nobody: " in nowhere
    heard = configuration.text(Secrets.of(Channel.WEBHOOK, Channel.DEAD_MANS_SWITCH), settings)
    assert "Nobody" not in heard


def test_other_secrets_switch_nothing_on(secrets: Path) -> None:
    found = Secrets.found_in(secrets)
    assert [channel for channel in Channel if found.is_on(channel)] == [Channel.SLACK]


def test_the_guide_names_every_file_and_setting() -> None:
    guide = (ROOT / "docs" / "notifying.md").read_text()
    variables = NotificationSettings.variables()
    for name in not_empty([*SECRET_FILES.values(), *variables]):
        assert f"`{name}`" in guide
