"""The dashboards, rules and notification settings of a commit, a checkout or another folder."""

import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

from alerts import paths
from asgi_observability.nearest import did_you_mean
from dashboards.changes import things
from dashboards.changes.things import Thing

WORKING_TREE = "the working tree"

_MAIN = ("main", "origin/main", "master", "origin/master")
_COMMIT = ("rev-parse", "--verify", "--quiet", "--end-of-options")
_READERS = {
    "dashboards": things.dashboard,
    "rules": things.rule_file,
    "routing": things.routing,
    "messages": things.message,
}
_IN_FOLDER = {"dashboards": "*.json", "rules": "*.yml"}
_IN_CHECKOUT = {
    "dashboards": paths.in_checkout(f"{paths.DASHBOARDS}/*.json"),
    "rules": paths.in_checkout(f"{paths.RULES}/*.yml"),
    "routing": paths.in_checkout(str(paths.ALERTMANAGER_CONFIG)),
    "messages": paths.in_checkout(f"{paths.MESSAGE_TEMPLATES}/*.tmpl"),
}


@dataclass(frozen=True, slots=True)
class Revision:
    """What is compared, by part; a part that a folder holds nothing of is missing.

    ``name`` is as a reader knows it.
    """

    name: str
    parts: Mapping[str, tuple[Thing, ...]]


def revision(checkout: Path, name: str) -> Revision:
    """The commit or, where git knows none, the folder called ``name``.

    Raises ValueError for what is neither, or holds a file that can't be read.
    """
    if commit := _answer(checkout, *_COMMIT, f"{name}^{{commit}}"):
        return _committed(checkout, commit, name)
    if Path(name).is_dir():
        return _folder(Path(name), name)
    references = _answer(checkout, "for-each-ref", "--format=%(refname:short)").split()
    elsewhere = "`git branch --all` and `git log` list them"
    hint = did_you_mean(name, references, otherwise=elsewhere)
    raise ValueError(f"{name}: neither a revision of git nor a folder; {hint}")


def working_tree(checkout: Path) -> Revision:
    """The files as they are, committed or not. Raises ValueError for what can't be read."""
    return _parsed(WORKING_TREE, _files(checkout, _IN_CHECKOUT), _IN_CHECKOUT)


def branch_point(checkout: Path) -> Revision:
    """The commit at which the checkout left the main branch, else its own. Raises ValueError."""
    if not (head := _answer(checkout, *_COMMIT, "HEAD^{commit}")):
        raise ValueError(f"{checkout}: no git checkout with a commit; name two folders to compare")
    for main in _MAIN:
        # Where the two share nothing, or a shallow clone doesn't reach back, there is no answer.
        if base := _answer(checkout, "merge-base", "HEAD", main):
            where = "HEAD" if base == head else f"where this branch left {main}"
            return _committed(checkout, base, f"{base[:8]} ({where})")
    return _committed(checkout, head, "HEAD")


def _folder(folder: Path, name: str) -> Revision:
    """A checkout or part of one, or a folder of dashboards or rules only."""
    whole = any((folder / _IN_CHECKOUT[part]).parent.is_dir() for part in _IN_FOLDER)
    patterns = _IN_CHECKOUT if whole else _IN_FOLDER
    read = _parsed(name, _files(folder, patterns), patterns)
    found = {part: each for part, each in read.parts.items() if each}
    if not found.keys() & _IN_FOLDER.keys():
        raise ValueError(
            f"{name}: holds no dashboards and no rules; name a checkout, or a folder of *.json or "
            "*.yml"
        )
    return Revision(name, found)


def _parsed(name: str, files: Mapping[str, bytes], patterns: Mapping[str, str]) -> Revision:
    parts: dict[str, tuple[Thing, ...]] = dict.fromkeys(patterns, ())
    for path, text in files.items():
        part = next(part for part, each in patterns.items() if PurePosixPath(path).match(each))
        try:
            parts[part] += _READERS[part](PurePosixPath(path).name, text)
        except ValueError as error:
            raise ValueError(f"{path} in {name}: {error}") from None
    return Revision(name, parts)


def _files(folder: Path, patterns: Mapping[str, str]) -> dict[str, bytes]:
    found = (path for pattern in patterns.values() for path in sorted(folder.glob(pattern)))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _committed(checkout: Path, commit: str, name: str) -> Revision:
    listed = _git(checkout, "ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0")
    patterns = _IN_CHECKOUT.values()
    there = [path for path in listed if any(map(PurePosixPath(path).match, patterns))]
    files = {}
    # Asked for no file, git would give all.
    if there:
        packed = BytesIO(_git(checkout, "archive", "--format=tar", commit, "--", *there))
        with tarfile.open(fileobj=packed) as archive:
            read = ((member.name, archive.extractfile(member)) for member in archive)
            files = {path: file.read() for path, file in read if file}
    return _parsed(name, files, _IN_CHECKOUT)


def _answer(checkout: Path, *arguments: str) -> str:
    """What git says; empty where it has no answer, or there is no git."""
    try:
        return _git(checkout, *arguments).decode().strip()
    except ValueError:
        return ""


def _git(checkout: Path, *arguments: str) -> bytes:
    asked = ["git", "-C", str(checkout), *arguments]
    try:
        return subprocess.run(asked, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise ValueError("git is not installed; name two folders to compare") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise ValueError(f"git {arguments[0]} in {checkout}: {said}") from None
