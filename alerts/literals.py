"""Metrics that a signal names as text, where the catalogue's or the exporters' name belongs.

A name that is written out is not found by whoever renames the metric, and nothing says its labels.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from alerts.exporters import known_metrics

# Words of prose, such as "up", are names only where PromQL stands around them.
_PROSE = re.compile(r"[a-z]+")


def literal_metrics_in(folder: Path) -> list[str]:
    """Each place in the modules of ``folder`` whose text names a metric, with the fix."""
    names = {name for metric in known_metrics() for name in (metric.name, *metric.series_names)}
    return [
        f"{file}:{line}: names {name} as text; take it from app.core.catalogue or alerts.exporters"
        for file in sorted(folder.rglob("*.py"))
        for line, name in _named(file.read_text(encoding="utf-8"), names)
    ]


def _named(source: str, names: set[str]) -> Iterator[tuple[int, str]]:
    tree = ast.parse(source)
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in documentation:
                continue
            for match in re.finditer(r"\w+", node.value):
                if match[0] in names and _is_series(node.value, match):
                    yield node.lineno, match[0]


def _is_series(text: str, match: re.Match[str]) -> bool:
    if not _PROSE.fullmatch(match[0]):
        return True
    after, before = text[match.end() :], text[: match.start()]
    return after[:1] in ("{", "[") or not (before + after).strip("() ")
