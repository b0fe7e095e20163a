"""The ports of the stack: one variable each, and one that shifts them all."""

from collections.abc import Mapping
from dataclasses import dataclass

from stack.backend import StackError

OFFSET = "PORT_OFFSET"
HIGHEST = 65535


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
    offset = _offset(variables)
    ports: dict[str, int] = {}
    for port in PORTS:
        value = variables.get(port.variable) or str(port.default + offset)
        if not value.isdecimal() or not 1 <= int(value) <= HIGHEST:
            raise StackError(f"{port.variable}={value}: use a port from 1 to {HIGHEST}")
        other = next((name for name, number in ports.items() if number == int(value)), None)
        if other:
            raise StackError(f"{port.variable} and {other} are both {value}; change one of them")
        ports[port.variable] = int(value)
    return ports


def asked_ports(variables: Mapping[str, str]) -> dict[str, int]:
    """Those ports that ``variables`` say something about. Raises StackError as `read_ports`."""
    ports = read_ports(variables)
    if variables.get(OFFSET):
        return ports
    return {name: number for name, number in ports.items() if variables.get(name)}


def _offset(variables: Mapping[str, str]) -> int:
    value = variables.get(OFFSET) or "0"
    most = HIGHEST - max(port.default for port in PORTS)
    if not value.isdecimal() or int(value) > most:
        raise StackError(f"{OFFSET}={value}: use a whole number from 0 to {most}, such as 1000")
    return int(value)
