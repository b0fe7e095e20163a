"""`make clean`: deletes what this checkout has installed, measured and kept, once it may.

It needs Python alone, because what it deletes may be broken or gone.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stack import ownership
from stack.backend import StackError

ROOT = Path(__file__).resolve().parents[1]
NAMES = (
    *(".venv", ".tools", ".state", ".hypothesis"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache"),
)
CACHE = "__pycache__"


@dataclass(frozen=True, slots=True)
class Kept:
    """What Docker keeps for the checkout's own compose project."""

    project: str
    volumes: list[str]
    images: list[str]
    containers: list[str]


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make clean", description=__doc__)
    parser.add_argument("--yes", action="store_true", help="do not ask: make clean YES=1")
    try:
        return clean(ROOT, sure=parser.parse_args().yes)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1


def clean(root: Path, *, sure: bool) -> int:
    """Say what there is to delete below ``root``, and delete it when that is wanted."""
    state = root / ".state"
    ownership.check(root, state)
    paths, caches = [*_found(root)], [*_caches(root)]
    kept = _kept_by_docker(ownership.own_project(root, state))
    _refuse_others(kept, {str(root), str(ownership.earlier_checkout(state))})
    if not (paths or caches or kept.volumes or kept.images or kept.containers):
        print("nothing to delete")
        return 0
    _refuse_running_elsewhere(root, state)
    print(f"make clean deletes what this checkout has kept, {root}:")
    for path in paths:
        print(f"  {_size(path):>9}  {path.relative_to(root)}{_meaning(path)}")
    if caches:
        print(f"  {sum(map(_bytes, caches)) / 1e6:>6.1f} MB  {len(caches)} folders {CACHE}")
    for kind in ("containers", "volumes", "images"):
        for name in getattr(kept, kind):
            print(f"  {'':>9}  Docker {kind.removesuffix('s')} {name}")
    if not (sure or _confirmed()):
        print("nothing was deleted", file=sys.stderr)
        return 1
    _stop(root, state)
    _remove_from_docker(kept)
    for path in (*paths, *caches):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            # A link goes; what it points to may be another checkout's.
            path.unlink()
    print("deleted")
    return 0


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise StackError(
            "this is not a terminal, so it can't ask. To delete all of this: make clean YES=1"
        )
    return input("Delete all of this? [y/N] ").strip().lower() in ("y", "yes")


def _found(root: Path) -> Iterator[Path]:
    for name in NAMES:
        yield from sorted(root.glob(name))


def _caches(root: Path) -> Iterator[Path]:
    for folder, below, files in os.walk(root):
        if folder != str(root) and ".git" in (*below, *files):
            # Another checkout, inside this one.
            below.clear()
            continue
        if CACHE in below:
            yield Path(folder) / CACHE
        below[:] = [name for name in below if not name.startswith(".") and name != CACHE]


def _meaning(path: Path) -> str:
    if path.is_symlink():
        return f"  the link only, not {path.readlink()}"
    return {
        ".state": "  every generated secret, and all data of the stack without Docker",
        ".tools": "  downloaded tools",
        ".venv": "  Python packages",
    }.get(path.name, "")


def _size(path: Path) -> str:
    return f"{_bytes(path) / 1e6:.1f} MB"


def _bytes(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, files in os.walk(path)
        for name in files
    )


def _refuse_running_elsewhere(root: Path, state: Path) -> None:
    """Raise StackError where a stack runs that uses what would be deleted, and isn't in .state."""
    try:
        from stack import processes
    except ImportError:
        # Without the packages nothing of this checkout can be started; but it may run still.
        if (state / "run" / "variables.json").exists():
            raise StackError("the stack may still run; type make down first") from None
        return
    for other in sorted(processes.stacks_started_from(root) - {str(state)}):
        raise StackError(
            f"a stack of this checkout runs with its state in {other}; first: "
            f"make down STACK_STATE_DIR={other}"
        )


def _stop(root: Path, state: Path) -> None:
    """Stop what runs. Raises StackError when that fails: then nothing has been deleted."""
    if not (state / ownership.FILE).exists() and not (state / "run").exists():
        return
    chosen = ("STACK", "STACK_STATE_DIR", ownership.PROJECT_VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name not in chosen}
    down = [sys.executable, "-m", "stack", "down"]
    if subprocess.run(down, cwd=root, env=environment, check=False).returncode:
        raise StackError("the stack could not be stopped, see above; nothing was deleted")


def _kept_by_docker(project: str) -> Kept:
    label = f"label=com.docker.compose.project={project}"
    containers = _docker("ps", "--all", "--filter", label, "--format", "{{.Names}}")
    volumes = _docker("volume", "ls", "--filter", label, "--format", "{{.Name}}")
    images = [
        name
        for name in (f"{project}:local", f"{project}-history:local")
        if _docker("image", "ls", "--quiet", name)
    ]
    return Kept(project, volumes, images, containers)


def _refuse_others(kept: Kept, here: set[str]) -> None:
    """Raise StackError when containers of the project were started from another checkout."""
    label = "com.docker.compose.project.working_dir"
    for container in kept.containers:
        folder = "".join(
            _docker("inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', container)
        )
        if str(Path(folder).resolve()) not in here:
            raise StackError(
                f"the container {container} of the compose project {kept.project} belongs to the "
                f"checkout {folder}; nothing was deleted. First type make down in that checkout"
            )


def _remove_from_docker(kept: Kept) -> None:
    if kept.containers:
        _docker("rm", "--force", *kept.containers, must=True)
    if kept.volumes:
        _docker("volume", "rm", *kept.volumes, must=True)
    if kept.images:
        _docker("image", "rm", *kept.images, must=True)


def _docker(*arguments: str, must: bool = False) -> list[str]:
    """The lines that docker prints; none where there is no engine."""
    if shutil.which("docker") is None:
        return []
    try:
        done = subprocess.run(
            ["docker", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired:
        return []
    if must and done.returncode:
        raise StackError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.splitlines() if done.returncode == 0 else []


if __name__ == "__main__":
    sys.exit(main())
