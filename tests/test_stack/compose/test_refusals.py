"""`up` where something is missing: it says what, and starts nothing."""

import shutil
import socket
from pathlib import Path

import pytest

from stack.backend import StackError
from stack.compose import ComposeBackend
from tests.test_stack.compose.conftest import inspect_services
from tests.test_stack.free_ports import free_ports

PROJECT = "sms-test-refused"


@pytest.fixture
def refused(docker: None, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose stack shall not come up."""
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", PROJECT)
    copy = tmp_path / "checkout"
    shutil.copytree(checkout, copy, ignore=shutil.ignore_patterns(".state"))
    return copy


def test_a_taken_port_is_named_by_its_component(refused: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} for prometheus is taken"):
            ComposeBackend(refused, refused / ".state", {"PROMETHEUS_PORT": str(port)}).up()
    assert inspect_services(PROJECT) == {}


def test_an_image_that_cannot_be_pulled(refused: Path) -> None:
    compose_file = refused / "docker-compose.yml"
    known = compose_file.read_text()
    compose_file.write_text(known.replace("prom/prometheus:", "prom/prometheus:no-such-"))
    with pytest.raises(StackError, match="can't be pulled"):
        ComposeBackend(refused, refused / ".state", free_ports(), without=["grafana"]).up()
    assert inspect_services(PROJECT) == {}


def test_a_component_that_does_not_exist_cannot_be_left_out(refused: Path) -> None:
    with pytest.raises(StackError, match="no component graphana"):
        ComposeBackend(refused, refused / ".state", {}, without=["graphana"]).up()


def test_an_impossible_scrape_interval(refused: Path) -> None:
    with pytest.raises(StackError, match="SCRAPE_INTERVAL=often: use whole seconds"):
        ComposeBackend(
            refused, refused / ".state", {**free_ports(), "SCRAPE_INTERVAL": "often"}
        ).up()


@pytest.mark.parametrize(
    ("client", "complaint"),
    [
        ("exit 1", "no Docker engine answers"),
        ('test "$1" != compose', "`docker compose` 2.26 or newer is missing"),
        ("echo 2.17.3", "`docker compose` 2.26 or newer is missing"),
    ],
)
def test_what_is_missing_of_docker(
    client: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n{client}\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=complaint):
        ComposeBackend(tmp_path, tmp_path / ".state", {}).up()


def test_docker_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="docker is not installed"):
        ComposeBackend(tmp_path, tmp_path / ".state", {}).up()
