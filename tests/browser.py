"""A real Chromium: the one on PATH, or Debian's, unpacked into the tools folder."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from prometheus_tools.toolchain.packages import apt_options
from prometheus_tools.toolchain.tool import installation_lock, tools_folder

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic")


@dataclass(frozen=True, slots=True)
class Chromium:
    """The program, and the variables it needs to find what was unpacked with it."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)


def find_or_install() -> Chromium:
    """Chromium from PATH, or from packages. Raises RuntimeError saying what to do."""
    for name in NAMES:
        if found := shutil.which(name):
            return Chromium(Path(found))
    folder = tools_folder()
    target = folder / "chromium"
    with installation_lock(folder):
        if not target.exists():
            _install(folder, target)
    library = target / "usr" / "lib"
    # Some lie in folders of their own, which an installation would have told the linker.
    folders = {str(file.parent) for file in library.rglob("*.so*")}
    return Chromium(
        library / "chromium" / "chromium",
        {
            "LD_LIBRARY_PATH": ":".join(sorted(folders)),
            "FONTCONFIG_FILE": str(target / "fonts.conf"),
        },
    )


def _install(folder: Path, target: Path) -> None:
    """Unpack the packages, and those they need that this machine does not have."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    print(f"chromium: unpacking Debian's package of {release}", flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        (Path(temporary) / "archives" / "partial").mkdir(parents=True)
        options = [
            *apt_options(release, folder),
            # What the machine has need not be fetched.
            *("-o", "Dir::State::Status=/var/lib/dpkg/status"),
            *("-o", f"Dir::Cache={temporary}"),
            *("-o", "Debug::NoLocking=1"),
        ]
        quietly = ("-qq", "-y", "--no-install-recommends", "--download-only")
        fetched = subprocess.run(
            ["apt-get", *quietly, *options, "install", *PACKAGES],
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode:
            raise RuntimeError(
                f"no Chromium: none of {', '.join(NAMES)} is on PATH, and its packages can't be "
                f"had ({fetched.stderr.strip()}). Install chromium."
            )
        root = Path(temporary) / "root"
        for deb in (Path(temporary) / "archives").glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(deb), str(root)], check=True)
        (root / "fonts.conf").write_text(
            '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>'
            # Where the machine has the fonts already, they were not fetched.
            f"<dir>{target}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{target}/fontcache</cachedir>"
            "<alias><family>system-ui</family><prefer><family>DejaVu Sans</family></prefer></alias>"
            "</fontconfig>"
        )
        # Renamed only when whole: an interrupted installation leaves no half browser.
        root.rename(target)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser."""
    found = find_or_install()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=found.path, args=list(FLAGS), env={**os.environ, **found.environment}
        )
        try:
            yield browser
        finally:
            await browser.close()
