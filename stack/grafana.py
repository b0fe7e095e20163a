"""Grafana beside the stack: where it is had from, and what is provisioned into it.

What is committed is for everybody's Grafana. This stack's own gets copies of it: with links to this
stack's runbooks, with a mark on what is synthetic, and without what asks Loki where none runs.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from alerts import generated
from alerts.links import COMMITTED, base
from alerts.model import Dashboard
from app.core.config import Links
from app.core.synthetic_history import SYNTHETIC_HISTORY
from prometheus_tools.toolchain import Tool, ToolMissing, locate
from prometheus_tools.yaml_reading import read_yaml
from stack.backend import StackError

VARIABLE = "GRAFANA"

_SYNTHETIC = {
    "name": "Synthetic history",
    "datasource": {"type": "prometheus", "uid": "${datasource}"},
    "enable": True,
    "hide": True,
    "iconColor": "#8f9bb3",
    # Nothing, where there is no such history.
    "expr": f"max({SYNTHETIC_HISTORY.name})",
    "titleFormat": "What is shown here is synthetic",
}

_NO_LOKI = """\
### No log lines here: this stack runs without Loki

The lines are in files. `make logs` shows them, `make trace ID=…` what happened under a correlation
ID, and `python -m app.logs` finds lines by level, event and ID.

To see them here, run the stack with a Docker engine: `make up COMPOSE_PROFILES=logs`. A Loki of
your own is described in `docs/logs.md`.
"""


def is_wanted(variables: Mapping[str, str]) -> bool:
    """Whether Grafana is not left out. Raises StackError on another value than yes and no."""
    chosen = variables.get(VARIABLE) or "yes"
    if chosen not in ("yes", "no"):
        raise StackError(f"{VARIABLE}={chosen}: use yes, or no to leave Grafana out")
    return chosen == "yes"


def find(report: Callable[[str], None]) -> Tool | None:
    """Grafana, installed where it is missing; None where it can't be had, which ``report`` says."""
    try:
        return locate("grafana", report)
    except ToolMissing as missing:
        report(f"Grafana is left out: {missing.reason}; make up {VARIABLE}=no does not look for it")
        return None


def command(binary: Path) -> list[str]:
    """The command that serves, with the folder that holds Grafana's own files."""
    prefix = binary.resolve().parents[1]
    homes = (prefix, prefix / "share" / "grafana")
    home = next((home for home in homes if (home / "public").is_dir()), prefix)
    return [str(binary), "server", f"--homepath={home}"]


def write_dashboards(committed: Path, folder: Path, links: Links, *, with_loki: bool) -> None:
    """Make ``folder`` hold the dashboards of ``committed`` as this stack's Grafana shows them."""
    old, new = (f"{base(each.runbooks_url)}/" for each in (COMMITTED, links))
    texts = {}
    for file in committed.glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8").replace(old, new))
        if document["uid"] == Dashboard.LOGS and not with_loki:
            document = _without_lines(document)
        texts[file.name] = json.dumps(_marked(document), indent=2, sort_keys=True) + "\n"
    generated.write(folder, texts)


def write_provisioning(committed: Path, folder: Path, *, with_loki: bool) -> None:
    """Make ``folder`` hold the provisioning of ``committed``; without a Loki, nothing asks one."""
    shutil.rmtree(folder, ignore_errors=True)
    # What only keeps a folder in the repository is a file of a wrong name to Grafana.
    shutil.copytree(committed, folder, ignore=shutil.ignore_patterns(".gitkeep"))
    if with_loki:
        return
    sources = folder / "datasources"
    (sources / "loki.yml").unlink()
    prometheus = sources / "prometheus.yml"
    content = read_yaml(prometheus.read_text(encoding="utf-8"))
    for source in content["datasources"]:
        # A click on one would ask the Loki that is not there.
        source["jsonData"].pop("exemplarTraceIdDestinations", None)
    prometheus.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _marked(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` with the synthetic history marked, where it asks Prometheus."""
    marks = document["annotations"]["list"]
    return {**document, "annotations": {"list": [*marks, _SYNTHETIC]}} if marks else document


def _without_lines(document: dict[str, Any]) -> dict[str, Any]:
    """The dashboard of log lines as a note of what it needs, and no panel in error."""
    note = {
        "id": 1,
        "type": "text",
        "title": "",
        "gridPos": {"h": 8, "w": 24, "x": 0, "y": 0},
        "options": {"mode": "markdown", "content": _NO_LOKI},
    }
    return {**document, "panels": [note], "templating": {"list": []}}


def environment(
    provisioning: Path, dashboards: Path, data: Path, password: Path, port: int, prometheus_url: str
) -> dict[str, str]:
    """Grafana's settings: its folders of ``provisioning``, ``dashboards`` and ``data``, and the
    file of its ``password``.
    """
    return {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{port}/",
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "logs"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(provisioning),
        # Expanded by Grafana itself; variables that end in __FILE are its image's affair.
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{password}}}",
        "GF_LOG_MODE": "console",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED": "true",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        # The provisioning files take these.
        "PROMETHEUS_URL": prometheus_url,
        "DASHBOARDS_DIR": str(dashboards),
    }
