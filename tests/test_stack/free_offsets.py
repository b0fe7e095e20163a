"""A PORT_OFFSET that leads to ports which nobody uses, neither here nor in another test process."""

import random
import socket
from contextlib import ExitStack, suppress

from stack.ports import PORTS

_OFFSETS = range(11_000, 20_000)
"""The ports are below those that the kernel gives to whoever asks for any."""

_reserved = ExitStack()


def free_offset() -> int:
    """An offset that no other test process is given while this one lives."""
    while True:
        offset = random.SystemRandom().choice(_OFFSETS)
        with suppress(OSError), ExitStack() as held:
            for port in PORTS:
                # UDP's ports are others: holding them keeps the numbers for TCP.
                held.enter_context(_bound(port.default + offset, socket.SOCK_DGRAM))
                _bound(port.default + offset, socket.SOCK_STREAM).close()
            _reserved.push(held.pop_all())
            return offset


def _bound(port: int, kind: socket.SocketKind) -> socket.socket:
    bound = socket.socket(type=kind)
    try:
        bound.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == socket.SOCK_STREAM else 0
        )
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound
