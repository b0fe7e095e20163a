"""A secret dropped into the stack's folder: whom its Alertmanager then notifies."""

from pathlib import Path

import pytest

from prometheus_tools.yaml_reading import read_yaml
from stack import alertmanager
from stack.backend import StackError
from tests.test_alerts.alertmanager_process import alertmanager as running
from tests.test_stack.notifying import notifies_slack

OWN = "http://127.0.0.1:8005/alerts"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "database_password").write_text("not for Alertmanager")
    return folder


def integrations(folder: Path) -> set[str]:
    """What pages go to, by the written configuration."""
    config = read_yaml((folder / alertmanager.CONFIG).read_text())
    (page,) = (each for each in config["receivers"] if each["name"] == "page")
    return {*page} - {"name"}


def files(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (folder / alertmanager.SECRETS).iterdir()}


def test_without_secrets_the_simulator_is_notified(tmp_path: Path, secrets: Path) -> None:
    alertmanager.write(tmp_path / "run", secrets, OWN)
    assert integrations(tmp_path / "run") == {"webhook_configs"}
    assert files(tmp_path / "run") == {"webhook_url": OWN}
    assert alertmanager.note(secrets).startswith("Notified: the simulator's receiver; ")


def test_a_file_switches_a_receiver_on_and_off_again(tmp_path: Path, secrets: Path) -> None:
    (secrets / "slack_webhook_url").write_text("https://hooks.slack.example/x")
    (secrets / "webhook_url").write_text("https://elsewhere.example")
    alertmanager.write(tmp_path / "run", secrets, OWN)
    assert integrations(tmp_path / "run") == {"webhook_configs", "slack_configs"}
    assert files(tmp_path / "run") == {
        "slack_webhook_url": "https://hooks.slack.example/x",
        "webhook_url": "https://elsewhere.example",
    }
    assert alertmanager.note(secrets).startswith("Notified: webhook, Slack; ")
    written = tmp_path / "run" / "secrets" / "slack_webhook_url"
    assert written.stat().st_mode & 0o077 == 0
    (secrets / "slack_webhook_url").unlink()
    alertmanager.write(tmp_path / "run", secrets, OWN)
    assert not written.exists()


def test_it_is_said_that_nobody_listens_to_the_watchdog(tmp_path: Path, secrets: Path) -> None:
    assert "Nobody notices when alerting itself stops" in alertmanager.note(secrets)
    (secrets / "watchdog_url").write_text("https://heartbeat.example")
    assert "Nobody" not in alertmanager.note(secrets)


def test_what_lacks_a_setting_is_named(
    tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "smtp_password").write_text("x")
    with pytest.raises(StackError, match="set ALERTS_EMAIL_TO"):
        alertmanager.write(tmp_path / "run", secrets, OWN)
    monkeypatch.setenv("ALERTS_EMAIL_TO", "on-call@example.com")
    alertmanager.write(tmp_path / "run", secrets, OWN)
    assert "email_configs" in integrations(tmp_path / "run")


async def test_one_that_runs_takes_it_over(tmp_path: Path, secrets: Path) -> None:
    folder = tmp_path / "run"
    alertmanager.write(folder, secrets, OWN)
    async with running(folder, folder / alertmanager.CONFIG) as client:
        url = str(client.base_url).rstrip("/")
        assert not notifies_slack(url)
        (secrets / "slack_webhook_url").write_text("https://hooks.slack.example/x")
        alertmanager.write(folder, secrets, OWN)
        alertmanager.reload(url)
        assert notifies_slack(url)
        (folder / alertmanager.CONFIG).write_text("route: none")
        with pytest.raises(StackError, match="Alertmanager refuses its configuration: failed"):
            alertmanager.reload(url)


def test_nobody_who_answers_is_said() -> None:
    with pytest.raises(StackError, match="Alertmanager does not answer at http:"):
        alertmanager.reload("http://127.0.0.1:1")
