"""An Alertmanager for one's own use, for a while."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_tools.scratch_process import free_address, running
from prometheus_tools.toolchain import locate
from prometheus_tools.toolchain.packages import LOCAL_TEMPLATES, default_templates


@contextmanager
def scratch_alertmanager(folder: Path, config: Path) -> Iterator[str]:
    """Run one in ``folder`` with ``config``, no peers and no alerts, and give its host and port.

    Raises ScratchError with what it said last if it does not start.
    """
    tool = locate("alertmanager")
    if templates := default_templates(tool):
        (folder / LOCAL_TEMPLATES).symlink_to(templates.resolve())
    address = free_address()
    command = [
        *(str(tool.path), f"--config.file={config}", f"--storage.path={folder / 'data'}"),
        *("--cluster.listen-address=", f"--web.listen-address={address}"),
    ]
    with running("Alertmanager", command, address, folder / "alertmanager.log"):
        yield address
