"""Installs a list of requirements by uv, where uv is on the list: in a sixth of pip's time.

The Makefile lets pip install the same list after it. So whatever stops this, an index that only
pip can reach for example, costs time and nothing else: pip installs the rest, or says why it can't.
It needs Python and pip alone.
"""

import os
import subprocess
import sys
from ast import literal_eval
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

UV_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
"""Where packages come from: what pip calls it, and uv."""

OF_NO_MATTER = {
    "break-system-packages",
    "cache-dir",
    "disable-pip-version-check",
    "no-cache-dir",
    "no-color",
    "no-compile",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "user",
}
"""What pip may be told without uv having to know it."""


def uv_environment(pip_configuration: str) -> dict[str, str] | None:
    """What uv is told, for what ``pip config list`` prints; None where uv could not follow it."""
    told: dict[str, str] = {}
    # What stands for all commands first, what the environment says last: the last one counts.
    order = {"global": 0, "install": 1, ":env:": 2}
    lines = [line.partition("=") for line in pip_configuration.splitlines()]
    settings = [(*name.rpartition(".")[::2], value) for name, _, value in lines]
    for section, name, value in sorted(settings, key=lambda each: order.get(each[0], -1)):
        if section not in order or name in OF_NO_MATTER:
            continue
        if name not in UV_SETTINGS:
            return None
        separator = "," if name == "find-links" else " "
        told[UV_SETTINGS[name]] = separator.join(str(literal_eval(value)).split())
    return told


def pinned(requirements: str, package: str) -> str:
    """The lines that pin ``package``, with its hashes; empty where it isn't on the list."""
    lines = iter(requirements.splitlines())
    begun = next((line for line in lines if line.startswith(f"{package}==")), "")
    kept = [begun] if begun else []
    while kept and kept[-1].endswith("\\"):
        kept.append(next(lines))
    return "\n".join(kept)


def install(requirements: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Install by uv as much as can be; raise CalledProcessError where uv or pip say no."""
    uv = pinned(requirements.read_text(encoding="utf-8"), "uv")
    if not uv:
        return
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    asked = subprocess.run(
        [*pip, "config", "list"], capture_output=True, encoding="utf-8", check=True
    )
    told = uv_environment(asked.stdout)
    if told is None:
        return
    options = ["--no-deps", "--require-hashes", "--requirement"]
    with TemporaryDirectory() as folder:
        alone = Path(folder, "uv.txt")
        alone.write_text(uv, encoding="utf-8")
        quickly = [*pip, "install", "--quiet", "--retries=0", "--no-compile", *options, str(alone)]
        subprocess.run(
            quickly, env={**environment, "PIP_USER": "0"}, capture_output=True, check=True
        )
    # What the user tells uv outweighs what the user tells pip.
    subprocess.run(
        [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable]
        + (["--quiet"] if not sys.stderr.isatty() else [])
        + [*options, str(requirements)],
        env={**told, **environment},
        stderr=None if sys.stderr.isatty() else subprocess.DEVNULL,
        check=True,
    )


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]))
    except (OSError, subprocess.CalledProcessError):
        print("uv could not install all of it; pip goes on", file=sys.stderr)
