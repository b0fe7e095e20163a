"""Tools of one version, built from Go's modules.

For tests on a version that no package has, where no release archive can be reached. Every module is
checked by Go against its public checksum database, which is not on the server that the modules come
from. What is built is kept in the user's cache and not in the checkout: it takes minutes.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_tools.toolchain.tool import (
    GoModule,
    NotAvailableError,
    Spec,
    Tool,
    installation_lock,
    tool_at,
)

TITLE = "Go's modules"


def installed(spec: Spec, folder: Path) -> Tool | None:
    """The tool, if it was built before; ``folder`` is not asked."""
    if spec.module is None:
        return None
    return tool_at(spec, _built(spec.module) / spec.binaries[0], TITLE)


def install(spec: Spec, folder: Path, report: Callable[[str], None]) -> Tool:
    """Build ``spec`` and what belongs to it. Raises NotAvailableError with Go's last line."""
    if (module := spec.module) is None:
        raise NotAvailableError(f"{spec.name} is not built here")
    if shutil.which("go") is None:
        raise NotAvailableError("Go is not installed")
    built = _built(module)
    report(
        f"{spec.name}: building {module.path} {module.version} from {TITLE}; this takes minutes, "
        "once"
    )
    with installation_lock(built.parent):
        if not built.exists():
            _build(module, built)
    tool = installed(spec, folder)
    if tool is None:
        raise NotAvailableError(f"what was built in {built} does not run here")
    return tool


def _built(module: GoModule) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "prometheus-tools" / f"{module.name}-{module.version.removeprefix('v')}"


def _build(module: GoModule, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        folder = Path(temporary)
        (folder / "go.mod").write_text(_module_file(folder, module), encoding="utf-8")
        _go(
            folder,
            *("build", "-mod=mod", "-o", f"bin{os.sep}"),
            # Without this Prometheus names no version, and would be turned away.
            *(("-ldflags", f"-X {module.told}") if module.told else ()),
            *(f"{module.path}/{command}".rstrip("/") for command in module.commands),
        )
        (folder / "bin").rename(target)


def _module_file(folder: Path, module: GoModule) -> str:
    """A module that needs ``module``, and replaces what that replaces itself.

    Go uses `replace` and `exclude` only in the module that is built.
    """
    theirs = json.loads(_go(folder, "mod", "edit", "-json", _downloaded(folder, module)["GoMod"]))
    lines = [
        "module rules-are-run-on",
        f"go {theirs['Go']}",
        f"require {module.path} {module.version}",
    ]
    for each in theirs.get("Replace") or ():
        old, new = each["Old"], each["New"]
        if "Version" in new:
            lines.append(f"replace {_at(old)} => {_at(new)}")
        # A folder of their repository is not here. What is published of it may be.
        elif module.siblings:
            lines.append(f"replace {_at(old)} => {old['Path']} {module.siblings}")
    lines += [f"exclude {_at(each)}" for each in theirs.get("Exclude") or ()]
    return "\n".join([*lines, ""])


def sources(module: GoModule) -> Path:
    """The folder with the sources of ``module``. Raises NotAvailableError with Go's last line."""
    if shutil.which("go") is None:
        raise NotAvailableError("Go is not installed")
    with tempfile.TemporaryDirectory() as folder:
        return Path(_downloaded(Path(folder), module)["Dir"])


def _downloaded(folder: Path, module: GoModule) -> dict[str, Any]:
    said = _go(folder, "mod", "download", "-json", f"{module.path}@{module.version}")
    found: dict[str, Any] = json.loads(said)
    return found


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
