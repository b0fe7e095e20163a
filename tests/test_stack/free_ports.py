"""Ports for a whole stack of a test's own."""

from stack.ports import PORTS
from tests.free_port import free_port


def free_ports() -> dict[str, str]:
    """Each of the stack's port variables, set to a port that is free."""
    return {port.variable: str(free_port()) for port in PORTS}
