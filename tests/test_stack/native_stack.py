"""A native stack with a state folder and ports of its own, driven as its user drives it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from prometheus_tools.toolchain.tool import tools_folder
from stack import metrics_tokens
from stack.backend import ComponentStatus
from stack.native import NativeBackend
from stack.ports import PORTS
from stack.processes import MARK
from tests.project import ROOT, environment
from tests.test_stack.free_ports import free_ports
from tests.test_stack.journey import Addresses

QUICK = {
    "SCRAPE_INTERVAL": "1s",
    "TRAFFIC_PER_MINUTE": "300",
    # So that a breaker does not keep the resolution waiting for its minute.
    "ORCHESTRATOR_CALLS__BREAKER_RESET_SECONDS": "5",
}
"""Variables of a stack in which things happen within seconds."""


class Stack:
    """A stack whose state is in ``state``. ``variables`` are those given to its commands.

    ``report`` gets what the commands print.
    """

    def __init__(
        self,
        state: Path,
        variables: Mapping[str, str] = QUICK,
        report: Callable[[str], object] = print,
    ) -> None:
        self.state = state
        self.path = os.environ["PATH"]
        # Grafana is not looked for on the network.
        self.variables = {"GRAFANA": "no"} | free_ports() | dict(variables)
        self._report = report

    def put_on_path(self, name: str, script: str) -> None:
        """Let this stack find a program called ``name``."""
        folder = self.state.parent / f"{self.state.name}-{name}"
        folder.mkdir()
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
        self.path = f"{folder}:{self.path}"

    def keep_off_path(self, name: str) -> None:
        """Let this stack find no program called ``name`` that the machine has."""
        folders = self.path.split(":")
        self.path = ":".join(each for each in folders if not (Path(each) / name).exists())

    def keep_tools_in(self, folder: Path) -> None:
        """Have what is there already, and keep what is fetched, in ``folder``."""
        folder.mkdir()
        for unpacked in tools_folder().iterdir():
            if not unpacked.name.startswith((".", "grafana")):
                (folder / unpacked.name).symlink_to(unpacked.resolve())
        self.variables["STACK_TOOLS_DIR"] = str(folder)

    def run(self, *arguments: str, way: str = "native") -> subprocess.CompletedProcess[str]:
        """`python -m stack …` with this stack's variables."""
        own = {"STACK": way, "STACK_STATE_DIR": str(self.state), "PATH": self.path}
        # Five weeks take longer than all the rest; who needs them asks for them.
        own["HISTORY"] = "off"
        done = subprocess.run(
            [sys.executable, "-m", "stack", *arguments],
            cwd=ROOT,
            env=_without_ports(environment()) | own | self.variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self._report(done.stdout + done.stderr)
        return done

    def status(self) -> list[ComponentStatus]:
        """Each component, asked now."""
        return NativeBackend(ROOT, self.state, self.variables).status()

    def is_well(self, within_seconds: float = 120) -> bool:
        """Whether `status` comes to say so: on a slow machine a scrape may be late now and then."""
        deadline = time.monotonic() + within_seconds
        while self.run("status").returncode:
            if time.monotonic() > deadline:
                return False
            time.sleep(1)
        return True

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this stack."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(self.state):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    @property
    def addresses(self) -> Addresses:
        """Where its components are."""

        def url(variable: str) -> str:
            return f"http://127.0.0.1:{self.variables[variable]}"

        return Addresses(
            url("APP_PORT"),
            url("RECEIVER_PORT"),
            url("PROMETHEUS_PORT"),
            url("ALERTMANAGER_PORT"),
            metrics_tokens.of(self.state / "secrets", "people").read_text(),
        )


def _without_ports(environment: Mapping[str, str]) -> dict[str, str]:
    """Without the ports that somebody chose for a stack of theirs."""
    chosen = {port.variable for port in PORTS}
    return {name: value for name, value in environment.items() if name not in chosen}
