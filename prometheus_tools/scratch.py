"""A Prometheus for one's own use: over blocks, or over another Prometheus, for a while."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from prometheus_tools.scratch_process import ScratchError, free_address, running
from prometheus_tools.toolchain import locate

__all__ = ["ScratchError", "scratch"]

_RETENTION = "100y"
"""Prometheus deletes older blocks when it starts."""


@contextmanager
def scratch(folder: Path, remote_url: str = "", flags: Iterable[str] = ()) -> Iterator[str]:
    """Run a Prometheus whose storage is ``folder``, and give its URL. It scrapes nothing.

    With ``remote_url``, it answers with the series of the Prometheus there as well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config, log = folder / "scratch.yml", folder / "scratch.log"
    config.write_text(yaml.safe_dump(_configuration(remote_url)), encoding="utf-8")
    address = free_address()
    command = [
        str(locate("prometheus").path),
        f"--config.file={config.absolute()}",
        f"--storage.tsdb.path={folder.absolute()}",
        f"--storage.tsdb.retention.time={_RETENTION}",
        f"--web.listen-address={address}",
        *flags,
    ]
    with running("Prometheus", command, address, log):
        yield f"http://{address}"


def _configuration(remote_url: str) -> dict[str, object]:
    if not remote_url:
        return {}
    url = f"{remote_url.rstrip('/')}/api/v1/read"
    return {"remote_read": [{"url": url, "read_recent": True}]}
