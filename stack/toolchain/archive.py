"""Tools from the official release archives, checked against their published checksums."""

import hashlib
import os
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx

from stack.toolchain.tool import NotAvailableError, Spec, Tool, ToolMissing, tool_at

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
    base = os.environ.get("STACK_RELEASES_URL", "https://github.com")
    release = f"{base}/{spec.project}/releases/download/v{spec.release}"
    file = f"{_title(spec)}.tar.gz"
    report(f"{spec.name}: looking for {release}/{file}")
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
        with tarfile.open(archive) as content:
            content.extractall(temporary, filter="data")
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


def _title(spec: Spec) -> str:
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    project = spec.project.partition("/")[2]
    return f"{project}-{spec.release}.{platform.system().lower()}-{architecture}"


def _source(spec: Spec) -> str:
    return f"the release archive {_title(spec)}"
