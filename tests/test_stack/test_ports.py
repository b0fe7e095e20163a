"""Ports: read, checked, and named when they are taken."""

import socket

import pytest

from stack.backend import StackError
from stack.ports import PORTS, asked_ports, read_ports
from stack.taken_ports import refuse_taken_ports


def test_each_has_its_default_and_one_variable() -> None:
    assert read_ports({})["APP_PORT"] == 8000
    assert read_ports({"APP_PORT": "9000"})["APP_PORT"] == 9000
    assert len({port.variable for port in PORTS}) == len(PORTS)


def test_one_variable_shifts_them_all_and_each_ones_own_wins() -> None:
    defaults = read_ports({})
    shifted = read_ports({"PORT_OFFSET": "1000", "GRAFANA_PORT": "3001"})
    assert shifted.pop("GRAFANA_PORT") == 3001
    assert shifted == {name: defaults[name] + 1000 for name in shifted}
    assert read_ports({"PORT_OFFSET": ""}) == read_ports({"PORT_OFFSET": "0"}) == defaults


def test_what_is_asked_for() -> None:
    assert asked_ports({"APP_WORKERS": "2"}) == {}
    assert asked_ports({"APP_PORT": "9000"}) == {"APP_PORT": 9000}
    assert asked_ports({"PORT_OFFSET": "10"}) == read_ports({"PORT_OFFSET": "10"})


@pytest.mark.parametrize("value", ["x", "-1", "1.5", "60000", "²", "1e3"])
def test_an_impossible_offset_is_refused_by_name(value: str) -> None:
    with pytest.raises(StackError, match=r"PORT_OFFSET=.*use a whole number from 0 to 56435"):
        read_ports({"PORT_OFFSET": value})


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "80.5", "²"])
def test_an_impossible_port_is_refused_by_name(value: str) -> None:
    with pytest.raises(StackError, match=r"GRAFANA_PORT=.*use a port from 1 to 65535"):
        read_ports({"GRAFANA_PORT": value})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"PORT_OFFSET": "3000"}, "grafana would be at port 6000, .*choose another PORT_OFFSET"),
        ({"GRAFANA_PORT": "6666"}, "grafana would be at port 6666, .*choose another GRAFANA_PORT"),
    ],
)
def test_a_port_that_browsers_refuse_is_refused(asked: dict[str, str], said: str) -> None:
    with pytest.raises(StackError, match=said):
        read_ports(asked)


def test_one_port_for_two_is_refused() -> None:
    with pytest.raises(StackError, match="PROMETHEUS_PORT and APP_PORT are both 9090"):
        read_ports({"APP_PORT": "9090"})


def test_a_taken_port_names_its_owner_and_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(StackError) as refused:
            refuse_taken_ports({"ALERTMANAGER_PORT": port})
    said = str(refused.value)
    assert f"port {port} for alertmanager is taken by " in said
    assert "make up ALERTMANAGER_PORT=" in said
    refuse_taken_ports({"ALERTMANAGER_PORT": port})
