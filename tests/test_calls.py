"""What a call says can be read where it stands: no long row of values without names."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.not_empty import not_empty
from tests.project import ROOT

MOST = 5
"""Values without names in one call."""

FOLDERS = ("app", "alerts", "dashboards", "prometheus_tools", "simulator", "stack", "tests")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the project."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8"))


def taking_a_fixed_number(modules: list[tuple[Path, ast.Module]]) -> set[str]:
    """Names of the project's own classes and functions, without those that take any number."""
    takes_any: dict[str, list[bool]] = defaultdict(list)
    for _, module in modules:
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                takes_any[node.name].append(False)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                takes_any[node.name].append(node.args.vararg is not None)
    return {name for name, some in takes_any.items() if not any(some)}


def imported_from_elsewhere(module: ast.Module) -> set[str]:
    """Names that a module has from a library."""
    return {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in FOLDERS
        for alias in node.names
    }


def called(node: ast.Call) -> str:
    """The last part of what is called."""
    return ast.unparse(node.func).rsplit(".", 1)[-1]


def test_no_call_has_a_long_row_of_values_without_names() -> None:
    modules = list(trees())
    own = taking_a_fixed_number(modules)
    found = []
    for path, module in not_empty(modules):
        known = own - imported_from_elsewhere(module)
        found += [
            f"{path}:{node.lineno}: {called(node)} is given {len(node.args)} values without names"
            for node in ast.walk(module)
            if isinstance(node, ast.Call) and len(node.args) > MOST and called(node) in known
        ]
    assert not found, "\n".join(found)
