"""Whether containers can read what is mounted or copied for them: they run as other users."""

import re
import stat
from pathlib import Path

from stack.backend import StackError

MOUNTED = ("prometheus", "grafana")
_COPIED = re.compile(r"^COPY ([^-\s]\S*) ", re.MULTILINE)


def check(root: Path) -> None:
    """Raise StackError naming what others may not read in the checkout ``root``."""
    copied = _COPIED.findall((root / "Dockerfile").read_text(encoding="utf-8"))
    folders = sorted({Path(name).parts[0] for name in (*MOUNTED, *copied)})
    closed = [
        path
        for folder in folders
        for path in (root / folder, *(root / folder).rglob("*"))
        if _is_closed(path) and "__pycache__" not in path.parts
    ]
    if closed:
        raise StackError(
            f"{closed[0]} is closed to other users, and so are {len(closed) - 1} more: containers "
            "run as other\nusers and can't read them. A checkout made with umask 077 is like that. "
            f"Open it:\n(cd {root} && chmod -R o+rX {' '.join(folders)})"
        )


def _is_closed(path: Path) -> bool:
    needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return path.lstat().st_mode & needed != needed
