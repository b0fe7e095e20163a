"""Whether somebody else listens on a port, checked before anything starts."""

import errno
import socket
from collections.abc import Mapping

import psutil

from stack import processes
from stack.backend import StackError
from stack.ports import OFFSET, PORTS


def refuse_taken_ports(ports: Mapping[str, int]) -> None:
    """Raise StackError naming each port that somebody else listens on, and the way out."""
    taken = [port for port in PORTS if port.variable in ports and _is_taken(ports[port.variable])]
    if taken:
        lines = [
            f"port {ports[port.variable]} for {port.owner} is taken{_holder(ports[port.variable])};"
            f" stop that, or choose another port: make up {port.variable}=…"
            for port in taken
        ]
        if len(taken) > 1:
            lines.append(f"If it is another stack, move all ports: make up {OFFSET}=1000")
        raise StackError("\n".join(lines))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: connections that are closing don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise StackError(f"port {port} needs privileges; choose one above 1023") from None
            return True
    return False


def _holder(port: int) -> str:
    try:
        connections = psutil.net_connections("inet")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port and connection.pid:
            try:
                process = psutil.Process(connection.pid)
                name, stack = process.name(), processes.stack_of(process)
            except psutil.Error:
                return ""
            belongs = f", of the stack in {stack}" if stack else ""
            return f" by {name} (pid {connection.pid}{belongs})"
    return ""
