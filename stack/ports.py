"""The ports of the stack: one variable each, checked before anything starts."""

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from stack.backend import StackError


@dataclass(frozen=True, slots=True)
class Port:
    """A port by the name of what listens on it."""

    owner: str
    variable: str
    default: int


PORTS = (
    Port("app", "APP_PORT", 8000),
    Port("collections monitor (simulator)", "COLLECTIONS_MONITOR_PORT", 8001),
    Port("SMS agent (simulator)", "SMS_AGENT_PORT", 8002),
    Port("notification service (simulator)", "NOTIFICATION_SERVICE_PORT", 8003),
    Port("AI provider (simulator)", "AI_PROVIDER_PORT", 8004),
    Port("webhook receiver (simulator)", "RECEIVER_PORT", 8005),
    Port("prometheus", "PROMETHEUS_PORT", 9090),
    Port("alertmanager", "ALERTMANAGER_PORT", 9093),
    Port("grafana", "GRAFANA_PORT", 3000),
    Port("node-exporter", "NODE_EXPORTER_PORT", 9100),
)


def read_ports(variables: Mapping[str, str]) -> dict[str, int]:
    """The port of each variable, or its default. Raises StackError on one that can't be used."""
    ports: dict[str, int] = {}
    for port in PORTS:
        value = variables.get(port.variable) or str(port.default)
        if not value.isdecimal() or not 1 <= int(value) <= 65535:
            raise StackError(f"{port.variable}={value}: use a port from 1 to 65535")
        other = next((name for name, number in ports.items() if number == int(value)), None)
        if other:
            raise StackError(f"{port.variable} and {other} are both {value}; change one of them")
        ports[port.variable] = int(value)
    return ports


def refuse_taken_ports(ports: Mapping[str, int]) -> None:
    """Raise StackError naming each port that somebody else listens on, and the way out."""
    taken = [port for port in PORTS if port.variable in ports and _is_taken(ports[port.variable])]
    if taken:
        lines = [
            f"port {ports[port.variable]} for {port.owner} is taken{_holder(ports[port.variable])};"
            f" stop that, or choose another: make up {port.variable}=…"
            for port in taken
        ]
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
                name = psutil.Process(connection.pid).name()
            except psutil.NoSuchProcess:
                return ""
            return f" by {name} (pid {connection.pid})"
    return ""
