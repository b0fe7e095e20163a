"""Packages of another Debian suite, unpacked with all they depend on and not installed."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from prometheus_tools.toolchain.packages import apt_options


def unpack(suite: str, packages: Iterable[str], root: Path, workdir: Path) -> None:
    """Lay ``packages`` of ``suite`` out below ``root``; apt keeps its state in ``workdir``."""
    apt = ["apt-get", "-qq", *apt_options(suite, workdir)]
    archives = workdir / f"apt-{suite}" / "cache" / "archives"
    run([*apt, "clean"])
    install = ["--yes", "--no-install-recommends", "--download-only", "install", "base-files"]
    run([*apt, *install, *packages])
    root.mkdir(parents=True)
    for package in sorted(archives.glob("*.deb")):
        run(["dpkg-deb", "--extract", str(package), str(root)])


def run(command: list[str]) -> str:
    """What ``command`` prints; RuntimeError with its complaint when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout
