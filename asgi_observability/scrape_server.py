"""A listener of its own that answers scrapes: for processes without HTTP, or beside the service."""

import hmac
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from asgi_observability.event import FromCode
from asgi_observability.events import MetricsPortTaken
from asgi_observability.exposition import exposition
from asgi_observability.logger import get_logger
from asgi_observability.workers import Workers

RETRY_SECONDS = 5.0
"""How long until a port that is taken is tried again: another worker may have had it."""

log = get_logger(__name__)


def has_token(authorization: str, token: str) -> bool:
    """Whether a request's ``Authorization`` has the token; True where there is none to have.

    In constant time: how far it is right must not be told.
    """
    scheme, _, given = authorization.partition(" ")
    is_same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    return not token or (scheme.lower() == "bearer" and is_same)


class ScrapeServer(ThreadingHTTPServer):
    """Answers scrapes in threads of its own."""

    daemon_threads = True
    block_on_close = False
    workers: Workers
    path = "/metrics"
    token = ""

    def begin(self, workers: Workers) -> None:
        """Answer from now on."""
        self.workers = workers
        threading.Thread(
            target=self.serve_forever, name="observability-scrape", daemon=True
        ).start()

    def close_in_child(self) -> None:
        """A forked process must not keep the port when its parent has ended."""
        self.socket.close()


class _Answer(BaseHTTPRequestHandler):
    """Answers one scrape."""

    server: ScrapeServer
    timeout = 10
    server_version = "metrics"
    sys_version = ""

    def do_GET(self) -> None:
        """The metrics, at their path alone."""
        if self.path.partition("?")[0] != self.server.path:
            self.send_error(404, explain=f"metrics are at {self.server.path}")
            return
        if not has_token(self.headers.get("Authorization", ""), self.server.token):
            self.send_error(401, explain="send the token as Authorization: Bearer ...")
            return
        answer = exposition(
            self.server.workers.families(),
            self.headers.get("Accept", ""),
            self.headers.get("Accept-Encoding", ""),
        )
        self.send_response(200)
        for header in answer.headers.items():
            self.send_header(*header)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def do_HEAD(self) -> None:
        """The same without the body."""
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Scrapes are not logged, and standard error is the host's."""


def listening(host: str, port: int) -> ScrapeServer:
    """A server that has the port. Raises OSError, which names it."""
    try:
        return ScrapeServer((host, port), _Answer)
    except OSError as error:
        raise OSError(
            error.errno, f"port={port}: {host}:{port} can't be had ({error.strerror}); use another"
        ) from error


class OwnPort:
    """`/metrics` at a port beside the service's, as long as the service runs.

    Of several workers one has the port, and answers for all. The others wait for it.
    """

    def __init__(self, workers: Workers, host: str, port: int, path: str, token: str) -> None:
        self._workers = workers
        self._address = (host, port)
        self._path = path
        self._token = token
        self._server: ScrapeServer | None = None
        self._stopping = threading.Event()

    def begin(self) -> None:
        """Listen from now on, as soon as the port is to be had."""
        self._stopping = threading.Event()
        threading.Thread(
            target=self._listen, args=[self._stopping], name="observability-port", daemon=True
        ).start()

    def stop(self) -> None:
        """Let go of the port."""
        self._stopping.set()
        server, self._server = self._server, None
        if server:
            with suppress(OSError):
                server.shutdown()
                server.server_close()

    def _listen(self, stopping: threading.Event) -> None:
        has_told = False
        while not stopping.is_set():
            try:
                server = listening(*self._address)
            except OSError:
                if not has_told:
                    has_told = True
                    log.event(
                        MetricsPortTaken(port=self._address[1], host=FromCode(self._address[0]))
                    )
                stopping.wait(RETRY_SECONDS)
                continue
            server.path, server.token = self._path, self._token
            server.begin(self._workers)
            self._server = server
            return
