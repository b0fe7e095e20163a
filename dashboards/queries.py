"""What a dashboard asks of Prometheus, read from its JSON."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from promql_parser import VectorSelector

from alerts.expressions import selectors

BUILT_IN: Mapping[str, str] = {
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "1h",
}
"""As Grafana fills them in on an hour's view of data scraped every 15 s."""

# $1 is a group of a regular expression.
_VARIABLE = re.compile(r"\$(?:\{([a-zA-Z_]\w*)(?::\w+)?\}|([a-zA-Z_]\w*))")


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of a panel, or of an annotation, with the variables filled in."""

    panel: str
    expr: str
    is_instant: bool = False
    """Asked for the end of the range only."""


def panels(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, those in closed rows included, without the rows."""
    for panel in document.get("panels", []):
        yield from panels(panel) if "panels" in panel else ()
        if panel["type"] != "row":
            yield panel


def variables(document: Mapping[str, Any]) -> set[str]:
    """The names of the dashboard's own variables."""
    return {each["name"] for each in document.get("templating", {}).get("list", [])}


def of_all(document: Mapping[str, Any]) -> dict[str, str]:
    """What a query reads for each variable where all values are chosen."""
    return {
        each["name"]: each.get("allValue") or ".+"
        for each in document.get("templating", {}).get("list", [])
    }


def queries(
    document: Mapping[str, Any],
    chosen: Mapping[str, str],
    built_in: Mapping[str, str] = BUILT_IN,
) -> Iterator[PanelQuery]:
    """The PromQL of each panel, with what is ``chosen``, such as `of_all`.

    Raises ValueError naming the panel when a query uses a variable that the dashboard has not.
    """
    values = {**chosen, **built_in}
    for panel in panels(document):
        if is_prometheus(panel):
            for target in panel.get("targets", []):
                expr = filled_in(target["expr"], values, f"panel {panel['title']!r}")
                yield PanelQuery(panel["title"], expr, bool(target.get("instant")))


def annotation_queries(
    document: Mapping[str, Any], chosen: Mapping[str, str]
) -> Iterator[PanelQuery]:
    """The same of what is marked on all panels, by the annotation's name."""
    values = {**chosen, **BUILT_IN}
    for each in document.get("annotations", {}).get("list", []):
        expr = filled_in(each["expr"], values, f"annotation {each['name']!r}")
        yield PanelQuery(each["name"], expr)


def is_prometheus(panel: Mapping[str, Any]) -> bool:
    """Whether the panel asks Prometheus, and not Loki or nobody."""
    return bool(panel.get("datasource", {}).get("type") == "prometheus")


def filled_in(expr: str, values: Mapping[str, str], where: str) -> str:
    """``expr`` with the ``values`` of its variables. Raises ValueError naming ``where``."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise ValueError(
                f"{where}: no variable ${name}; there are ${', $'.join(sorted(values))}"
            )
        return values[name]

    return _VARIABLE.sub(value, expr)


@cache
def selectors_in(expr: str) -> tuple[VectorSelector, ...]:
    """The series that ``expr`` reads; none where it can't be parsed, which is a finding already."""
    # A variable within a range is none that the parser knows.
    plain = re.sub(r"\[\$__\w+(?=[\]:])", "[1m", expr)
    try:
        return selectors(plain)
    except ValueError:
        return ()


def series_in(expr: str) -> set[str]:
    """Their names."""
    return {each.name for each in selectors_in(expr) if each.name}
