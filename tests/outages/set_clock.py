"""A clock for one process that can be set while it runs: Debian's libfaketime, unpacked."""

import subprocess
import tempfile
from pathlib import Path

from prometheus_tools.toolchain.tool import installation_lock, tools_folder

_PACKAGE = "libfaketime"


def variables(folder: Path) -> dict[str, str]:
    """The environment of a process whose clock is set by `to` in ``folder``.

    Raises RuntimeError where the library can't be had.
    """
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        # What is waited for is timed by a clock that nobody sets.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",
    }


def to(folder: Path, seconds: int) -> None:
    """Set the clock so far from the true time."""
    new = folder / "clock.new"
    new.write_text(f"{seconds:+d}\n")
    new.replace(folder / "clock")


def _library() -> Path:
    folder = tools_folder()
    target = folder / _PACKAGE
    with installation_lock(folder):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                fetched = subprocess.run(
                    ["apt-get", "-qq", "download", _PACKAGE],
                    cwd=temporary,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if fetched.returncode:
                    raise RuntimeError(f"no {_PACKAGE}: {fetched.stderr.strip()}")
                (deb,) = Path(temporary).glob("*.deb")
                root = Path(temporary) / "root"
                subprocess.run(["dpkg", "-x", str(deb), str(root)], check=True)
                root.rename(target)
    (library,) = target.rglob("libfaketimeMT.so.1")
    return library
