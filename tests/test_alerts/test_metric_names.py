"""A metric is named once: in the catalogue. A string that names one anywhere else is a defect."""

import ast
import re

import pytest

from app.core import catalogue
from tests.not_empty import not_empty
from tests.project import ROOT

CATALOGUES = {
    "app": "app/core/catalogue.py",
    "asgi_observability": "asgi_observability/catalogue.py",
}
NAMES = {name for m in catalogue.metrics() for name in (m.name, *m.series_names)}
PACKAGES = (
    "app",
    "alerts",
    "asgi_observability",
    "dashboards",
    "prometheus_tools",
    "simulator",
    "stack",
)


def metric_names_in(source: str) -> list[tuple[int, str]]:
    """Line and name of each metric that a string of ``source``, docstrings aside, names."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, word)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in docstrings
        for word in re.findall(r"\w+", node.value)
        if word in NAMES
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_metric_is_named_by_a_string(package: str) -> None:
    found = {
        str(file.relative_to(ROOT)): metric_names_in(file.read_text())
        for file in not_empty((ROOT / package).rglob("*.py"))
    }
    if package in CATALOGUES:
        assert found.pop(CATALOGUES[package])
    named = {file: names for file, names in found.items() if names}
    assert named == {}, "take the name from app.core.catalogue"


@pytest.mark.parametrize(
    "source",
    [
        "x = 'orchestrator_approvals_total'",
        "x = f'sum(rate(operation_errors_total[{window}]))'",
        "x = 'job:orchestrator_sms_processing_duration_seconds:p99'",
    ],
)
def test_a_name_in_a_string_is_found(source: str) -> None:
    assert len(metric_names_in(source)) == 1
