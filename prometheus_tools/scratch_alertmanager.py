"""An Alertmanager for one's own use, for a while."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from prometheus_tools.scratch import ScratchError
from prometheus_tools.toolchain import locate
from prometheus_tools.toolchain.packages import LOCAL_TEMPLATES, default_templates

_READY_WITHIN_SECONDS = 120


@contextmanager
def scratch_alertmanager(folder: Path, config: Path) -> Iterator[str]:
    """Run one in ``folder`` with ``config``, no peers and no alerts, and give its host and port.

    Raises ScratchError with what it said last if it does not start.
    """
    tool = locate("alertmanager")
    if templates := default_templates(tool):
        (folder / LOCAL_TEMPLATES).symlink_to(templates.resolve())
    address, log = f"127.0.0.1:{_free_port()}", folder / "alertmanager.log"
    command = [
        *(str(tool.path), f"--config.file={config}", f"--storage.path={folder / 'data'}"),
        *("--cluster.listen-address=", f"--web.listen-address={address}"),
    ]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, address, log)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        connection = HTTPConnection(address, timeout=_READY_WITHIN_SECONDS)
        try:
            connection.request("GET", "/-/ready")
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8").strip().splitlines()[-3:]
    raise ScratchError(f"Alertmanager did not start: {' / '.join(said) or 'it said nothing'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
