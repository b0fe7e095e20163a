"""TCP ports that nobody listens on."""

import random
import socket
from contextlib import suppress

_PORTS = range(12_000, 30_000)
"""Below those that the kernel gives to whoever asks for any, at any time."""

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that is free, and that no other test process is given while this one lives."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        # UDP's ports are others: holding one keeps the number for TCP among those who ask here.
        reservation = socket.socket(type=socket.SOCK_DGRAM)
        with suppress(OSError), socket.socket() as probe:
            reservation.bind(("127.0.0.1", port))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            _reserved.append(reservation)
            return port
        reservation.close()
