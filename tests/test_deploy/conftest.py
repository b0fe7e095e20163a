"""What Kubernetes consists of, built from Go's modules where Go is installed."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import files, sizes
from prometheus_tools.toolchain import locate_kubernetes

Located = Callable[[str], Path]


@pytest.fixture(scope="session")
def located() -> Located:
    """Gives where a program is. Building them takes minutes, once."""
    if shutil.which("go") is None:
        pytest.skip("Go is not installed: nothing of Kubernetes can be built to try deploy/ on")
    return lambda name: locate_kubernetes(name).path


@pytest.fixture(scope="session")
def kustomized(
    located: Located, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[sizes.Size], Path]:
    """Gives the file that kustomize makes of an overlay."""
    folder = tmp_path_factory.mktemp("kustomized")

    def built(size: sizes.Size) -> Path:
        file = folder / f"{size.name}.yaml"
        if not file.exists():
            file.write_text(kustomize(located, files.OVERLAYS / size.name))
        return file

    return built


def kustomize(located: Located, folder: Path) -> str:
    """What kustomize prints for ``folder``; AssertionError with what it says if it refuses."""
    command = [str(located("kustomize")), "build", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
