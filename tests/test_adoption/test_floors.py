"""The layer works with the oldest versions that it asks for, and with the newest."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.length import only_long
from tests.project import ROOT

LAYER = ROOT / "asgi_observability"
SERVICE = Path(__file__).with_name("floor_service.py")
SERVED_WITH = ("uvicorn", "httpx", "websockets")


def floors() -> list[str]:
    """Each requirement of the layer and of its extras, at the oldest version it allows."""
    project = tomllib.loads((LAYER / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["fastapi"], *extras["structlog"]]
    return [f"{name}=={version}.*" for name, version in (split(each) for each in asked)]


def split(requirement: str) -> tuple[str, str]:
    """Its name and its lowest version."""
    found = re.fullmatch(r"([\w.-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    assert found, f"{requirement}: write NAME>=VERSION"
    return found[1], found[2]


@only_long
@pytest.mark.parametrize("versions", ["oldest", "newest"])
def test_the_layer_holds_with(versions: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    python = tmp_path / "bin" / "python"
    wanted = floors() if versions == "oldest" else []
    # Starlette's own oldest version is the one that the oldest FastAPI takes.
    wanted = [each for each in wanted if not each.startswith("starlette")]
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*install, f"{LAYER}[fastapi,structlog]", *wanted, *SERVED_WITH, *older(versions)],
        check=True,
    )
    done = subprocess.run(
        [python, SERVICE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "holds" in done.stdout


def older(versions: str) -> tuple[str, ...]:
    """What the test client of an old Starlette can't do without."""
    return ("httpx<0.28",) if versions == "oldest" else ()
