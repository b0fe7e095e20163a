"""Whether containers can read what is mounted or copied for them: they run as other users."""

import shlex
import stat
from pathlib import Path

from stack.backend import StackError

MOUNTED = ("prometheus", "grafana")


def check(root: Path) -> None:
    """Raise StackError naming what others may not read in the checkout ``root``."""
    names = sorted({*MOUNTED, *_copied(root / "Dockerfile")})
    closed = [
        path
        for top in (root / name for name in names)
        for path in (top, *top.rglob("*"))
        if path.exists() and _is_closed(path) and "__pycache__" not in path.parts
    ]
    if closed:
        raise StackError(
            f"containers run as other users and can't read {closed[0]} and {len(closed) - 1} "
            "others.\nThis happens if the checkout was made with umask 077. To fix it:\n"
            f"cd {shlex.quote(str(root))} && chmod -R o+rX {' '.join(names)}"
        )


def _copied(dockerfile: Path) -> list[str]:
    """The files and folders of the checkout that are copied into an image."""
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    copies = [line.split() for line in lines if line.startswith("COPY ") and "--from" not in line]
    return [source for words in copies for source in words[1:-1]]


def _is_closed(path: Path) -> bool:
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return path.lstat().st_mode & needed != needed
