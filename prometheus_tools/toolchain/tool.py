"""What the tools are, and where the project keeps its own."""

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
_VERSION = re.compile(r"version (\d+)\.(\d+)\.(\d+)")


class ToolMissing(Exception):  # noqa: N818 - says what it is
    """A tool can't be found or installed; the message says what to do."""


class NotAvailableError(Exception):
    """One route does not lead to a tool from this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool: its names, the versions that will do, and where it comes from.

    ``binaries`` are its names, the official one first. ``oldest`` is a minor version; newer ones
    will do as well, unless it has to be ``exact``. ``release`` is the project and version of the
    release archive. ``packages`` are the distribution's packages that hold it.
    """

    name: str
    binaries: tuple[str, ...]
    oldest: tuple[int, int]
    project: str
    release: str
    packages: tuple[str, ...]
    exact: bool = False

    def takes(self, version: tuple[int, ...]) -> bool:
        """Whether ``version`` will do."""
        return version[:2] == self.oldest if self.exact else version[:2] >= self.oldest

    def __str__(self) -> str:
        oldest = f"{self.name} {'.'.join(map(str, self.oldest))}"
        return oldest if self.exact else f"{oldest} or newer"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that can be run. ``source`` says in words where it was found."""

    name: str
    path: Path
    version: str
    source: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} from {self.source}"


_PROMETHEUS = ("prometheus/prometheus", "3.5.3")
_ALERTMANAGER = ("prometheus/alertmanager", "0.33.1")
TOOLS = {
    spec.name: spec
    for spec in (
        Spec("prometheus", ("prometheus",), (2, 53), *_PROMETHEUS, ("prometheus",)),
        # Debian had promtool in the package prometheus until it got one of its own.
        Spec("promtool", ("promtool",), (2, 53), *_PROMETHEUS, ("promtool", "prometheus")),
        Spec(
            "alertmanager",
            ("alertmanager", "prometheus-alertmanager"),
            (0, 28),
            *_ALERTMANAGER,
            ("prometheus-alertmanager",),
        ),
        Spec("amtool", ("amtool",), (0, 28), *_ALERTMANAGER, ("prometheus-alertmanager",)),
        Spec(
            "node_exporter",
            ("node_exporter", "prometheus-node-exporter"),
            (1, 0),
            "prometheus/node_exporter",
            "1.11.1",
            ("prometheus-node-exporter",),
        ),
    )
}
FLOOR = {
    name: replace(TOOLS[name], release="2.53.5", exact=True) for name in ("prometheus", "promtool")
}
"""The oldest that the rules have to work with, for tests; nothing runs on them."""


def tools_folder() -> Path:
    """The project's own tools; ``STACK_TOOLS_DIR`` puts them elsewhere."""
    return Path(os.environ.get("STACK_TOOLS_DIR") or ROOT / ".tools")


def version_of(binary: Path) -> tuple[int, int, int] | None:
    """The version that ``binary`` reports; None when it can't be run or reports none."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(said.stdout + said.stderr)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def tool_at(spec: Spec, binary: Path, source: str) -> Tool | None:
    """The tool, if ``binary`` is there, runs and is of a version that will do."""
    version = version_of(binary)
    if version is None or not spec.takes(version):
        return None
    return Tool(spec.name, binary, ".".join(map(str, version)), source)


@contextmanager
def installation_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time install into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
