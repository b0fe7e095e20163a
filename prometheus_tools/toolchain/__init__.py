"""Prometheus, promtool, Alertmanager, amtool and node_exporter, found or installed.

Three routes, the first that has a tool wins: `PATH`, the official release archive, the packages
of the distribution. Nothing is installed into the system; what is fetched goes to ``.tools/``.
"""

import functools
import sys
from collections.abc import Callable

from prometheus_tools.toolchain import archive, packages, path
from prometheus_tools.toolchain.tool import (
    FLOOR,
    TOOLS,
    NotAvailableError,
    Spec,
    Tool,
    ToolMissing,
    installation_lock,
    tools_folder,
)

__all__ = ["FLOOR", "TOOLS", "Tool", "ToolMissing", "locate", "locate_floor"]

Report = Callable[[str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def locate(name: str, report: Report = _to_stderr) -> Tool:
    """The tool called ``name``, installed where it is missing.

    ``report`` gets a line before anything that takes time. Raises ToolMissing, which says what was
    tried and what to do, and KeyError for a name that is none of TOOLS.
    """
    return _locate(TOOLS[name], report)


def locate_floor(name: str, report: Report = _to_stderr) -> Tool:
    """The oldest version of ``name`` that the rules have to work with, as `locate` gives the tool.

    Raises KeyError for a name that is none of FLOOR.
    """
    return _locate(FLOOR[name], report)


@functools.cache
def _locate(spec: Spec, report: Report) -> Tool:
    if found := path.find(spec):
        return found
    folder = tools_folder()
    if found := archive.installed(spec, folder) or packages.installed(spec, folder):
        return found
    with installation_lock(folder):
        # Another process may have installed it while this one waited.
        if found := archive.installed(spec, folder) or packages.installed(spec, folder):
            return found
        try:
            return archive.install(spec, folder, report)
        except NotAvailableError as reason:
            no_archive = reason
        try:
            return packages.install(spec, folder, report)
        except NotAvailableError as reason:
            raise ToolMissing(
                f"{spec} is needed and can't be had:\n"
                f"  PATH: {path.absence(spec)}\n"
                f"  release archive: {no_archive}\n"
                f"  distribution's packages: {reason}\n"
                f"Install {spec.name} so that it is on PATH, or make one of these work."
            ) from None
