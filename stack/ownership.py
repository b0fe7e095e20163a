"""Whose a state folder is: which user's and which checkout's, and whether it was moved or copied.

The folder says so itself, in a file that moves and is copied with it.
"""

import hashlib
import json
import os
import pwd
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from stack.backend import StackError

FILE = "origin.json"
PROJECT_VARIABLE = "COMPOSE_PROJECT_NAME"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a stack was started last, and the name of its compose project."""

    id: str
    checkout: str
    state: str
    project: str


def check(root: Path, state: Path) -> None:
    """Raise StackError when ``state`` is another user's, or that of another checkout."""
    if state.exists() and (owner := state.stat().st_uid) != os.geteuid():
        raise StackError(
            f"{state} belongs to the user {_user(owner)}, and you are {_user(os.geteuid())}.\n"
            f"Use this stack as {_user(owner)}, or set STACK_STATE_DIR to a folder of your own "
            "for a stack of your own."
        )
    origin = _read(state)
    if origin is None or origin.state != str(state) or origin.checkout == str(root):
        return
    if (Path(origin.checkout) / "stack").is_dir():
        raise StackError(
            f"STACK_STATE_DIR={state} holds the stack of another checkout, {origin.checkout}; "
            "choose another folder."
        )


def moved_from(state: Path) -> Path | None:
    """Where ``state`` was when its stack was started; None when it is there still, or a copy."""
    origin = _read(state)
    if origin is None or origin.state == str(state):
        return None
    earlier = _read(Path(origin.state))
    return None if earlier and earlier.id == origin.id else Path(origin.state)


def earlier_checkout(state: Path) -> Path | None:
    """The checkout that ``state`` was moved here with; None when it was not."""
    origin = _read(state)
    return Path(origin.checkout) if origin and moved_from(state) else None


def project(root: Path, state: Path) -> str:
    """The compose project for the checkout ``root``: the one that was asked for, else its own."""
    return os.environ.get(PROJECT_VARIABLE) or own_project(root, state)


def own_project(root: Path, state: Path) -> str:
    """The compose project of the last start, else a name that no other folder here gives."""
    origin = _read(state)
    if origin and (origin.state == str(state) or moved_from(state)):
        return origin.project
    readable = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-") or "checkout"
    return f"{readable}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}"


def settle(root: Path, state: Path) -> None:
    """Write down that the stack of ``root`` is started here."""
    origin = _read(state)
    kept = origin and (origin.state == str(state) or moved_from(state))
    identity = origin.id if origin and kept else uuid4().hex
    state.mkdir(parents=True, exist_ok=True)
    now = Origin(identity, str(root), str(state), project(root, state))
    (state / FILE).write_text(json.dumps(asdict(now), indent=2), encoding="utf-8")


def _read(state: Path) -> Origin | None:
    try:
        return Origin(**json.loads((state / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        # Never started, or by a version that did not write it.
        return None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"{number}"
