"""Tools that are installed already."""

import os
import shutil
from pathlib import Path

from prometheus_tools.toolchain.tool import Spec, Tool, tool_at, version_of


def find(spec: Spec) -> Tool | None:
    """The tool on PATH, when its version will do."""
    if spec.exact and spec.silent:
        # It may be of any.
        return None
    for name in spec.binaries:
        if found := _which(spec, name):
            folder = str(Path(found).parent)
            source = folder if folder in spec.before_path else "PATH"
            if tool := tool_at(spec, Path(found), source):
                return tool
    return None


def absence(spec: Spec) -> str:
    """Why `find` found nothing, in words."""
    for name in spec.binaries:
        if found := _which(spec, name):
            version = version_of(Path(found))
            if version is None:
                return f"{found} does not tell its version"
            return f"{found} is {'.'.join(map(str, version))}"
    return f"no {' or '.join(spec.binaries)}"


def _which(spec: Spec, name: str) -> str | None:
    folders = os.pathsep.join((*spec.before_path, os.environ.get("PATH", os.defpath)))
    return shutil.which(name, path=folders)
