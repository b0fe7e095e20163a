"""A Docker engine for the tests: the one that answers, or one of their own.

An engine of their own keeps everything in a temporary folder and listens on a socket there. Its
command-line plugins go below ``.tools``, so that the home folder stays as it is.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_tools.toolchain.tool import SUITES
from tests.test_stack.compose.packages import run, unpack

_, PLUGIN_SUITE, _ = SUITES
PLUGIN_PACKAGES = ["docker-compose", "docker-buildx"]
START_SECONDS = 60


class NoEngineError(Exception):
    """No engine answers and none can be started here; the message says why."""


def answers() -> bool:
    """Whether the docker client reaches an engine."""
    return shutil.which("docker") is not None and _succeeds(["docker", "version"])


def install() -> None:
    """Install Docker's engine from the distribution's packages, unless it is there.

    Raises NoEngineError where that takes rights or packages that aren't there.
    """
    if answers() or (shutil.which("dockerd") and shutil.which("docker")):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoEngineError(
            "no Docker engine, and installing docker.io takes root on a Debian-family machine"
        )
    # Debian 13 has the client in a package of its own.
    client = ["docker-cli"] if _succeeds(["apt-cache", "show", "docker-cli"]) else []
    packages = ["docker.io", "iptables", *client]
    print(f"installing {', '.join(packages)}", flush=True)
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "--yes"]
    try:
        run([*apt, "update"])
        run([*apt, "--no-install-recommends", "install", *packages])
    except RuntimeError as error:
        raise NoEngineError(str(error)) from None


@contextmanager
def started(folder: Path) -> Iterator[str]:
    """Run an engine with all its data below ``folder``; gives its address for DOCKER_HOST.

    Raises NoEngineError, with the end of the engine's log, when it doesn't come up.
    """
    if os.geteuid() != 0:
        raise NoEngineError("no Docker engine answers, and starting one takes root")
    address = f"unix://{folder}/docker.sock"
    log = folder / "dockerd.log"
    options = {
        "--host": address,
        "--data-root": folder / "data",
        "--exec-root": folder / "exec",
        "--pidfile": folder / "dockerd.pid",
    }
    command = ["dockerd", *(f"{option}={value}" for option, value in options.items())]
    print(f"starting a Docker engine below {folder}", flush=True)
    with log.open("wb") as output:
        # A session of its own: Ctrl-C has to reach the tests first, which still need the engine.
        daemon = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_ready(daemon, address, log)
        yield address
    finally:
        daemon.terminate()
        daemon.wait(timeout=60)


def plugins(tools: Path) -> Path:
    """The folder for DOCKER_CONFIG, with compose v2 and buildx in it; unpacked when missing."""
    config = tools / "docker"
    target = config / "cli-plugins"
    if not (target / "docker-compose").exists():
        print(f"unpacking {', '.join(PLUGIN_PACKAGES)} into {config}", flush=True)
        unpacked = tools / "docker-packages"
        unpack(PLUGIN_SUITE, PLUGIN_PACKAGES, unpacked / "root", unpacked)
        target.mkdir(parents=True, exist_ok=True)
        for plugin in (unpacked / "root/usr/libexec/docker/cli-plugins").iterdir():
            shutil.copy2(plugin, target)
        shutil.rmtree(unpacked)
    return config


def _wait_until_ready(daemon: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _succeeds(["docker", "--host", address, "version"]):
        if daemon.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace").splitlines() or ["nothing"]
            raise NoEngineError(f"dockerd does not start here, it says: {said[-1]}")
        time.sleep(0.2)


def _succeeds(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0
