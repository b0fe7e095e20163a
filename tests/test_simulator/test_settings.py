"""Settings: what is refused, and how it is explained."""

from pathlib import Path

import pytest

from app.core.environment import SettingsError
from simulator.settings import load_settings


def test_the_defaults_are_the_documented_addresses() -> None:
    settings = load_settings()
    assert (settings.collections_monitor_port, settings.sms_agent_port) == (8001, 8002)
    assert (settings.notification_service_port, settings.ai_provider_port) == (8003, 8004)
    assert settings.receiver_port == 8005
    assert settings.traffic_per_minute == 60
    assert settings.data_dir is None


@pytest.mark.parametrize(
    ("name", "value", "explanation"),
    [
        ("SIMULATOR_TRAFIC_PER_MINUTE", "1", "did you mean SIMULATOR_TRAFFIC_PER_MINUTE?"),
        ("SIMULATOR_XYZ", "1", "SIMULATOR_XYZ: no such setting; remove it"),
        ("SIMULATOR_AI_PROVIDER_PORT", "65536", "SIMULATOR_AI_PROVIDER_PORT='65536'"),
        ("SIMULATOR_TRAFFIC_PER_MINUTE", "-1", "greater than or equal to 0"),
        ("SIMULATOR_TRAFFIC_PER_MINUTE", "nan", "SIMULATOR_TRAFFIC_PER_MINUTE='nan'"),
        ("SIMULATOR_HOST", "localhost", "SIMULATOR_HOST='localhost'"),
        ("SIMULATOR_APP_URL", "app:8000", "SIMULATOR_APP_URL='app:8000'"),
        ("SIMULATOR_SMS_AGENT_PORT", "8005", "SIMULATOR_SMS_AGENT_PORT are both 8005"),
    ],
)
def test_bad_settings_are_explained(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, explanation: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert explanation in str(refused.value)


def test_a_data_folder_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIMULATOR_DATA_DIR", str(tmp_path / "new" / "data"))
    load_settings()
    assert (tmp_path / "new" / "data").is_dir()


def test_an_impossible_data_folder_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SIMULATOR_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(SettingsError, match=r"SIMULATOR_DATA_DIR=.*name a folder"):
        load_settings()
