"""What lies between an Alertmanager and the others of its cluster, and can be cut: TCP and UDP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Transport = asyncio.DatagramTransport


def both_free() -> int:
    """A port of the loopback address where nobody listens, neither by TCP nor by UDP."""
    while True:
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            with suppress(OSError):
                datagram.bind(("127.0.0.1", port))
                return port


class Relay(asyncio.DatagramProtocol):
    """Passes what comes to ``port`` on to ``target``.

    Members of a cluster answer to the address that the other says it has, which is a relay's as
    well. So one way is enough for UDP.
    """

    def __init__(self, target: int) -> None:
        self.port = both_free()
        self._target = target
        self._onward: Transport | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.refuses: Callable[[int], bool] = lambda sender: False
        """Whether nothing gets through from this port of whoever sends."""

    def connection_made(self, transport: Any) -> None:  # the base class's type
        self._onward = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if self._onward and not self.refuses(addr[1]):
            self._onward.sendto(data, ("127.0.0.1", self._target))

    def cut(self, refuses: Callable[[int], bool]) -> None:
        """End every connection, and let nothing through from whomever ``refuses`` names."""
        self.refuses = refuses
        for each in self._open:
            each.transport.abort()

    def mend(self) -> None:
        """Let everything through."""
        self.refuses = lambda sender: False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass a connection on, both ways, until one side ends it."""
        if self.refuses(writer.get_extra_info("peername")[1]):
            writer.transport.abort()
            return
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= (ends := {writer, onward})
        try:
            await asyncio.gather(_copied(reader, onward), _copied(there, writer))
        finally:
            for each in ends:
                each.transport.abort()
            self._open -= ends


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def relaying(target: int) -> AsyncIterator[Relay]:
    """A relay to ``target`` on a port of its own."""
    relay = Relay(target)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: relay, local_addr=("127.0.0.1", relay.port)
    )
    server = await asyncio.start_server(relay.connected, "127.0.0.1", relay.port)
    try:
        yield relay
    finally:
        server.close()
        relay.cut(lambda sender: True)
        transport.close()
