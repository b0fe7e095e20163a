"""Checkouts of their own beside this one, driven as their users drive them: by make."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.settings import SETTINGS, WAYS
from tests.project import ROOT

COPIED = (
    *("Makefile", "Dockerfile", "docker-compose.yml", "requirements"),
    *(".env", "versions.env", "versions.sha256"),
    *(
        "app",
        "asgi_observability",
        "simulator",
        "alerts",
        "dashboards",
        "prometheus_tools",
        "stack",
    ),
    *("prometheus", "grafana"),
)


@dataclass(frozen=True)
class Checkout:
    """A copy of this checkout, with links to what is installed here.

    ``variables`` are given to each `make`; nothing of this process's own stack reaches it.
    """

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.path / ".state"

    def make(
        self,
        *arguments: str,
        stdin: int | None = subprocess.DEVNULL,
        prefix: tuple[str, ...] = (),
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """`make` in this checkout; ``prefix`` is a command that runs it."""
        ours = (*SETTINGS, *WAYS, "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
        clean = {name: value for name, value in os.environ.items() if name not in ours}
        # Five weeks take longer than all the rest; Grafana would be looked for on the network.
        own = {
            "STACK": "native",
            "HISTORY": "off",
            "GRAFANA": "no",
            **self.variables,
            **environment,
        }
        return subprocess.run(
            [*prefix, "make", "--no-print-directory", *arguments],
            cwd=self.path,
            env=clean | own,
            stdin=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=300,
            check=False,
        )


def copied_to(path: Path, variables: Mapping[str, str] | None = None) -> Checkout:
    """A checkout at ``path`` that installs nothing."""
    path.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            # Compiled modules are copied as well; while one is written, it is called *.pyc.1234.
            shutil.copytree(source, path / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        else:
            shutil.copy2(source, path / name, follow_symlinks=False)
    (path / ".venv").symlink_to(Path(sys.prefix))
    (path / ".tools").symlink_to(ROOT / ".tools")
    return Checkout(path, variables or {})
