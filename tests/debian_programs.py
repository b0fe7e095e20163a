"""Programs that only tests need, from PATH or from a Debian-family distribution's own packages.

What is missing is unpacked below the project's tools, with the libraries that it needs, and nothing
is installed into the system.
"""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from prometheus_tools.toolchain.packages import apt_options
from prometheus_tools.toolchain.tool import installation_lock, tools_folder

_ONLY_NEEDED = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks")] + [
    f"--no-{kind}" for kind in ("replaces", "enhances", "pre-depends")
]
_OF_THE_SYSTEM = {"libc6", "libgcc-s1", "libcrypt1"}


@dataclass(frozen=True, slots=True)
class Program:
    """Where it is, and the variables that it has to be started with."""

    path: Path
    variables: dict[str, str]


@functools.cache
def debian_program(name: str) -> Program:
    """The program ``name`` of the package of that name; where there is no way to it, skip.

    The reason of the skip is what apt or dpkg said.
    """
    if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
        return Program(Path(found), {})
    folder = tools_folder() / f"{name}-with-its-libraries"
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg"))):
        _skip(name, "this is no Debian-family machine")
    with installation_lock(tools_folder()):
        if not folder.exists():
            try:
                _unpack(name, folder)
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode(errors="replace").strip()
                _skip(name, f"its package is not there: {said}")
    libraries = sorted({str(each.parent) for each in folder.glob("**/*.so.*")})
    variables = {"LD_LIBRARY_PATH": ":".join(libraries)}
    return Program(folder / "usr" / "sbin" / name, variables)


def _skip(name: str, reason: str) -> NoReturn:
    pytest.skip(f"{name} can't be had: it is not on PATH, and {reason}")


def _unpack(name: str, to: Path) -> None:
    options = apt_options("", tools_folder())
    needed = _run(["apt-cache", *options, "depends", "--recurse", *_ONLY_NEEDED, name])
    libraries = set(re.findall(r"^(lib[\w.+-]+)", needed, re.MULTILINE)) - _OF_THE_SYSTEM
    with tempfile.TemporaryDirectory(dir=to.parent) as temporary:
        _run(["apt-get", "-qq", *options, "download", name, *sorted(libraries)], temporary)
        root = Path(temporary) / "root"
        for package in Path(temporary).glob("*.deb"):
            _run(["dpkg", "-x", str(package), str(root)])
        # Whoever the program runs as: it gives up root's rights.
        root.chmod(0o755)
        root.rename(to)


def _run(command: list[str], folder: str | None = None) -> str:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return done.stdout.decode()
