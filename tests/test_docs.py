"""What the documents point to exists: files, headings, make targets, paths in the repository."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.config import ENV_PREFIX, Settings
from app.core.settings_reference import reference
from tests.not_empty import not_empty
from tests.project import ROOT
from tests.test_stack.faults.expected import EXPECTED

FOLDERS = (
    "app",
    "alerts",
    "asgi_observability",
    "dashboards",
    "deploy",
    "prometheus_tools",
    "simulator",
    "stack",
    "tests",
)
DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/*.md", "alerts/runbooks/*.md") for path in ROOT.glob(pattern)
)
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))

_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_MAKE = re.compile(r"^(?:\$ )?make ([a-z][a-z-]*)(?![\w=])")
# A folder, or a file with its ending: `grafana/grafana` is an image.
_PATH = re.compile(
    rf"(?:{'|'.join(FOLDERS)}|docs|grafana|prometheus|requirements)/(?:[\w./-]*/|[\w./-]*\.\w+)?"
)
PLACEHOLDERS = re.compile(r"\b(?:NAME|GROUP|ALERT|NAME_OF_ALERT)\b")


def name(path: Path) -> str:
    """``path`` as people say it, for the names of tests."""
    return str(path.relative_to(ROOT))


def prose(document: Path) -> str:
    """The text without its blocks of code."""
    return _FENCE.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """What the headings of a document are called in links to them."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(prose(document)):
        text = _LINK.sub("", heading.replace("`", "").replace("[", ""))
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
    return {f"{each}-{n}" if n else each for each, last in found.items() for n in range(last + 1)}


def commands(document: Path) -> list[str]:
    """The lines of code in a document: those of its blocks, and what stands between backticks."""
    blocks = [
        line.strip()
        for block in _FENCE.finditer(document.read_text())
        for line in block.group().splitlines()
    ]
    return blocks + _CODE.findall(prose(document))


def test_documents_are_found() -> None:
    assert {"README.md", "docs/architecture.md", "alerts/runbooks/README.md"} <= {
        name(each) for each in DOCUMENTS
    }
    assert {"up", "test", "check"} <= TARGETS


def test_the_way_links_and_headings_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Who is *told*, and `how`\n## Again\n## Again\n```\n# no heading\n[no](link)\n```\n"
        "[a link](other.md#here) and `make up NAME=x`\n"
    )
    assert anchors(page) == {"who-is-told-and-how", "again", "again-1"}
    assert _LINK.findall(prose(page)) == ["other.md#here"]
    assert "make up NAME=x" in commands(page)


def test_each_link_leads_somewhere() -> None:
    broken = [f"{name(each)}: {problem}" for each in DOCUMENTS for problem in broken_links(each)]
    assert broken == []


def broken_links(document: Path) -> Iterator[str]:
    """The links of ``document`` within the repository that lead to nothing."""
    for link in _LINK.findall(prose(document)):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(target):
            yield f"{link}: {target.name} has {', '.join(sorted(anchors(target)))}"


def test_each_make_target_exists() -> None:
    named = {
        (name(document), found.group(1))
        for document in DOCUMENTS
        for code in commands(document)
        if (found := _MAKE.match(code))
    }
    assert len(named) > len(TARGETS)
    assert {(document, target) for document, target in named if target not in TARGETS} == set()


def test_each_path_in_the_repository_exists() -> None:
    named = {
        (name(document), code)
        for document in DOCUMENTS
        for code in _CODE.findall(prose(document))
        if _PATH.fullmatch(code) and not PLACEHOLDERS.search(code)
    }
    assert len(named) > len(FOLDERS)
    assert {(document, path) for document, path in named if not (ROOT / path).exists()} == set()


def test_each_setting_exists() -> None:
    known = {ENV_PREFIX.rstrip("_"), *Settings.variables()}
    sections = tuple(f"{name.split('__')[0]}__" for name in known if "__" in name)
    named = {
        (name(document), variable)
        for document in not_empty(DOCUMENTS)
        if document.name not in ("CHANGELOG.md", "settings.md")
        for variable in re.findall(rf"{ENV_PREFIX}[A-Z0-9_]*", document.read_text())
    }
    assert len(named) > len(FOLDERS)
    unknown = {(place, v) for place, v in named if v not in {*known, *sections, ENV_PREFIX}}
    assert unknown == set()


def test_the_list_of_settings_is_made_from_the_declarations() -> None:
    assert (ROOT / "docs/settings.md").read_text(encoding="utf-8") == reference(), "make generate"


def test_each_document_is_linked_from_the_readme_or_from_one_that_is() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md" or not document.exists():
            continue
        reached.add(document)
        links = (link.partition("#")[0] for link in _LINK.findall(prose(document)))
        waiting += [(document.parent / link).resolve() for link in links if link]
    assert set(DOCUMENTS) - reached == set()


def test_the_first_file_of_each_folder_says_what_the_folder_is_for() -> None:
    first = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("__init__.py"))]
    assert len(first) > len(FOLDERS)
    silent = [name(path) for path in first if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_first_file_of_a_top_folder_says_what_it_may_import(folder: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text())) or ""
    assert "mport" in said


def test_backups_are_written_where_git_ignores_them_and_only_their_owner_reads_them() -> None:
    text = (ROOT / "docs/operations.md").read_text()
    section = text.partition("\n## Backup and restore\n")[2].partition("\n## ")[0]
    written = re.findall(r"(?:-czf |INTO '| > )([^' ]+?)[ ')\n]", section)
    assert len(written) == 6
    assert [file for file in not_empty(written) if not file.startswith("backups/")] == []
    assert section.count("(umask 077; mkdir -p backups") == 5
    assert "/backups/" in (ROOT / ".gitignore").read_text().split()


def test_the_page_of_faults_names_the_alerts_that_are_expected() -> None:
    """Those of tests/test_stack/faults/expected.py; so none that is gone."""
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.splitlines()]
    told = {row[0]: row[-1].split("; NOT")[0] for row in filter(None, rows) if row[0] in EXPECTED}
    assert told == {fault: str(each) for fault, each in EXPECTED.items()}


def test_the_table_of_faults_shows_one_page_an_incident() -> None:
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.splitlines()]
    pages = {row[0]: row[3] for row in filter(None, rows) if row[0] in EXPECTED}
    assert {fault: pages[fault] for fault in not_empty(EXPECTED)} == {
        fault: str(int(each.page is not None)) for fault, each in EXPECTED.items()
    }


def test_the_readme_promises_no_more_of_a_fault_than_was_measured() -> None:
    words = {"two": 2, "three": 3, "five": 5, "ten": 10, "twelve": 12, "fifteen": 15}
    page = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    (row,) = (line.split("|") for line in page.splitlines() if line.startswith("| ai_errors "))
    first, over = float(row[3]), float(row[7])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    promised = {
        fault: words[minutes]
        for fault, minutes in re.findall(r"NAME=(\w+)` \| .* within (\w+) minutes", readme)
    }
    assert promised.keys() == {"ai_errors", "none"}
    assert first < promised["ai_errors"]
    assert over < promised["none"]
