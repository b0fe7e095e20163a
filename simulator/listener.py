"""A port that can be closed and opened again while the process goes on."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send


class CannotListenError(OSError):
    """The address can't be listened on; the message says why."""


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process: it runs several servers."""
        yield


class Listener:
    """Serves ``app`` on one address."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        """``port`` 0 takes a free port at the first opening, and keeps it."""
        self._app = app
        self._host = host
        self.port = port
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def open(self) -> None:
        """Take connections. Does nothing when open. Raises CannotListenError."""
        if self._server:
            return
        opened = self._bound()
        self.port = opened.getsockname()[1]
        config = uvicorn.Config(
            self._serve_one,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
            # Longer than clients keep idle connections (httpx: 5 s). The one who closes first must
            # be the client, or a request now and then meets a connection just closed.
            timeout_keep_alive=75,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[opened]))
        while not server.started and not serving.done():  # noqa: ASYNC110 uvicorn has no event
            await asyncio.sleep(0.01)
        if serving.done():
            await serving
        self._server, self._serving = server, serving

    async def close(self) -> None:
        """Refuse connections and break off those there are, as a crash would.

        Does nothing when closed.
        """
        if not self._server or not self._serving:
            return
        server, serving = self._server, self._serving
        self._server = self._serving = None
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        for request in list(server.server_state.tasks):
            request.cancel()
        server.should_exit = True
        await serving

    def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listening = socket.create_server((self._host, self.port), family=family)
        except OSError as error:
            reason = error.strerror
            if error.errno == errno.EADDRINUSE:
                reason = "taken; stop what listens there or choose another port"
            raise CannotListenError(f"{self.url}: {reason}") from None
        # Connections inherit it; asyncio sets it for sockets of its own only, and 40 ms of delayed
        # acknowledgement would drown the latencies.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening

    async def _serve_one(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Only `close` cancels requests, and it has cut their connections before. To let the
        # cancellation through would make uvicorn report a crash.
        with contextlib.suppress(asyncio.CancelledError):
            await self._app(scope, receive, send)
