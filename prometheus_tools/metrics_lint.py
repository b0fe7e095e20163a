"""What promtool says against the names, types and texts of exposed metrics."""

import subprocess

from prometheus_tools.toolchain import Tool, locate


def problems_in(exposition: str, promtool: Tool | None = None) -> list[str]:
    """What ``promtool check metrics`` finds in a text exposition, one line each."""
    tool = promtool or locate("promtool")
    done = subprocess.run(
        [str(tool.path), "check", "metrics"],
        input=exposition,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        encoding="utf-8",
    )
    if not done.returncode:
        return []
    return done.stdout.splitlines() or [f"{tool} refuses the exposition and says no reason"]
