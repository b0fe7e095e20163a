"""A proxy of the environment is never asked for what is on this machine."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from prometheus_tools import proxies
from prometheus_tools.api import PrometheusAPI
from prometheus_tools.scratch import scratch

DEAD = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.setenv(name, DEAD)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9090", True),
        ("http://127.8.9.1", True),
        ("http://[::1]:9090/x", True),
        ("http://localhost:9090", True),
        ("https://prometheus.localhost", True),
        ("http://10.0.0.1:9090", False),
        ("http://localhost.example.org", False),
        ("https://prometheus.example.org", False),
    ],
)
def test_what_is_on_this_machine(url: str, expected: bool) -> None:
    assert proxies.is_on_this_machine(url) is expected
    assert proxies.may_be_used_for(url) is not expected


def test_the_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxies.variable_for("https://example.org") == "HTTPS_PROXY"
    assert proxies.variable_for("http://example.org") == "HTTP_PROXY"
    assert proxies.variable_for("http://localhost") is None
    monkeypatch.setenv("no_proxy", "example.org")
    assert proxies.variable_for("https://example.org") is None
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("HTTPS_PROXY")
    assert proxies.variable_for("https://example.org") == "ALL_PROXY"


@pytest.fixture
def prometheus() -> Iterator[str]:
    """What answers every question as a Prometheus without data does."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "success", "data": []}')

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_prometheus_on_this_machine_is_asked_directly(prometheus: str) -> None:
    with PrometheusAPI(prometheus) as api:
        assert api.has("up", 0, 1) is False


def test_a_prometheus_of_ones_own_is_waited_for_directly(tmp_path: Path) -> None:
    with scratch(tmp_path) as url, PrometheusAPI(url) as api:
        assert api.has("up", 0, 1) is False
