"""The links of committed rules, made to lead to another stack or wiki."""

from pathlib import Path

import pytest

from alerts import paths
from alerts.links import COMMITTED, relinked, write_relinked
from alerts.rules import rule_files
from app.core.config import Links, load_settings
from app.core.environment import SettingsError
from app.core.thresholds import Thresholds
from prometheus_tools import promtool
from prometheus_tools.yaml_reading import read_yaml

ELSEWHERE = Links.model_validate(
    {"runbooks_url": "https://wiki.example/sms_team/", "grafana_url": "http://user:x@[::1]:13000"}
)


def test_the_committed_links_give_the_committed_rules(tmp_path: Path) -> None:
    write_relinked(paths.RULES, tmp_path / "same", COMMITTED)
    files = sorted(paths.RULES.glob("*.yml"))
    assert files
    for file in files:
        assert (tmp_path / "same" / file.name).read_bytes() == file.read_bytes()


def test_relinked_rules_are_those_generated_for_the_links(tmp_path: Path) -> None:
    write_relinked(paths.RULES, tmp_path / "rules", ELSEWHERE)
    written = {file.name: file.read_text() for file in (tmp_path / "rules").iterdir()}
    assert written == rule_files(Thresholds(), ELSEWHERE)
    assert "127.0.0.1" not in "".join(written.values())
    for name in written:
        promtool.check_rules(tmp_path / "rules" / name)


def test_a_link_that_somebody_moved_stays() -> None:
    rules = "        annotations:\n          runbook_url: https://wiki.example/X\n"
    assert relinked(rules, ELSEWHERE) == rules
    assert "/sms_team/X" in relinked(rules.replace("https://wiki.example", committed()), ELSEWHERE)
    assert read_yaml(relinked(rules, ELSEWHERE))


def committed() -> str:
    return str(COMMITTED.runbooks_url)


@pytest.mark.parametrize("url", ["https://grafana.example/?orgId=2", "https://grafana.example/#x"])
def test_an_address_to_which_no_path_can_be_added_is_refused(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LINKS__GRAFANA_URL", url)
    with pytest.raises(SettingsError, match=r"ORCHESTRATOR_LINKS__GRAFANA_URL=.*leave that out"):
        load_settings()
