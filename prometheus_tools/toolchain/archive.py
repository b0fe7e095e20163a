"""Tools from the official release archives, checked before they are unpacked.

An archive is compared with the checksum that this project keeps in versions.sha256; it did not come
from the archive's server. Where none is kept, with the list on that server: this finds a broken
download, but not a server that somebody else has taken over.
"""

import functools
import hashlib
import os
import platform
import queue
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from prometheus_tools import proxies
from prometheus_tools.toolchain import versions
from prometheus_tools.toolchain.tool import (
    NotAvailableError,
    Release,
    Spec,
    Tool,
    ToolMissing,
    tool_at,
)

TITLE = "release archive"

REACHED_WITHIN_SECONDS = 5
"""A machine without a way out shall get to the next route soon."""

_SILENT_SECONDS = 60
"""A download goes on for as long as it takes; without a byte for this long it is given up."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armv7"}
_BINARIES_IN = ("", "bin")


def installed(spec: Spec, folder: Path) -> Tool | None:
    """The tool, if its archive was unpacked before."""
    if spec.release is None:
        return None
    unpacked = folder / _name(spec.release)
    found = (unpacked / place / spec.binaries[0] for place in _BINARIES_IN)
    return next((tool for file in found if (tool := tool_at(spec, file, _source(spec)))), None)


def install(spec: Spec, folder: Path, report: Callable[[str], None]) -> Tool:
    """Download, check and unpack the archive of ``spec``.

    Raises NotAvailableError when it can't be reached, and ToolMissing when its checksum is wrong.
    """
    if spec.release is None:
        raise NotAvailableError(f"there is no release archive of {spec.name}")
    release, name = spec.release, _name(spec.release)
    base = os.environ.get(release.setting) or release.server
    url = f"{base}/{release.folder}/{name}.tar.gz"
    report(f"{spec.name}: looking for {url}, for {REACHED_WITHIN_SECONDS} s at most")
    if problem := _connection_problem(base):
        raise NotAvailableError(f"{base} can't be reached: {problem}")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        archive = Path(temporary) / f"{name}.tar.gz"
        try:
            with httpx.Client(
                timeout=httpx.Timeout(_SILENT_SECONDS, connect=REACHED_WITHIN_SECONDS),
                follow_redirects=True,
                trust_env=proxies.may_be_used_for(base),
            ) as client:
                expected, by = _expected_checksum(client, base, release)
                _download(client, url, archive, lambda size: report(f"{spec.name}: {size}"))
        except httpx.HTTPStatusError as error:
            raise NotAvailableError(
                f"{error.request.url} answers {error.response.status_code}; "
                f"{versions.FILE.name} says which version is asked for"
            ) from error
        except httpx.HTTPError as error:
            raise NotAvailableError(f"{url} broke off ({_words(error)})") from error
        _check(archive, url, expected, by)
        # Renamed only when whole: an interrupted installation leaves no half tool.
        unpacked = _unpack(archive, Path(temporary) / "unpacked")
        shutil.rmtree(folder / name, ignore_errors=True)
        unpacked.rename(folder / name)
    tool = installed(spec, folder)
    if tool is None:
        raise NotAvailableError(f"{name}.tar.gz holds no {spec.name} that runs here")
    return tool


def _expected_checksum(client: httpx.Client, base: str, release: Release) -> tuple[str, str]:
    """The checksum that the archive has to have, and who says so."""
    name = _name(release)
    if kept := versions.checksum(f"{name}.tar.gz"):
        return kept, versions.CHECKSUMS.name
    url = f"{base}/{release.folder}/{release.checksums.format(name=name)}"
    for line in client.get(url).raise_for_status().text.splitlines():
        checksum, _, file = line.strip().partition(" ")
        # A file for one archive only may leave its name out.
        if file.strip(" *") == f"{name}.tar.gz" or not file:
            return checksum, url
    raise NotAvailableError(f"{url} does not name {name}.tar.gz")


def _download(client: httpx.Client, url: str, target: Path, report: Callable[[str], None]) -> None:
    with client.stream("GET", url) as response, target.open("wb") as output:
        response.raise_for_status()
        if size := int(response.headers.get("Content-Length", 0)):
            report(f"downloading {max(1, round(size / 1e6))} MB")
        for chunk in response.iter_bytes():
            output.write(chunk)


def _check(archive: Path, url: str, expected: str, by: str) -> None:
    with archive.open("rb") as content:
        actual = hashlib.file_digest(content, "sha256").hexdigest()
    if actual != expected:
        raise ToolMissing(
            f"{url} is not what it should be:\n  its sha256 is {actual},\n  {by} says {expected}.\n"
            "Nothing was installed. Try again. If it happens again, do not trust that source."
        )


def _unpack(archive: Path, target: Path) -> Path:
    """Write the regular files of ``archive``, each below ``target`` whatever its name says.

    Gives the folder that holds them: the one at the top of the archive.
    """
    target.mkdir()
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
    top = list(target.iterdir())
    return top[0] if len(top) == 1 else target


@functools.cache
def _connection_problem(base: str) -> str | None:
    """Why there is no way to ``base``; None where there is one. Asked once."""
    answers: queue.Queue[str | None] = queue.Queue()

    def ask() -> None:
        try:
            httpx.head(
                base,
                timeout=REACHED_WITHIN_SECONDS,
                trust_env=proxies.may_be_used_for(base),
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            answers.put(_words(error))
        else:
            answers.put(None)

    # In a thread: looking a name up has no time limit of its own, and may take minutes.
    threading.Thread(target=ask, daemon=True).start()
    try:
        problem = answers.get(timeout=REACHED_WITHIN_SECONDS)
    except queue.Empty:
        problem = f"no answer within {REACHED_WITHIN_SECONDS} s"
    if problem and (variable := proxies.variable_for(base)):
        problem += f", through the proxy that {variable} names"
    return problem


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _name(release: Release) -> str:
    """What the archive for this machine is called, without its ending."""
    machine = platform.machine()
    architecture = _ARCHITECTURES.get(machine, machine)
    return release.name.format(system=platform.system().lower(), machine=architecture)


def _source(spec: Spec) -> str:
    assert spec.release is not None, "only what has an archive comes from one"
    return f"the release archive {_name(spec.release)}"
