"""Coming up, going down and coming back."""

import socket
import time
import uuid

import httpx
import pytest

from alerts.exporters import SYNTHETIC_HISTORY
from alerts.signals import seasonality
from prometheus_tools.api import PrometheusAPI
from stack import metrics_tokens
from stack.backend import StackError
from stack.log_view import LogFilter
from tests.not_empty import not_empty
from tests.sms import SMS
from tests.test_stack.compose.conftest import Stack, inspect_services
from tests.test_stack.compose.packages import run
from tests.test_stack.notifying import notifies_slack


def _ids(stack: Stack) -> dict[str, str]:
    return {name: each["Id"] for name, each in inspect_services(stack.project).items()}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_every_component_is_up_with_its_address_and_age(stack: Stack) -> None:
    status = {component.name: component for component in stack.backend.status()}
    assert {name for name, component in status.items() if not component.up} == set()
    assert all(component.since for component in not_empty(status.values()))
    assert status["prometheus"].url == stack.url("PROMETHEUS_PORT")
    assert status["app"].url == stack.url("APP_PORT")


def test_the_history_is_there_and_no_component(stack: Stack) -> None:
    assert "history" not in {component.name for component in stack.backend.status()}
    with PrometheusAPI(stack.url("PROMETHEUS_PORT")) as prometheus:
        now = int(time.time())
        weeks = prometheus.range(seasonality.WEEKS_KNOWN.name, now, now, 1)
        assert {value for points in weeks for value in points.values.values()} == {4}
        (mark,) = prometheus.range(SYNTHETIC_HISTORY.name, now - 86400, now, 300)
        assert mark.labels["instance"] == "app:8000"


def test_nothing_was_restarted(stack: Stack) -> None:
    containers = not_empty(inspect_services(stack.project).items())
    assert {name: each["RestartCount"] for name, each in containers if each["RestartCount"]} == {}


def test_a_second_up_leaves_alone_what_runs(stack: Stack) -> None:
    before = _ids(stack)
    stack.backend.up()
    assert _ids(stack) == before


def test_a_secret_that_is_dropped_switches_its_receiver_on(stack: Stack) -> None:
    alertmanager = stack.url("ALERTMANAGER_PORT")
    before = _ids(stack)
    secret = stack.checkout / ".state/secrets/slack_webhook_url"
    secret.write_text("http://127.0.0.1:1/slack")
    stack.backend.up()
    assert notifies_slack(alertmanager)
    secret.unlink()
    stack.backend.up()
    assert not notifies_slack(alertmanager)
    assert _ids(stack) == before


def _bearer(stack: Stack) -> dict[str, str]:
    token = metrics_tokens.of(stack.checkout / ".state/secrets", "people").read_text()
    return {"Authorization": f"Bearer {token}"}


def test_down_stops_everything_and_up_finds_the_data_again(stack: Stack) -> None:
    conversation = uuid.uuid4().hex
    body = SMS | {"conversation_id": conversation}
    app = stack.url("APP_PORT")
    httpx.post(
        f"{app}/orchestrate/sms-received", json=body, headers=_bearer(stack), timeout=60
    ).raise_for_status()

    stack.backend.down()
    assert inspect_services(stack.project) == {}
    assert [name for name, port in not_empty(stack.ports.items()) if _listens(int(port))] == []
    assert not any(component.up for component in not_empty(stack.backend.status()))

    stack.backend.up()
    status = httpx.get(
        f"{app}/orchestrate/workflow/{conversation}/status", headers=_bearer(stack), timeout=60
    )
    assert status.status_code == 200, status.text


def test_a_component_that_is_gone_is_reported(stack: Stack) -> None:
    run(["docker", "stop", inspect_services(stack.project)["node-exporter"]["Id"]])
    status = {component.name: component for component in stack.backend.status()}
    assert not status["node-exporter"].up
    assert "exited" in status["node-exporter"].detail

    stack.backend.up()
    assert all(component.up for component in not_empty(stack.backend.status()))


def test_a_lost_database_password_is_not_replaced(stack: Stack) -> None:
    password = stack.checkout / ".state/secrets/database_password"
    kept = password.rename(password.with_suffix(".kept"))
    try:
        with pytest.raises(StackError, match="database_password is gone"):
            stack.backend.up()
        assert not password.exists()
    finally:
        kept.rename(password)


def test_logs_name_the_component(stack: Stack) -> None:
    lines = list(stack.backend.last_lines(["prometheus"], LogFilter()))
    assert lines
    assert {component for component, _ in lines} == {"prometheus"}


def test_one_sms_is_followed_through_app_and_simulator(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = httpx.post(
        f"{stack.url('APP_PORT')}/orchestrate/sms-received",
        json=SMS | {"conversation_id": "simulated-1"},
        headers=_bearer(stack),
        timeout=60,
    )
    answer.raise_for_status()
    assert stack.backend.query_logs(["trace", answer.headers["X-Correlation-ID"]]) == 0
    shown = capfd.readouterr().out
    for expected in ("orchestrator: ", "sms_received", "simulator: ", "upstream_called"):
        assert expected in shown
