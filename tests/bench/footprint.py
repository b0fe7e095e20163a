"""What each layer adds to a service of FastAPI and uvicorn: packages and MB, in fresh environments.

Goals of this layer: at most 6 packages and 10 MB.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.project import ROOT

BARE = ("fastapi", "uvicorn")
VARIANTS: dict[str, tuple[str, ...]] = {
    "this layer": (str(ROOT / "asgi_observability"),),
    "fastapi-instrumentator": ("prometheus-fastapi-instrumentator",),
    "starlette-exporter": ("starlette-exporter",),
    "asgi-correlation-id": ("asgi-correlation-id",),
    "the three together": (
        "prometheus-fastapi-instrumentator",
        "asgi-correlation-id",
        "structlog",
        "orjson",
    ),
    "OpenTelemetry's": (
        "opentelemetry-instrumentation-fastapi",
        "opentelemetry-sdk",
        "opentelemetry-exporter-prometheus",
    ),
}
MAX_PACKAGES, MAX_MEGABYTES = 6, 10.0


async def run() -> bool:
    """Print what each adds; False where this layer adds more than its goal."""
    print(f"{'':28} {'packages':>9} {'MB':>7}")
    ours = (0, 0.0)
    for name, packages in VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            added = _added(Path(folder), packages)
        if name == "this layer":
            ours = added
        print(f"  {name:<26} {added[0]:>+9} {added[1]:>+7.1f}", flush=True)
    return ours[0] <= MAX_PACKAGES and ours[1] <= MAX_MEGABYTES


def _added(folder: Path, packages: tuple[str, ...]) -> tuple[int, float]:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    before = _installed(folder, BARE)
    after = _installed(folder, packages)
    return after[0] - before[0], (after[1] - before[1]) / 1e6


def _installed(folder: Path, packages: tuple[str, ...]) -> tuple[int, int]:
    """Packages that are there after these were installed, and the bytes of their files."""
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", *packages], check=True)
    listed = subprocess.run(
        [*pip, "list", "--format=json"], check=True, capture_output=True, text=True
    )
    files = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return len(json.loads(listed.stdout)), sum(file.stat().st_size for file in files)
