"""The runbooks as a stack's receiver shows them: with the addresses of this stack."""

import re
from collections.abc import Mapping
from pathlib import Path

from alerts import generated
from stack.ports import PORTS, read_ports

_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


def shown(committed: Path, folder: Path, ports: Mapping[str, int]) -> Path:
    """The folder to show: ``committed``, or where ``ports`` are others, ``folder`` with copies."""
    if ports == read_ports({}):
        return committed
    own = {str(port.default): str(ports[port.variable]) for port in PORTS}

    def moved(address: re.Match[str]) -> str:
        return f"127.0.0.1:{own.get(address[1], address[1])}"

    texts = {
        page.name: _ADDRESS.sub(moved, page.read_text(encoding="utf-8"))
        for page in committed.glob("*.md")
    }
    generated.write(folder, texts)
    return folder
