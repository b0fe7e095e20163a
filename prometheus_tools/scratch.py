"""A Prometheus for one's own use: over blocks, or over another Prometheus, for a while."""

import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import yaml

from prometheus_tools.toolchain import locate

_RETENTION = "100y"
"""Prometheus deletes older blocks when it starts."""
_READY_WITHIN_SECONDS = 120


class ScratchError(Exception):
    """The Prometheus did not start; the message holds what it said last."""


@contextmanager
def scratch(folder: Path, remote_url: str = "", flags: Iterable[str] = ()) -> Iterator[str]:
    """Run a Prometheus whose storage is ``folder``, and give its URL. It scrapes nothing.

    With ``remote_url``, it answers with the series of the Prometheus there as well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "scratch.yml", folder / "scratch.log"
    config.write_text(yaml.safe_dump(_configuration(remote_url)), encoding="utf-8")
    address = f"127.0.0.1:{_free_port()}"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [
                str(locate("prometheus").path),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}",
                f"--storage.tsdb.retention.time={_RETENTION}",
                f"--web.listen-address={address}",
                *flags,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_ready(process, address, log)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def _configuration(remote_url: str) -> dict[str, object]:
    if not remote_url:
        return {}
    url = f"{remote_url.rstrip('/')}/api/v1/read"
    return {"remote_read": [{"url": url, "read_recent": True}]}


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
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
    raise ScratchError(f"Prometheus did not start: {' / '.join(said) or 'it said nothing'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
