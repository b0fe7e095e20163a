"""Whether a process may open as many files here as the native stack needs.

`make up` asks before it installs anything, so this needs Python alone.
"""

import os
import resource
import shutil
import subprocess
import sys

NEEDED = 1024
"""Of one process."""


def refusal() -> str:
    """Why the stack can't run in this shell, and the way out; empty where it can."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most == resource.RLIM_INFINITY or most >= NEEDED:
        return ""
    return (
        f"a process may open only {most} files here, and the stack needs {NEEDED}.\n"
        f"Raise the limit (`ulimit -Hn {NEEDED}` as root, or nofile in "
        "/etc/security/limits.conf) and type make up again."
    )


def _runs_elsewhere() -> bool:
    """Whether a Docker engine runs the stack, with limits of its own."""
    chosen = os.environ.get("STACK")
    if chosen or not shutil.which("docker"):
        return chosen == "compose"
    return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    reason = refusal()
    sys.exit(reason if reason and not _runs_elsewhere() else None)
