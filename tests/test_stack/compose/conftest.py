"""An engine, its images, and the stack running on them: once for all tests of this folder."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack import compose
from stack.compose import ComposeBackend
from tests.project import ROOT
from tests.test_stack.compose import engine, images
from tests.test_stack.compose.packages import run
from tests.test_stack.free_ports import free_ports

SCRAPE_SECONDS = 1


@pytest.fixture(scope="session")
def session_environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as environment:
        yield environment


@pytest.fixture(scope="session")
def docker(session_environment: pytest.MonkeyPatch) -> Iterator[None]:
    """A Docker engine with compose v2, found by the docker client's own variables."""
    with ExitStack() as cleanup:
        try:
            engine.install()
            # Where there is an init system, installing the engine has started it.
            if not engine.answers():
                folder = Path(tempfile.mkdtemp(prefix="docker-"))
                cleanup.callback(shutil.rmtree, folder, ignore_errors=True)
                address = cleanup.enter_context(engine.started(folder))
                session_environment.setenv("DOCKER_HOST", address)
        except engine.NoEngineError as reason:
            pytest.skip(f"the compose stack is not tested: {reason}")
        if compose.compose_version() < compose.OLDEST_COMPOSE:
            plugins = engine.plugins(ROOT / ".tools")
            session_environment.setenv("DOCKER_CONFIG", str(plugins))
        session_environment.setenv("COMPOSE_PROJECT_NAME", f"sms-test-{os.getpid()}")
        yield


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that its state and secrets are left alone."""
    copy = tmp_path_factory.mktemp("checkout") / "sms"
    ignored = shutil.ignore_patterns(".*cache", ".git", ".state", ".tools", ".venv", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


@pytest.fixture(scope="session")
def available(docker: None, checkout: Path) -> Iterator[images.Images]:
    """The images the stack is made of: pulled, or else stood in for."""
    with images.provided(checkout) as provided:
        yield provided


@dataclass(frozen=True)
class Stack:
    """The stack as it was started; ``ports`` by their variable."""

    backend: ComposeBackend
    checkout: Path
    project: str
    ports: dict[str, str]
    without: list[str]

    def url(self, variable: str) -> str:
        return f"http://127.0.0.1:{self.ports[variable]}"


@pytest.fixture(scope="session")
def stack(checkout: Path, available: images.Images) -> Iterator[Stack]:
    """The stack, up and healthy, under a project name and on ports of its own."""
    ports = free_ports()
    variables = ports | {"SCRAPE_INTERVAL": f"{SCRAPE_SECONDS}s", "TRAFFIC_PER_MINUTE": "300"}
    without = available.services_without
    backend = ComposeBackend(checkout, checkout / ".state", variables, without)
    try:
        backend.up()
        yield Stack(backend, checkout, backend.project, ports, without)
    finally:
        # As `down`, and the data as well.
        compose_file = str(checkout / "docker-compose.yml")
        run(["docker", "compose", "--file", compose_file, "down", "--volumes"])


def inspect_services(project: str) -> dict[str, Any]:
    """What the engine says of the project's containers, by service."""
    ids = run(
        ["docker", "ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={project}"]
    ).split()
    found = json.loads(run(["docker", "inspect", *ids])) if ids else []
    return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}
