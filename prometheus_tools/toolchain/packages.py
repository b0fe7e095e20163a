"""Tools from the packages of a Debian-family distribution, unpacked instead of installed.

Where the machine's own suite is too old, a newer one of the same mirror is asked. apt gets lists
and caches of its own, so that the system's stay as they are.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

from prometheus_tools.toolchain.tool import NotAvailableError, Spec, Tool, tool_at

TITLE = "distribution's packages"

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

LISTS_LAST_SECONDS = 24 * 3600
"""Mirrors drop a package once a newer one is there, so older lists name files that are gone."""

WAIT_SECONDS = 10
"""For each answer of a mirror, where apt itself would wait for half a minute, several times."""

_SETTINGS = {
    "Acquire::http::Timeout": WAIT_SECONDS,
    "Acquire::https::Timeout": WAIT_SECONDS,
    "Acquire::Retries": 0,
    # Docker's images of Debian tell apt to keep nothing: each question would take a second to parse
    # tens of thousands of packages again.
    "Dir::Cache::pkgcache": "pkgcache.bin",
    # Nobody asks for other languages, nor for the catalogue of graphical programs.
    "Acquire::Languages": "none",
    "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
}

# Debian's Alertmanager is built with the path of its default templates in it, and does not start
# where that folder is missing. Here it is: the package is unpacked below the project's folder, and
# nothing is written to /usr. No option and no variable of Alertmanager's changes the path. So the
# unpacked copy of the binary, never one that is installed, has the path replaced by a name relative
# to the working directory, where whoever starts it puts a link to the unpacked templates. The name
# has the same length: Go stores a string's length elsewhere, and no other byte may move.
_SYSTEM_TEMPLATES = b"/usr/share/prometheus/alertmanager"
LOCAL_TEMPLATES = "alertmanager-default-templates-dir"


def installed(spec: Spec, folder: Path) -> Tool | None:
    """The tool, if its package was unpacked before."""
    for suite, package, name in product(spec.suites, spec.packages, spec.binaries):
        for place in ("usr/bin", f"usr/share/{package}/bin"):
            binary = _unpacked(folder, suite, package) / place / name
            if binary.exists() and (tool := tool_at(spec, binary, _source(suite))):
                return tool
    return None


def install(spec: Spec, folder: Path, report: Callable[[str], None]) -> Tool:
    """Unpack the package of ``spec`` from the first suite where its version will do.

    Raises NotAvailableError with what each suite said.
    """
    if not all(map(shutil.which, ("apt-get", "dpkg"))):
        raise NotAvailableError("not a Debian-family machine")
    reasons: list[str] = []
    for suite in spec.suites:
        label = suite or "this release"
        because = f", because {reasons[-1]}" if reasons else ""
        report(f"{spec.name}: looking for the package in {label}{because}")
        try:
            options = apt_options(suite, folder)
            package, version = _offered(spec, options)
            if not spec.takes(version):
                raise NotAvailableError(f"{package} is {'.'.join(map(str, version))}")
            _unpack(package, options, _unpacked(folder, suite, package))
        except NotAvailableError as reason:
            reasons.append(f"{label}: {reason}")
            continue
        if tool := installed(spec, folder):
            return tool
        reasons.append(f"{label}: {package} does not run on this machine")
    raise NotAvailableError("; ".join(reasons))


def _offered(spec: Spec, options: list[str]) -> tuple[str, tuple[int, int]]:
    """The first of the packages that apt knows, and its version."""
    for package in spec.packages:
        shown = _run(["apt-cache", *options, "show", "--no-all-versions", package])
        if match := re.search(rb"^Version: (?:\d+:)?(\d+)\.(\d+)", shown.stdout, re.MULTILINE):
            return package, (int(match[1]), int(match[2]))
    raise NotAvailableError(f"no package {' or '.join(spec.packages)}")


def _unpack(package: str, options: list[str], target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        root = Path(temporary) / "root"
        if _run(["apt-get", "-qq", *options, "download", package], cwd=temporary).returncode:
            raise NotAvailableError(f"{package} can't be downloaded; `apt-get update` may help")
        for deb in Path(temporary).glob("*.deb"):
            if _run(["dpkg", "-x", str(deb), str(root)]).returncode:
                raise NotAvailableError(f"{deb.name} can't be unpacked")
        _use_local_templates(root)
        shutil.rmtree(target, ignore_errors=True)
        # Renamed only when whole: an interrupted installation leaves no half tool.
        root.rename(target)


def apt_options(suite: str, folder: Path) -> list[str]:
    """Options that give apt a state of its own, which knows what ``suite`` holds today."""
    state = folder / f"apt-{suite or 'this-release'}"
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    sources = state / "sources.list"
    settings = _SETTINGS | {"Dir::Cache": state / "cache"}
    if suite:
        settings |= {
            "Dir::Etc::SourceList": sources,
            "Dir::Etc::SourceParts": "-",
            "Dir::State::Lists": state / "lists",
            "Dir::State::Status": state / "status",
        }
    options = [option for name, value in settings.items() for option in ("-o", f"{name}={value}")]
    if not suite:
        return options
    fetched = state / "fetched"
    if not fetched.exists() or time.time() - fetched.stat().st_mtime > LISTS_LAST_SECONDS:
        (state / "status").touch()
        _fetch_lists(suite, sources, options)
        fetched.touch()
    return options


def _fetch_lists(suite: str, sources: Path, options: list[str]) -> None:
    """Find the mirror that has ``suite``, among those that this machine's own apt uses."""
    mirrors = _mirrors()
    update = ["apt-get", "-qq", *options, "-o", "APT::Update::Error-Mode=any", "update"]
    for mirror in mirrors:
        # Signed by Debian: other people's archives, and other people's suites, are passed over.
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n", encoding="utf-8")
        if _run(update).returncode == 0:
            return
    raise NotAvailableError(f"no lists at {', '.join(mirrors) or 'any mirror: apt has none'}")


def _mirrors() -> list[str]:
    """The archives with a section ``main`` of this machine's apt, however they are configured."""
    planned = _run(["apt-get", "update", "--print-uris"]).stdout.decode()
    found = re.findall(r"^'(\S+)/dists/[^/]+/main/binary-", planned, re.MULTILINE)
    return list(dict.fromkeys(found))


def _use_local_templates(root: Path) -> None:
    """Make an unpacked Alertmanager find its default templates; see _SYSTEM_TEMPLATES."""
    binary = root / "usr" / "bin" / "prometheus-alertmanager"
    if binary.exists():
        assert len(LOCAL_TEMPLATES) == len(_SYSTEM_TEMPLATES)
        content = binary.read_bytes()
        binary.write_bytes(content.replace(_SYSTEM_TEMPLATES, LOCAL_TEMPLATES.encode()))


def default_templates(alertmanager: Tool) -> Path | None:
    """Where the default templates of a packaged Alertmanager are; None where it brings them."""
    folder = alertmanager.path.parents[1] / "share" / "prometheus" / "alertmanager"
    return folder if folder.is_dir() else None


def _unpacked(folder: Path, suite: str, package: str) -> Path:
    return folder / f"{package}-of-{suite or 'this-release'}"


def _source(suite: str) -> str:
    return f"Debian's package of {suite or 'this release'}, unpacked"


def _run(command: list[str], cwd: str | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True)
