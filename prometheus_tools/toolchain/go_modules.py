"""Prometheus and promtool of one version, built from Go's modules.

For tests on a version that no package has, where no release archive can be reached. Every module is
checked by Go against its public checksum database, which is not on the server that the modules come
from. What is built is kept in the user's cache and not in the checkout: it takes minutes.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_tools.toolchain.tool import (
    NotAvailableError,
    Spec,
    Tool,
    installation_lock,
    tool_at,
)

TITLE = "Go's modules"

_MODULE = "github.com/prometheus/prometheus"
_COMMANDS = ("prometheus", "promtool")
_VERSION = re.compile(r"-(\d+)\.(\d+)\.(\d+)\.")


def installed(spec: Spec, folder: Path) -> Tool | None:
    """The tool, if it was built before; ``folder`` is not asked."""
    return tool_at(spec, _built(_version(spec)) / spec.binaries[0], TITLE)


def install(spec: Spec, folder: Path, report: Callable[[str], None]) -> Tool:
    """Build ``spec`` and what belongs to it. Raises NotAvailableError with Go's last line."""
    if shutil.which("go") is None:
        raise NotAvailableError("Go is not installed")
    built = _built(_version(spec))
    report(
        f"{spec.name}: building {'.'.join(_version(spec))} from {TITLE}; this takes minutes, once"
    )
    with installation_lock(built.parent):
        if not built.exists():
            _build(_version(spec), built)
    tool = installed(spec, folder)
    if tool is None:
        raise NotAvailableError(f"what was built in {built} does not run here")
    return tool


def _version(spec: Spec) -> tuple[str, str, str]:
    if spec.name not in _COMMANDS or spec.release is None:
        raise NotAvailableError(f"{spec.name} is not built here")
    match = _VERSION.search(spec.release.name)
    assert match is not None, "an archive's name holds its version"
    return match[1], match[2], match[3]


def _built(version: tuple[str, str, str]) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "prometheus-tools" / f"prometheus-{'.'.join(version)}"


def _build(version: tuple[str, str, str], target: Path) -> None:
    major, minor, patch = version
    # Prometheus numbers its module so that Go takes all of it for one major version.
    wanted = f"v0.{major}{int(minor):02d}.{patch}"
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary)
        (folder / "go.mod").write_text(_module_file(folder, wanted), encoding="utf-8")
        _go(
            folder,
            *("build", "-mod=mod", "-o", f"bin{os.sep}"),
            # Without this it names no version, and would be turned away.
            *("-ldflags", f"-X github.com/prometheus/common/version.Version={'.'.join(version)}"),
            *(f"{_MODULE}/cmd/{command}" for command in _COMMANDS),
        )
        (folder / "bin").rename(target)


def _module_file(folder: Path, wanted: str) -> str:
    """A module that needs Prometheus, and replaces what Prometheus itself replaces.

    Go uses `replace` and `exclude` only in the module that is built.
    """
    downloaded = json.loads(_go(folder, "mod", "download", "-json", f"{_MODULE}@{wanted}"))
    theirs = json.loads(_go(folder, "mod", "edit", "-json", downloaded["GoMod"]))
    lines = ["module rules-are-run-on", f"go {theirs['Go']}", f"require {_MODULE} {wanted}"]
    lines += [
        f"replace {_at(each['Old'])} => {_at(each['New'])}"
        for each in theirs.get("Replace") or ()
        # A folder of their repository is not here.
        if "Version" in each["New"]
    ]
    lines += [f"exclude {_at(each)}" for each in theirs.get("Exclude") or ()]
    return "\n".join([*lines, ""])


def _at(module: dict[str, Any]) -> str:
    return " ".join(filter(None, (module["Path"], module.get("Version"))))


def _go(folder: Path, *arguments: str) -> str:
    """What `go` prints, with the environment's own settings of it."""
    done = subprocess.run(
        ["go", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise NotAvailableError(f"`go {arguments[0]}` fails: {said[-1]}")
    return done.stdout
