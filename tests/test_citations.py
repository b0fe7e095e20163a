"""Nothing cites what a reader of this repository doesn't have: a document, or an issue's number."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project import ROOT

_DOCUMENT = re.compile(r"(?<![\w{}*<>])[\w./-]+\.md\b")
_ISSUE = re.compile(r"\b[Ii]ssue\s+#?\d+\b")
_PLACEHOLDER = re.compile(r"(?!README)[A-Z_]+")


def documents() -> list[str]:
    """The committed documents, from the root."""
    return [file for file in tracked() if file.endswith(".md")]


def tracked() -> list[str]:
    """The committed files and those about to be, or all files where git knows nothing."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0 and done.stdout:
        return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [str((Path(folder) / name).relative_to(ROOT)) for name in names]
    return found


def foreign(file: str, text: str, known: list[str]) -> Iterator[str]:
    """What ``text`` cites that is not ``known``. What tests quote they have made up themselves."""
    names = {Path(document).name for document in known}
    for number, line in enumerate(text.splitlines(), start=1):
        cited = [match[0] for match in _ISSUE.finditer(line)]
        for match in _DOCUMENT.finditer(line):
            before = line[: match.start()]
            is_quoted = file.startswith("tests/") and before.count('"') % 2 == 1
            path = Path(match[0])
            is_there = path.name in names and ("/" not in match[0] or _exists(file, path))
            if not (is_there or is_quoted or _PLACEHOLDER.fullmatch(path.stem)):
                cited.append(match[0])
        yield from (f"{file}:{number}: {each}" for each in cited)


def _exists(file: str, path: Path) -> bool:
    return (ROOT / path).is_file() or ((ROOT / file).parent / path).is_file()


def test_only_what_is_in_the_repository_is_cited() -> None:
    known = documents()
    assert "docs/domain.md" in known
    found = []
    for file in tracked():
        data = (ROOT / file).read_bytes()
        if b"\0" not in data and file != "tests/test_citations.py":
            found += foreign(file, data.decode("utf-8", errors="replace"), known)
    assert found == []


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("app/x.py", "# Goals (goals.md): few", ["app/x.py:1: goals.md"]),
        ("app/x.py", "see docs/nowhere.md", ["app/x.py:1: docs/nowhere.md"]),
        ("app/x.py", "see docs/README.md", ["app/x.py:1: docs/README.md"]),
        ("tests/x.py", "Goals (issue 4)", ["tests/x.py:1: issue 4"]),
        ("tests/x.py", "see nowhere.md", ["tests/x.py:1: nowhere.md"]),
        ("tests/x.py", 'write("nowhere.md")', []),
        ("app/x.py", "docs/domain.md and README.md, NAME.md", []),
        ("docs/x.md", "[more](../README.md)", []),
    ],
)
def test_the_search_finds_what_is_foreign(file: str, text: str, found: list[str]) -> None:
    assert list(foreign(file, text, documents())) == found
