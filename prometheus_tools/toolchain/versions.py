"""The versions in versions.env and the checksums in versions.sha256."""

import functools
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "versions.env"
CHECKSUMS = ROOT / "versions.sha256"

_SHAPES = {
    "_VERSION": (re.compile(r"\d+\.\d+\.\d+"), "three numbers, such as 3.13.2"),
    "_OLDEST": (re.compile(r"\d+\.\d+"), "two numbers, such as 2.53"),
    "_BUILD": (re.compile(r"\d+"), "a number"),
    "_TAG": (re.compile(r"\d+\.\d+[\w.-]*"), "a tag that begins with its version"),
}


class VersionsError(SystemExit):
    """versions.env can't be used; the message names the line's variable and the fix.

    It ends the program with this one sentence: the file is read while modules are imported, and
    nothing can be found without it.
    """


@functools.cache
def pinned(file: Path = FILE) -> dict[str, str]:
    """Each variable of ``file`` and its value. Raises VersionsError."""
    found: dict[str, str] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise VersionsError(f"{file} can't be read ({error.strerror}): restore it") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, value = line.partition("=")
        shape, words = _SHAPES.get(name[name.rfind("_") :], (None, ""))
        if shape is None:
            raise VersionsError(
                f"{file.name}, line {number}: {name} ends in none of {', '.join(_SHAPES)}"
            )
        if not shape.fullmatch(value):
            raise VersionsError(f"{file.name}, line {number}: {name}={value}: use {words}")
        found[name] = value
    return found


def version(name: str) -> str:
    """The version in the variable ``name``. Raises VersionsError where there is none."""
    try:
        return pinned()[name]
    except KeyError:
        raise VersionsError(f"{FILE.name} has no {name}") from None


def minor(text: str) -> tuple[int, int]:
    """Major and minor number of a version."""
    major, second = text.split(".")[:2]
    return int(major), int(second)


def oldest(name: str) -> tuple[int, int]:
    """The version in the variable ``name``, as `minor` gives it."""
    return minor(version(name))


def checksum(archive: str, file: Path | None = None) -> str | None:
    """The SHA-256 that this project keeps of ``archive``; None where it keeps none."""
    for line in (file or CHECKSUMS).read_text(encoding="utf-8").splitlines():
        value, _, name = line.partition("  ")
        if name == archive:
            return value
    return None
