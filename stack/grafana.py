"""Grafana beside the native stack, where it can be had."""

from collections.abc import Callable, Mapping
from pathlib import Path

from alerts import generated
from alerts.links import COMMITTED, base
from app.core.config import Links
from prometheus_tools.toolchain import Tool, ToolMissing, locate
from stack.backend import StackError

VARIABLE = "GRAFANA"


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


def write_dashboards(committed: Path, folder: Path, links: Links) -> None:
    """Make ``folder`` hold the dashboards of ``committed``, with the runbooks of ``links``."""
    old, new = (f"{base(each.runbooks_url)}/" for each in (COMMITTED, links))
    texts = {
        file.name: file.read_text(encoding="utf-8").replace(old, new)
        for file in committed.glob("*.json")
    }
    generated.write(folder, texts)


def environment(
    committed: Path, dashboards: Path, data: Path, password: Path, port: int, prometheus_url: str
) -> dict[str, str]:
    """Grafana's settings: what is ``committed`` for it, its ``data`` and ``password`` file.

    ``dashboards`` is the folder of those whose links lead to this stack.
    """
    return {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{port}/",
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "logs"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(committed / "provisioning"),
        # Expanded by Grafana itself; variables that end in __FILE are its image's affair.
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{password}}}",
        "GF_LOG_MODE": "console",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_USERS_ALLOW_SIGN_UP": "false",
        # The provisioning files take these.
        "PROMETHEUS_URL": prometheus_url,
        # Loki comes with compose; here the log files are read by `make trace`.
        "LOKI_URL": "http://127.0.0.1:3100",
        "DASHBOARDS_DIR": str(dashboards),
    }
