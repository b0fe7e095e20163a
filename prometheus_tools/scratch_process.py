"""A server of one's own, on a port that is free, for a while."""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_READY_WITHIN_SECONDS = 120


class ScratchError(Exception):
    """The server did not start; the message holds what it said last."""


@contextmanager
def running(name: str, command: Sequence[str], address: str, log: Path) -> Iterator[None]:
    """Run ``command`` in the folder of ``log`` until ``/-/ready`` at ``address`` answers, and on.

    Raises ScratchError, which calls it ``name``.
    """
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=log.parent, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, name, address, log)
        yield
    finally:
        process.terminate()
        process.wait()


def free_address() -> str:
    """A host and port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _wait_until_ready(process: subprocess.Popen[bytes], name: str, address: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        # Not by httpx, whose every client reads the certificates and the proxies first.
        connection = HTTPConnection(address, timeout=_READY_WITHIN_SECONDS)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.02)
    said = log.read_text(encoding="utf-8").strip().splitlines()[-3:]
    raise ScratchError(f"{name} did not start: {' / '.join(said) or 'it said nothing'}")
