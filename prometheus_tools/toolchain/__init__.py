"""Prometheus, promtool, Alertmanager, amtool, node_exporter and Grafana, found or installed.

Ways to a tool, the first that has it wins: `PATH`, the official release archive, the packages of
the distribution. Nothing is installed into the system; what is fetched goes to ``.tools/``. The
version that compose runs can also be built from Go's modules, for tests.
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from prometheus_tools import proxies
from prometheus_tools.toolchain import archive, go_modules, packages, path
from prometheus_tools.toolchain.tool import (
    ENGINES,
    FLOOR,
    KUBERNETES,
    LTS,
    OPERATOR_MODULE,
    OPTIONAL,
    OTHER_ENGINES,
    TOOLS,
    NotAvailableError,
    Spec,
    Tool,
    ToolMissing,
    installation_lock,
    tools_folder,
)

__all__ = [
    "FLOOR",
    "TOOLS",
    "Tool",
    "ToolMissing",
    "locate",
    "locate_engine",
    "locate_floor",
    "locate_kubernetes",
    "locate_lts",
    "locate_other_engine",
    "operator_definitions",
]

Report = Callable[[str], None]


class _Way(Protocol):
    """A module that leads to tools."""

    TITLE: str

    def installed(self, spec: Spec, folder: Path) -> Tool | None: ...

    def install(self, spec: Spec, folder: Path, report: Report) -> Tool: ...


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def locate(name: str, report: Report = _to_stderr) -> Tool:
    """The tool called ``name``, installed where it is missing.

    ``report`` gets a line before anything that takes time, which says why it came to that.
    Raises ToolMissing, which says what was tried and what to do, and KeyError for a name that is
    none of TOOLS and OPTIONAL.
    """
    return _locate((TOOLS | OPTIONAL)[name], (archive, packages), report)


def locate_floor(name: str, report: Report = _to_stderr) -> Tool:
    """The oldest version of ``name`` that the rules have to work with, as `locate` gives the tool.

    Raises KeyError for a name that is none of FLOOR.
    """
    return _locate(FLOOR[name], (archive, packages), report)


def locate_lts(name: str, report: Report = _to_stderr) -> Tool:
    """``name`` of the version that compose runs, as `locate` gives the tool; built if need be.

    Raises KeyError for a name that is none of LTS.
    """
    return _locate(LTS[name], (archive, go_modules), report)


def locate_other_engine(name: str, report: Report = _to_stderr) -> Tool:
    """``name`` of another engine than Prometheus, as `locate` gives the tool; built if need be.

    Raises KeyError for a name that is none of OTHER_ENGINES.
    """
    return _locate(OTHER_ENGINES[name], (packages, go_modules), report)


def locate_engine(name: str, report: Report = _to_stderr) -> Tool:
    """``name`` of the engine that versions.env names, as `locate` gives the tool; built if need be.

    Raises KeyError for a name that is none of ENGINES.
    """
    return _locate(ENGINES[name], (go_modules,), report)


def locate_kubernetes(name: str, report: Report = _to_stderr) -> Tool:
    """``name`` of what Kubernetes consists of, as `locate` gives the tool; built if need be.

    Raises KeyError for a name that is none of KUBERNETES.
    """
    spec = KUBERNETES[name]
    return _locate(spec, (go_modules,) if spec.module else (packages,), report)


def operator_definitions() -> list[Path]:
    """The files that define the Prometheus Operator's resources. Raises ToolMissing."""
    try:
        folder = go_modules.sources(OPERATOR_MODULE) / "example" / "prometheus-operator-crd"
    except NotAvailableError as reason:
        raise ToolMissing(f"{OPERATOR_MODULE.path} can't be had: {reason}", str(reason)) from None
    return sorted(folder.glob("*_*.yaml"))


@functools.cache
def _locate(spec: Spec, ways: tuple[_Way, ...], report: Report) -> Tool:
    folder = tools_folder()

    def found() -> Tool | None:
        return next((tool for way in ways if (tool := way.installed(spec, folder))), None)

    if tool := path.find(spec) or found():
        return tool
    with installation_lock(folder):
        # Another process may have installed it while this one waited.
        if tool := found():
            return tool
        tried = [f"PATH: {path.absence(spec)}"]
        because = ""
        for way in ways:
            try:
                return way.install(spec, folder, _Telling(report, because))
            except NotAvailableError as reason:
                tried.append(f"{way.TITLE}: {reason}")
                because = str(reason)
    raise ToolMissing(
        "\n  ".join([f"{spec} is needed, and no way to get it works:", *tried])
        + f"\nInstall {spec.name} so that it is on PATH, or make one of these ways work."
        + _about_proxies(),
        because,
    )


class _Telling:
    """Reports lines; the first one says as well why it came to this way."""

    def __init__(self, report: Report, because: str) -> None:
        self._report = report
        self._because = because

    def __call__(self, line: str) -> None:
        self._report(f"{line}, because {self._because}" if self._because else line)
        self._because = ""


def _about_proxies() -> str:
    variables = {
        name
        for url in ("http://example.org", "https://example.org")
        if (name := proxies.variable_for(url))
    }
    if not variables:
        return ""
    return f"\nDownloads go through the proxy of {', '.join(sorted(variables))}: does it answer?"
