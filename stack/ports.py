"""The ports of the stack: one variable each, and one that shifts them all."""

from collections.abc import Mapping
from dataclasses import dataclass

from stack.backend import StackError

OFFSET = "PORT_OFFSET"
HIGHEST = 65535

REFUSED_BY_BROWSERS = frozenset(
    [
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101),
        *(102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389),
        *(427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636),
        *(989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    ]
)
"""Whatever listens there, its links lead nowhere: https://fetch.spec.whatwg.org/#port-blocking"""


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
        if int(value) in REFUSED_BY_BROWSERS:
            wanted = port.variable if variables.get(port.variable) else OFFSET
            raise StackError(
                f"{port.owner} would be at port {value}, which browsers refuse to open; "
                f"choose another {wanted}"
            )
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
