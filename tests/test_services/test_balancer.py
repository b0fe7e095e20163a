"""What `deploy/balancer/haproxy.cfg` promises; test_several_orchestrators.py runs it."""

import re
from urllib.parse import unquote

from app.api import health
from app.core.config import Settings
from tests.replicas import CONFIGURATION


def _lines() -> list[str]:
    lines = CONFIGURATION.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _seconds(name: str) -> float:
    (found,) = [line for line in _lines() if line.startswith(f"timeout {name} ")]
    return float(found.split()[-1].removesuffix("s"))


def test_what_has_reached_a_server_is_sent_to_no_other() -> None:
    """A tenant would be answered twice, were it not for the orchestrator's own care."""
    assert [line for line in _lines() if "retry-on" in line] == ["retry-on conn-failure"]


def test_the_balancer_waits_longer_than_the_longest_request_takes() -> None:
    assert _seconds("server") > Settings().longest_request_seconds
    # And a stream is not cut between two of its heartbeats.
    heartbeat = Settings().metrics_access.stream_heartbeat_seconds
    assert min(_seconds("server"), _seconds("client")) > 2 * heartbeat


def test_it_asks_for_health_at_an_endpoint_that_there_is() -> None:
    (asked,) = [line for line in _lines() if line.startswith("http-check send")]
    found = re.fullmatch(r"http-check send meth GET uri (\S+)", asked)
    assert found is not None
    assert found[1] == health.router.url_path_for("health")


def test_clients_can_not_pretend_to_be_on_the_orchestrators_machine() -> None:
    assert "http-request set-header X-Forwarded-For %[src]" in _lines()


def test_metrics_are_refused_however_their_path_is_written() -> None:
    """The orchestrator decodes a path before it looks for its route."""
    (line,) = [line for line in _lines() if "return status 404" in line]
    found = re.search(r"if \{ path,url_dec -m reg (\S+) \}$", line)
    assert found is not None
    refused = re.compile(found[1])
    for path in (
        "/metrics",
        "/%6detrics",
        "/%6D%65tric%73",
        "/metrics%2f",
        "/%2Fmetrics",
        "//metrics/",
    ):
        assert refused.search(unquote(path)), path
    for path in (
        "/orchestrate/metrics",
        "/orchestrate/metrics/stream",
        "/health",
        "/metrics-of-mine",
    ):
        assert not refused.search(unquote(path)), path
