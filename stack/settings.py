"""The variables of the stack, and which of them are given.

The Makefile asks before anything is installed, so this needs Python alone.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from asgi_observability.nearest import nearest
from stack.ports import OFFSET, PORTS

MAKEFILE = Path(__file__).parents[1] / "Makefile"
WAYS = {
    "STACK": "native or compose; by default the one that runs, else compose\n"
    f"{'':29}where a Docker engine answers",
    "STACK_WITHOUT": "components that compose leaves out, such as grafana",
    "STACK_STATE_DIR": "folder of the stack's state (.state)",
    "STACK_TOOLS_DIR": "downloaded tools (.tools)",
    "STACK_RELEASES_URL": "where the tools' release archives are (https://github.com)",
    "STACK_GRAFANA_URL": "where Grafana's archive is (https://dl.grafana.com)",
    "COMPOSE_PROJECT_NAME": "compose's name for this stack (made from the checkout's path)",
    "COMPOSE_PROFILES": "logs: Loki and Alloy as well, under compose",
}
SETTINGS = {
    "APP_WORKERS": "processes of the orchestrator (1)",
    "TRAFFIC_PER_MINUTE": "simulated SMS (60)",
    "SCRAPE_INTERVAL": "Prometheus's scrape and evaluation interval, 1s to 15s (15s)",
    "REMOTE_WRITE_URL": "engine that Prometheus also sends its samples to (none)",
    "GRAFANA": "no: leave Grafana out (yes)",
    "HISTORY": "off: no synthetic history before the first start (on)",
    OFFSET: "is added to every port below that you don't set (0)",
    **{port.variable: f"port of {port.owner} ({port.default})" for port in PORTS},
}
_OF_OTHERS = (
    *("ORCHESTRATOR_", "SIMULATOR_", "ALERTS_", "STACK_"),
    *("COMPOSE_", "DOCKER_", "MAKE", "."),
)
"""Variables that start so are checked by those who read them."""


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of SETTINGS that ``environment`` gives."""
    return {name: environment[name] for name in SETTINGS if environment.get(name)}


def unknown(names: Iterable[str]) -> str | None:
    """What is wrong with the variables given to make; None when it knows all of them."""
    makefile = MAKEFILE.read_text(encoding="utf-8")
    used = re.findall(r"\$\((?:value )?([A-Z_]+)[):]|^([A-Z_]+) [?:]?=", makefile, re.MULTILINE)
    known = {*WAYS, *SETTINGS, *(name for pair in used for name in pair if name)}
    for name in sorted(set(names) - known):
        if name.startswith(_OF_OTHERS) and not nearest(name, WAYS):
            continue
        if close := nearest(name, known):
            return f"{name}: there is no such variable; did you mean {close}?"
        return (
            f"{name}: there is no such variable; `python -m stack --help` lists them. "
            f"To give it to another program, write it before make: {name}=… make …"
        )
    return None


if __name__ == "__main__":
    print(unknown(sys.argv[1:]) or "", end="")
    sys.exit(os.EX_OK)
