"""The dashboards, rules and notification settings of a commit, a checkout or another folder."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from alerts import paths
from asgi_observability.nearest import did_you_mean

WORKING_TREE = "the working tree"

_MAIN = ("main", "origin/main", "master", "origin/master")
_DASHBOARDS = paths.in_checkout(str(paths.DASHBOARDS))
_RULES = paths.in_checkout(str(paths.RULES))
_ALERTMANAGER = paths.in_checkout(str(paths.ALERTMANAGER_CONFIG))
_TEMPLATES = paths.in_checkout(str(paths.MESSAGE_TEMPLATES))

# libyaml reads forty commits in the time in which Python reads four.
_YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Revision:
    """What is compared, by the name of its file. What a folder holds none of is None.

    ``name`` is as a reader knows it. ``routes`` is alertmanager.yml; ``messages`` are the texts of
    its templates.
    """

    name: str
    dashboards: Mapping[str, Document] | None
    rules: Mapping[str, Document] | None
    routes: Document | None
    messages: Mapping[str, str] | None


def revision(checkout: Path, name: str) -> Revision:
    """The commit or, where git knows none, the folder called ``name``.

    Raises ValueError for what is neither, or holds a file that can't be read.
    """
    if commit := _commit(checkout, name):
        return _parsed(name, dict(_committed(checkout, commit)))
    folder = Path(name)
    if folder.is_dir():
        return _in_folder(folder, name)
    elsewhere = "`git branch --all` and `git log` list them"
    hint = did_you_mean(name, _references(checkout), otherwise=elsewhere)
    raise ValueError(f"{name}: neither a revision of git nor a folder; {hint}")


def working_tree(checkout: Path) -> Revision:
    """The files as they are, committed or not. Raises ValueError for what can't be read."""
    return _parsed(WORKING_TREE, dict(_in_checkout(checkout)))


def branch_point(checkout: Path) -> Revision:
    """The commit at which the checkout left the main branch, else its own. Raises ValueError."""
    if not (head := _commit(checkout, "HEAD")):
        raise ValueError(f"{checkout}: no git checkout with a commit; name two folders to compare")
    for main in filter(partial(_commit, checkout), _MAIN):
        try:
            base = _git(checkout, "merge-base", "HEAD", main).decode().strip()
        except ValueError:
            # The two share nothing, or a shallow clone doesn't reach back to where they do.
            continue
        where = "HEAD" if base == head else f"where this branch left {main}"
        return _parsed(f"{base[:8]} ({where})", dict(_committed(checkout, base)))
    return revision(checkout, "HEAD")


def _in_folder(folder: Path, name: str) -> Revision:
    """A checkout or part of one, or a folder of dashboards or rules only."""
    if any((folder / part).is_dir() for part in (_DASHBOARDS, _RULES)):
        found = _parsed(name, dict(_in_checkout(folder)))
    else:
        dashboards, rules = (
            {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}
            for pattern in ("*.json", "*.yml")
        )
        read = (_each(dashboards, name, _dashboard), _each(rules, name, _rule_file))
        found = Revision(name, *read, routes=None, messages=None)
    if not found.dashboards and not found.rules:
        raise ValueError(
            f"{name}: holds no dashboards and no rules; name a checkout, or a folder of *.json or "
            "*.yml"
        )
    return Revision(
        name,
        found.dashboards or None,
        found.rules or None,
        found.routes or None,
        found.messages or None,
    )


def _parsed(name: str, files: Mapping[str, bytes]) -> Revision:
    def those_in(folder: str, ending: str) -> dict[str, bytes]:
        return {
            path: text
            for path, text in files.items()
            if PurePosixPath(path).parent == PurePosixPath(folder) and path.endswith(ending)
        }

    routes = {path: text for path, text in files.items() if path == _ALERTMANAGER}
    messages = those_in(_TEMPLATES, ".tmpl")
    return Revision(
        name,
        _each(those_in(_DASHBOARDS, ".json"), name, _dashboard),
        _each(those_in(_RULES, ".yml"), name, _rule_file),
        next(iter(_each(routes, name, _yaml).values()), {}),
        {path: text.decode(errors="replace") for path, text in messages.items()},
    )


def _each(
    files: Mapping[str, bytes], revision: str, read: Callable[[bytes], Document]
) -> dict[str, Document]:
    documents = {}
    for path, text in files.items():
        try:
            documents[PurePosixPath(path).name] = read(text)
        except ValueError as error:
            raise ValueError(f"{path} in {revision}: {error}") from None
    return documents


# Of two revisions, nearly all files are the same: each text is read once.
@cache
def _dashboard(text: bytes) -> Document:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"is not valid JSON: {error}; fix it or run `make generate`") from None
    panels = document.get("panels", []) if isinstance(document, dict) else None
    if not isinstance(panels, list) or not all(isinstance(panel, dict) for panel in panels):
        raise ValueError("is not a dashboard: it has to be an object with a list of panels")
    return dict(document)


def _rule_file(text: bytes) -> Document:
    document = _yaml(text)
    groups = document.get("groups")
    whole = isinstance(groups, list) and all(map(_is_group, groups))
    if not whole:
        raise ValueError(
            "is not a rule file: it has to have groups, each with a name and rules, and each rule "
            "a record or an alert, and an expr"
        )
    return document


def _is_group(group: Any) -> bool:
    return (
        isinstance(group, dict)
        and "name" in group
        and isinstance(group.get("rules"), list)
        and all(
            isinstance(rule, dict)
            and "expr" in rule
            and rule.keys() & {"record", "alert"}
            and all(isinstance(rule.get(key) or {}, dict) for key in ("labels", "annotations"))
            for rule in group["rules"]
        )
    )


@cache
def _yaml(text: bytes) -> Document:
    try:
        document = yaml.load(text, Loader=_YAML_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"is not valid YAML: {told}; fix it or run `make generate`") from None
    if not isinstance(document, dict):
        raise ValueError("is not YAML of keys and values; fix it or run `make generate`")
    return document


def _in_checkout(checkout: Path) -> Iterator[tuple[str, bytes]]:
    for folder in (_DASHBOARDS, _RULES, _TEMPLATES):
        for file in sorted((checkout / folder).glob("*")):
            if file.is_file():
                yield f"{folder}/{file.name}", file.read_bytes()
    if (checkout / _ALERTMANAGER).is_file():
        yield _ALERTMANAGER, (checkout / _ALERTMANAGER).read_bytes()


def _committed(checkout: Path, commit: str) -> Iterator[tuple[str, bytes]]:
    """Path and text of each file of a commit that is compared."""
    wanted = (_DASHBOARDS, _RULES, _TEMPLATES, _ALERTMANAGER)
    listed = _git(checkout, "ls-tree", "-r", "-z", commit, "--", *wanted).decode()
    # Each is "MODE TYPE OBJECT\tPATH".
    entries = [entry.split("\t", 1) for entry in listed.split("\0") if entry]
    names = "".join(f"{facts.split()[2]}\n" for facts, _ in entries)
    answer = _git(checkout, "cat-file", "--batch", text=names.encode())
    for _, path in entries:
        # Before each text: "OBJECT TYPE SIZE\n"; behind it a line end.
        facts, _, answer = answer.partition(b"\n")
        size = int(facts.split()[2])
        yield path, answer[:size]
        answer = answer[size + 1 :]


def _commit(checkout: Path, name: str) -> str:
    """The commit that ``name`` means; empty where it means none, or there is no git."""
    try:
        asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return _git(checkout, *asked).decode().strip()
    except ValueError:
        return ""


def _references(checkout: Path) -> list[str]:
    try:
        listed = _git(checkout, "for-each-ref", "--format=%(refname:short)")
    except ValueError:
        return []
    return listed.decode().split()


def _git(checkout: Path, *arguments: str, text: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments], input=text, capture_output=True, check=True
        )
    except FileNotFoundError:
        raise ValueError("git is not installed; name two folders to compare") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise ValueError(f"git {arguments[0]} in {checkout}: {said}") from None
    return done.stdout
