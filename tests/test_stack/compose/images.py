"""The images the stack is made of: present, pulled, or else stood in for."""

import json
import string
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_tools.toolchain import versions
from tests.test_stack.compose import stand_ins
from tests.test_stack.compose.packages import run


@dataclass
class Images:
    """What became of each image that had to come from elsewhere."""

    stood_in_for: list[str] = field(default_factory=list)
    services_without: list[str] = field(default_factory=list)
    """Services whose image is neither to be had nor to be stood in for."""


@contextmanager
def provided(checkout: Path) -> Iterator[Images]:
    """Have every image of the compose file and the Dockerfile in the engine.

    Stand-ins, and what was built on one, are removed afterwards: nobody shall take them for the
    official images.
    """
    images = Images()
    services = _services(checkout)
    built = {service["image"] for service in services.values() if "build" in service}
    try:
        with tempfile.TemporaryDirectory(prefix="stand-ins-") as folder:
            for image, users in _needed(services, checkout).items():
                if _succeeds("image", "inspect", image):
                    if stand_ins.is_stand_in(image):
                        images.stood_in_for.append(image)
                elif _succeeds("pull", "--quiet", image):
                    continue
                elif stand_ins.can_stand_in(image):
                    print(f"{image} can't be pulled: making a stand-in", flush=True)
                    stand_ins.build(image, Path(folder))
                    images.stood_in_for.append(image)
                else:
                    print(f"{image} can't be pulled, and nothing stands in for it", flush=True)
                    images.services_without += users
        yield images
    finally:
        if images.stood_in_for:
            run(["docker", "image", "rm", "--force", *images.stood_in_for, *built])


def _services(checkout: Path) -> dict[str, Any]:
    compose_file = str(checkout / "docker-compose.yml")
    config = run(["docker", "compose", "--file", compose_file, "config", "--format", "json"])
    services: dict[str, Any] = json.loads(config)["services"]
    return services


def _needed(services: dict[str, Any], checkout: Path) -> dict[str, list[str]]:
    """The images that are not built here, each with the services that run it."""
    needed: dict[str, list[str]] = {}
    for name, service in services.items():
        if "build" not in service:
            needed.setdefault(service["image"], []).append(name)
    stages = set()
    for line in (checkout / "Dockerfile").read_text().splitlines():
        if line.startswith("FROM "):
            _, image, _, stage = string.Template(line).substitute(versions.pinned()).split()
            if image not in stages:
                needed.setdefault(image, [])
            stages.add(stage)
    return needed


def _succeeds(*arguments: str) -> bool:
    return subprocess.run(["docker", *arguments], capture_output=True).returncode == 0
