"""Simulated instances that a Prometheus scrapes every second."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.capacity.fleet import Instance

PASSES_SECONDS = 15
"""As much happens between two scrapes as in a real interval."""

JOB = "orchestrator"


@contextmanager
def served(instances: int, sms_per_second: float) -> Iterator[str]:
    """Serve them at ``/0``, ``/1``, …; gives host and port."""
    simulated = [Instance(sms_per_second, seed) for seed in range(instances)]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            one = simulated[int(self.path.strip("/"))]
            body = one.text(one.after(PASSES_SECONDS)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    with listening(Handler) as address:
        yield address


@contextmanager
def listening(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server on a free port of this machine; gives host and port."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """A Prometheus that stops hangs up."""

    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def scraping(address: str, instances: int) -> dict[str, Any]:
    """A Prometheus's configuration that scrapes them."""
    targets = [
        {
            "targets": [address],
            "labels": {"__metrics_path__": f"/{number}", "instance": f"app-{number}"},
        }
        for number in range(instances)
    ]
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": JOB, "static_configs": targets}],
    }


async def own_metric(client: httpx.AsyncClient, name: str) -> float:
    """A metric of the program itself; its series added up."""
    text = (await client.get("/metrics")).raise_for_status().text
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return sum(float(value) for series, value in lines if series.partition("{")[0] == name)
