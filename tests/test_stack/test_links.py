"""Where the links in a stack's alerts lead: to its own ports, or where the settings say."""

import pytest

from alerts.links import COMMITTED
from stack import links
from stack.backend import StackError
from stack.ports import read_ports


def test_with_the_usual_ports_they_are_the_committed_ones() -> None:
    assert links.chosen(read_ports({}), with_grafana=True) == COMMITTED


def test_they_follow_the_ports() -> None:
    ports = read_ports({"RECEIVER_PORT": "18005", "GRAFANA_PORT": "13000"})
    chosen = links.chosen(ports, with_grafana=True)
    assert str(chosen.runbooks_url) == "http://127.0.0.1:18005/runbooks"
    assert str(chosen.grafana_url) == "http://127.0.0.1:13000/"


def test_without_grafana_the_receiver_answers_for_it() -> None:
    chosen = links.chosen(read_ports({"RECEIVER_PORT": "18005"}), with_grafana=False)
    assert str(chosen.grafana_url) == "http://127.0.0.1:18005/"


def test_what_is_set_by_hand_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LINKS__GRAFANA_URL", "https://grafana.example/team")
    chosen = links.chosen(read_ports({"RECEIVER_PORT": "18005"}), with_grafana=False)
    assert str(chosen.grafana_url) == "https://grafana.example/team"
    assert str(chosen.runbooks_url) == "http://127.0.0.1:18005/runbooks"


def test_a_bad_setting_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_LINKS__GRAFANA_URL", "here")
    with pytest.raises(StackError, match="ORCHESTRATOR_LINKS__GRAFANA_URL"):
        links.chosen(read_ports({}), with_grafana=True)
