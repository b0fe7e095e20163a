"""Tools from the official release archives, checked against their published checksums."""

import functools
import hashlib
import os
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx

from prometheus_tools.toolchain.tool import NotAvailableError, Spec, Tool, ToolMissing, tool_at

# Short to connect, so that a machine without a way out gets to the next route; long to read.
_TIMEOUT = httpx.Timeout(60, connect=3)
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armv7"}


def installed(spec: Spec, folder: Path) -> Tool | None:
    """The tool, if its archive was unpacked before."""
    unpacked = folder / _title(spec)
    return tool_at(spec, unpacked / spec.binaries[0], _source(spec))


def install(spec: Spec, folder: Path, report: Callable[[str], None]) -> Tool:
    """Download, check and unpack the archive of ``spec``.

    Raises NotAvailableError when it can't be reached, and ToolMissing when its checksum is wrong.
    """
    base = os.environ.get("STACK_RELEASES_URL") or "https://github.com"
    release = f"{base}/{spec.project}/releases/download/v{spec.release}"
    file = f"{_title(spec)}.tar.gz"
    report(f"{spec.name}: looking for {release}/{file}")
    if problem := _connection_problem(base):
        raise NotAvailableError(f"{base} can't be reached ({problem})")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        archive = Path(temporary) / file
        try:
            with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
                expected = _published_checksum(client, release, file)
                _download(client, f"{release}/{file}", archive)
        except httpx.HTTPStatusError as error:
            raise NotAvailableError(
                f"{error.request.url} answers {error.response.status_code}"
            ) from error
        except httpx.HTTPError as error:
            raise NotAvailableError(
                f"{release} can't be reached ({type(error).__name__})"
            ) from error
        actual = hashlib.sha256(archive.read_bytes()).hexdigest()
        if actual != expected:
            raise ToolMissing(
                f"{release}/{file} is not what was published:\n"
                f"  sha256 {actual}, sha256sums.txt says {expected}.\n"
                "Nothing was installed. Try again; if it stays so, do not trust that source."
            )
        _unpack(archive, Path(temporary))
        unpacked = folder / _title(spec)
        shutil.rmtree(unpacked, ignore_errors=True)
        # Renamed only when whole: an interrupted installation leaves no half tool.
        (Path(temporary) / _title(spec)).rename(unpacked)
    tool = installed(spec, folder)
    if tool is None:
        raise NotAvailableError(f"{file} holds no {spec.name} that runs here")
    return tool


def _published_checksum(client: httpx.Client, release: str, file: str) -> str:
    sums = client.get(f"{release}/sha256sums.txt").raise_for_status().text
    for line in sums.splitlines():
        checksum, _, name = line.partition(" ")
        if name.strip() == file:
            return checksum
    raise NotAvailableError(f"{release}/sha256sums.txt does not name {file}")


def _download(client: httpx.Client, url: str, target: Path) -> None:
    with client.stream("GET", url) as response, target.open("wb") as output:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            output.write(chunk)


def _unpack(archive: Path, target: Path) -> None:
    """Write the regular files of ``archive``, each below ``target`` whatever its name says."""
    # By hand: Python's own filter is missing from Debian 12's 3.11.2.
    with tarfile.open(archive) as content:
        for member in content:
            file = (target / member.name).resolve()
            if not member.isfile() or not file.is_relative_to(target.resolve()):
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            source = content.extractfile(member)
            assert source is not None, "regular files have content"
            with source, file.open("wb") as output:
                shutil.copyfileobj(source, output)
            file.chmod(0o755 if member.mode & 0o100 else 0o644)


@functools.cache
def _connection_problem(base: str) -> str | None:
    """Why there is no way to ``base``. Asked once: a dead name server takes long to say nothing."""
    try:
        httpx.head(base, timeout=_TIMEOUT)
    except httpx.TransportError as error:
        return str(error) or type(error).__name__
    return None


def _title(spec: Spec) -> str:
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    project = spec.project.partition("/")[2]
    return f"{project}-{spec.release}.{platform.system().lower()}-{architecture}"


def _source(spec: Spec) -> str:
    return f"the release archive {_title(spec)}"
