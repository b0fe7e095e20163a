"""What the tools are, and where the project keeps its own."""

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_tools.toolchain.versions import ROOT, minor, oldest, version

SUITES = ("", "forky", "trixie")
"""Debian's suites, asked in this order; the empty one is the machine's own.

Prometheus 3.5 is in forky, 2.53 in trixie.
"""

_VERSION = re.compile(r"version v?(\d+)\.(\d+)\.(\d+)")


class ToolMissing(Exception):  # noqa: N818 - says what it is
    """A tool can't be found or installed; the message says what to do, ``reason`` why at last."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason or message


class NotAvailableError(Exception):
    """One route does not lead to a tool from this machine; the message says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """The archive of one version on its server.

    ``server`` is where it is, unless the variable ``setting`` names a mirror. ``folder``, ``name``
    and ``checksums`` follow; in the last two, ``{system}`` and ``{machine}`` stand for the platform
    and ``{name}`` for the archive's name without its ending.
    """

    server: str
    setting: str
    folder: str
    name: str
    checksums: str


@dataclass(frozen=True, slots=True)
class GoModule:
    """A Go module to build from: its path, its version there, the commands that are wanted.

    ``told`` is the variable of its source that is set to the version, so that binaries tell it.
    ``siblings`` is the version of the modules that its repository publishes from folders of its
    own.
    """

    path: str
    version: str
    commands: tuple[str, ...]
    told: str = ""
    siblings: str = ""

    @property
    def name(self) -> str:
        """What the project calls it: the end of its path, without Go's major version."""
        parts = self.path.lower().split("/")
        return parts[-2] if parts[-1][0] == "v" and parts[-1][1:].isdigit() else parts[-1]


@dataclass(frozen=True, slots=True)
class Spec:
    """A tool: its names, the versions that will do, and where it comes from.

    ``binaries`` are its names, the official one first. ``oldest`` is a minor version; newer ones
    will do as well, unless it has to be ``exact``. ``packages`` are the distribution's packages
    that hold it, in the first of ``suites`` that has them. ``before_path`` are folders to look into
    before PATH. ``module`` is what it can be built from. One that is ``silent`` tells no version:
    whichever is found is taken.
    """

    name: str
    binaries: tuple[str, ...]
    oldest: tuple[int, int]
    release: Release | None
    packages: tuple[str, ...]
    suites: tuple[str, ...] = SUITES
    before_path: tuple[str, ...] = ()
    exact: bool = False
    module: GoModule | None = None
    silent: bool = False

    def takes(self, version: tuple[int, ...]) -> bool:
        """Whether ``version`` will do."""
        return version[:2] == self.oldest if self.exact else version[:2] >= self.oldest

    def __str__(self) -> str:
        oldest = f"{self.name} {'.'.join(map(str, self.oldest))}"
        return oldest if self.exact else f"{oldest} or newer"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that can be run. ``source`` says in words where it was found."""

    name: str
    path: Path
    version: str
    source: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} from {self.source}"


def _on_github(project: str, version: str) -> Release:
    name = project.partition("/")[2]
    return Release(
        "https://github.com",
        "STACK_RELEASES_URL",
        f"{project}/releases/download/v{version}",
        f"{name}-{version}.{{system}}-{{machine}}",
        "sha256sums.txt",
    )


def _of_prometheus(version: str) -> Release:
    return _on_github("prometheus/prometheus", version)


_FLOOR = version("PROMETHEUS_FLOOR_VERSION")
_PROMETHEUS = (minor(_FLOOR), _of_prometheus(version("PROMETHEUS_VERSION")))
_ALERTMANAGER = (
    oldest("ALERTMANAGER_OLDEST"),
    _on_github("prometheus/alertmanager", version("ALERTMANAGER_VERSION")),
)
_GRAFANA, _GRAFANA_BUILD = version("GRAFANA_VERSION"), version("GRAFANA_BUILD")

TOOLS = {
    spec.name: spec
    for spec in (
        Spec("prometheus", ("prometheus",), *_PROMETHEUS, ("prometheus",)),
        # Debian had promtool in the package prometheus until it got one of its own.
        Spec("promtool", ("promtool",), *_PROMETHEUS, ("promtool", "prometheus")),
        Spec(
            "alertmanager",
            ("alertmanager", "prometheus-alertmanager"),
            *_ALERTMANAGER,
            ("prometheus-alertmanager",),
        ),
        Spec("amtool", ("amtool",), *_ALERTMANAGER, ("prometheus-alertmanager",)),
        Spec(
            "node_exporter",
            ("node_exporter", "prometheus-node-exporter"),
            oldest("NODE_EXPORTER_OLDEST"),
            _on_github("prometheus/node_exporter", version("NODE_EXPORTER_VERSION")),
            ("prometheus-node-exporter",),
        ),
    )
}
"""What the stack and its tests need."""

OPTIONAL = {
    spec.name: spec
    for spec in (
        Spec(
            "grafana",
            ("grafana",),
            oldest("GRAFANA_OLDEST"),
            Release(
                "https://dl.grafana.com",
                "STACK_GRAFANA_URL",
                f"grafana/release/{_GRAFANA}",
                f"grafana_{_GRAFANA}_{_GRAFANA_BUILD}_{{system}}_{{machine}}",
                "{name}.tar.gz.sha256",
            ),
            # Debian has none; where Grafana's own archive is among apt's sources, it is asked.
            ("grafana",),
            suites=("",),
            # What its package puts on PATH is a wrapper that insists on the system's own settings.
            before_path=("/usr/share/grafana/bin",),
        ),
        # Compose v2 as a program of its own: it reads a compose file without an engine.
        Spec(
            "docker-compose",
            ("docker-compose",),
            oldest("COMPOSE_OLDEST"),
            None,
            ("docker-compose",),
        ),
    )
}
"""What the stack and its tests do without."""

FLOOR = {
    name: replace(TOOLS[name], release=_of_prometheus(_FLOOR), exact=True)
    for name in ("prometheus", "promtool")
}
"""The oldest that the rules have to work with, for tests; nothing runs on them."""


def _prometheus_module(version: str) -> GoModule:
    major, second, patch = version.split(".")
    return GoModule(
        "github.com/prometheus/prometheus",
        # It numbers its module so that Go takes all of it for one major version.
        f"v0.{major}{int(second):02d}.{patch}",
        ("cmd/prometheus", "cmd/promtool"),
        f"github.com/prometheus/common/version.Version={version}",
    )


LTS = {
    name: replace(
        TOOLS[name],
        oldest=minor(version("PROMETHEUS_VERSION")),
        exact=True,
        module=_prometheus_module(version("PROMETHEUS_VERSION")),
    )
    for name in ("prometheus", "promtool")
}
"""The version that compose runs, whatever else is on this machine; for `make test-lts`."""

_VICTORIA_METRICS = GoModule(
    "github.com/VictoriaMetrics/VictoriaMetrics",
    "v" + version("VICTORIAMETRICS_VERSION"),
    ("app/vmalert", "app/vmalert-tool", "app/victoria-metrics"),
)

OTHER_ENGINES = {
    spec.name: spec
    for spec in (
        Spec("vmalert", ("vmalert",), (0, 0), None, ("victoria-metrics",), silent=True),
        Spec(
            "victoria-metrics",
            ("victoria-metrics",),
            (0, 0),
            None,
            ("victoria-metrics",),
            silent=True,
        ),
        Spec(
            "vmalert-tool",
            ("vmalert-tool",),
            (0, 0),
            None,
            (),
            module=_VICTORIA_METRICS,
            silent=True,
        ),
    )
}
"""What the exported rules are tried on; the stack does without."""

_VICTORIA_LOGS = GoModule(
    "github.com/VictoriaMetrics/VictoriaLogs",
    "v" + version("VICTORIALOGS_VERSION"),
    ("app/victoria-logs",),
)

_KUBERNETES = version("KUBERNETES_VERSION")
OPERATOR_MODULE = GoModule(
    "github.com/prometheus-operator/prometheus-operator",
    "v" + version("PROMETHEUS_OPERATOR_VERSION"),
    ("cmd/admission-webhook", "cmd/operator"),
    siblings="v" + version("PROMETHEUS_OPERATOR_VERSION"),
)
"""The Prometheus Operator's; its sources hold the definitions of its resources too."""


def _built_only(module: GoModule, *names: str) -> tuple[Spec, ...]:
    return tuple(
        Spec(name, (name,), (0, 0), None, (), exact=True, module=module, silent=True)
        for name in names
    )


ENGINES = {
    spec.name: spec
    for spec in (
        *_built_only(_VICTORIA_METRICS, "victoria-metrics", "vmalert"),
        *_built_only(_VICTORIA_LOGS, "victoria-logs"),
    )
}
"""Engines of the versions in versions.env, for tests and benchmarks at scale."""

KUBERNETES = {
    spec.name: spec
    for spec in (
        *_built_only(
            GoModule(
                "sigs.k8s.io/kustomize/kustomize/v5", "v" + version("KUSTOMIZE_VERSION"), ("",)
            ),
            "kustomize",
        ),
        *_built_only(
            GoModule(
                "github.com/yannh/kubeconform",
                "v" + version("KUBECONFORM_VERSION"),
                ("cmd/kubeconform",),
            ),
            "kubeconform",
        ),
        *_built_only(OPERATOR_MODULE, "admission-webhook", "operator"),
        *_built_only(
            GoModule(
                "k8s.io/kubernetes",
                f"v{_KUBERNETES}",
                ("cmd/kube-apiserver", "cmd/kubectl"),
                f"k8s.io/component-base/version.gitVersion=v{_KUBERNETES}",
                # Its libraries are numbered v0 in step with it.
                siblings=f"v0.{_KUBERNETES.partition('.')[2]}",
            ),
            *("kube-apiserver", "kubectl"),
        ),
        # Any release will do: what is tested is what stands before it.
        Spec("etcd", ("etcd",), (0, 0), None, ("etcd-server",), suites=("",), silent=True),
    )
}
"""What the files for Kubernetes are tried on, for tests; nothing runs on them."""


def tools_folder() -> Path:
    """The project's own tools; ``STACK_TOOLS_DIR`` puts them elsewhere."""
    return Path(os.environ.get("STACK_TOOLS_DIR") or ROOT / ".tools")


def version_of(binary: Path) -> tuple[int, int, int] | None:
    """The version that ``binary`` reports; None when it can't be run or reports none."""
    try:
        said = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=60, encoding="utf-8"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(said.stdout + said.stderr)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def tool_at(spec: Spec, binary: Path, source: str) -> Tool | None:
    """The tool, if ``binary`` is there, runs and is of a version that will do."""
    if spec.silent:
        runs = os.access(binary, os.X_OK)
        return (
            Tool(spec.name, binary, "of a version that it does not tell", source) if runs else None
        )
    version = version_of(binary)
    if version is None or not spec.takes(version):
        return None
    return Tool(spec.name, binary, ".".join(map(str, version)), source)


@contextmanager
def installation_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time install into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
