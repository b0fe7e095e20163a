"""Tables: a row for each set of label values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from alerts.identity import IDENTITY
from alerts.model import Dashboard, Unit
from dashboards import grafana
from dashboards.colours import Colour, steps, thresholds
from dashboards.deployments import BY, WHERE, is_told_apart, with_where
from dashboards.grafana import Panel
from dashboards.known import deployments_of
from dashboards.links import links_to
from dashboards.panels.parts import GRAFANA_UNITS, no_value, override
from dashboards.panels.query import Query, as_of_now, while_known

NOT_KNOWN = "Not known"
_WIDTH_OF_WHERE = 130
_BEFORE_ALL_OTHERS = dict.fromkeys(("Infinity", "-Infinity"), (NOT_KNOWN, Colour.UNKNOWN))
"""How Grafana calls the values of rows that come before all others: they have none."""
_COLOURED = {"type": "color-background", "mode": "basic"}
_WRITTEN = {"type": "color-text"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the value of ``query`` in each row, under ``query.legend``.

    ``texts`` has what is written in place of certain values, and its colour.
    """

    query: Query
    unit: Unit
    steps: Sequence[Mapping[str, Any]] = ()
    texts: Mapping[str, tuple[str, str]] | None = None
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of label values: its heading, and where a click on one leads.

    ``colours`` are those of certain values, ``texts`` what is written in their place. A ``url`` may
    read the row's other columns as ``${__data.fields["heading"]}``. A long text is cut where the
    column is too narrow, unless it ``wraps``.
    """

    text: str
    colours: Mapping[str, str] | None = None
    texts: Mapping[str, str] | None = None
    url: str = ""
    link_title: str = ""
    width: int | None = None
    wraps: bool = False


def table(
    title: str,
    description: str,
    labels: Mapping[str, str | Heading],
    *columns: Column,
    sort: Mapping[str, Any],
    order: Sequence[str] = (),
    hidden: Sequence[str] = (),
    links: tuple[Dashboard, ...] = (),
    none: tuple[str, str] = ("", ""),
) -> Panel:
    """A row for each set of label values, in the order of ``sort``: `highest` or `lowest`.

    ``labels`` has the heading of each label that is shown; the queries have to keep exactly those
    and the ``hidden`` ones, which links may read. ``order`` names headings from left to right,
    where that is not the labels and then the columns. A cell without a value is grey and says that
    it is not known. Where the first column has no row there is one that says the same, since
    Grafana leaves an empty table blank; also for a deployment without rows, where rows say which
    they are of, in a column that isn't there where no deployment has a name. Save where the PromQL
    of ``none`` has a series, which says that nothing is there to be shown: the row has its text
    then, and the value -1.
    """
    headings = {
        name: each if isinstance(each, Heading) else Heading(each) for name, each in labels.items()
    }
    if is_told_apart(columns[0].query.expr):
        headings[WHERE] = Heading(WHERE, width=_WIDTH_OF_WHERE)
    first, *others = (replace(each, query=while_known(each.query)) for each in columns)
    unknown = _Unknown.of(first.query.expr, next(iter(labels)), sort)
    columns = (
        _asking(first, unknown.or_rows(first.query, *none)),
        *(_asking(each, unknown.or_first(each.query)) for each in others),
    )
    if WHERE in headings and WHERE not in labels:
        columns = tuple(map(_with_where, columns))
    targets = as_of_now([column.query for column in columns], format="table")
    values = {
        f"Value #{target.refId}" if len(columns) > 1 else "Value": column.query.legend
        for target, column in zip(targets, columns, strict=True)
    }
    named = {**{name: each.text for name, each in headings.items()}, **values}
    places = sorted(
        named, key=lambda name: order.index(named[name]) if named[name] in order else len(order)
    )
    return Panel(
        kind="table",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=targets,
        transformations=[
            *([{"id": "merge", "options": {}}] if len(columns) > 1 else []),
            {
                "id": "organize",
                "options": {
                    "excludeByName": dict.fromkeys(("Time", *IDENTITY), True),
                    "indexByName": {name: index for index, name in enumerate(places)},
                    "renameByName": named,
                },
            },
        ],
        defaults={
            "unit": "short",
            "thresholds": thresholds(steps(Colour.MUTED)),
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False},
            # All that is shown while Prometheus can't be asked: it isn't that there is nothing.
            **no_value(NOT_KNOWN),
        },
        overrides=[
            *(_of_heading(each) for each in headings.values()),
            *(_of_column(column) for column in columns),
            *(override(name, custom__hidden=True) for name in hidden),
        ],
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [dict(sort)],
        },
        links=links_to(links),
    )


def _with_where(column: Column) -> Column:
    return _asking(column, with_where(column.query.expr))


def _asking(column: Column, expr: str) -> Column:
    return replace(column, query=replace(column.query, expr=expr))


@dataclass(frozen=True, slots=True)
class _Unknown:
    """The rows that say what is not known: in the column of ``label``, and before all others.

    ``deployments`` is PromQL of those that have no other row, or empty. Where the rows are sorted
    by the column ``sorted_by``, ``value`` is before all others; Grafana puts no value behind them.
    """

    label: str
    deployments: str
    sorted_by: str
    value: str

    @classmethod
    def of(cls, expr: str, label: str, sort: Mapping[str, Any]) -> "_Unknown":
        """Those of a table of which ``expr`` gives the rows."""
        each = deployments_of(expr)
        without = f"({each} unless on ({BY}) ({expr}))" if each else ""
        return cls(label, without, sort["displayName"], "Inf" if sort["desc"] else "-Inf")

    def or_rows(self, query: Query, none_where: str, none: str) -> str:
        """What ``query`` asks, which gives the table its rows, and one of each of ``deployments``.

        Where there is none at all, one says that nothing is known, or that there is ``none``, where
        ``none_where`` has a series.
        """
        parts = [query.expr]
        if self.deployments:
            value = self.value if query.legend == self.sorted_by else "NaN"
            parts.append(self._row(f"{value} * {self.deployments}"))
        if none:
            parts.append(f"on () {self._row(f'0 * max({none_where}) - 1', none)}")
        return " or ".join((*parts, f"on () {self._row('vector(NaN)')}"))

    def or_first(self, query: Query) -> str:
        """What ``query`` asks, and what puts the rows of ``deployments`` before all others."""
        if not self.deployments or query.legend != self.sorted_by:
            return query.expr
        return f"{query.expr} or {self._row(f'{self.value} * {self.deployments}')}"

    def _row(self, value: str, text: str = NOT_KNOWN) -> str:
        return f'label_replace({value}, "{self.label}", "{text}", "", "")'


def highest(heading: str) -> dict[str, Any]:
    """The rows with the highest values of a column first."""
    return {"displayName": heading, "desc": True}


def lowest(heading: str) -> dict[str, Any]:
    """The rows with the lowest values of a column first; of texts, those that begin with A."""
    return {"displayName": heading, "desc": False}


def _of_heading(heading: Heading) -> dict[str, Any]:
    # A series without the label has an empty cell: the table's own text is of no answer at all.
    properties: dict[str, Any] = {"noValue": ""}
    if heading.colours:
        coloured = {**heading.colours, NOT_KNOWN: Colour.UNKNOWN}
        properties["mappings"] = _mappings({key: (key, c) for key, c in coloured.items()})
        properties["custom.cellOptions"] = _COLOURED
    if heading.texts:
        texts = {value: {"text": text} for value, text in heading.texts.items()}
        properties["mappings"] = [{"type": "value", "options": texts}]
    if heading.wraps:
        properties["custom.cellOptions"] = {"type": "auto", "wrapText": True}
    if heading.url:
        properties["links"] = [{"title": heading.link_title, "url": heading.url}]
    if heading.width:
        properties["custom.width"] = heading.width
    return override(heading.text, **properties)


def _of_column(column: Column) -> dict[str, Any]:
    # Without a mapping, a cell without a value has the colour of the first step.
    properties: dict[str, Any] = {
        "unit": GRAFANA_UNITS[column.unit],
        "mappings": _mappings({**(column.texts or {}), **_BEFORE_ALL_OTHERS}),
        "custom.cellOptions": _WRITTEN if _is_plain(column) else _COLOURED,
    }
    if column.steps:
        properties["thresholds"] = thresholds(column.steps)
    if column.width:
        properties["custom.width"] = column.width
    return override(column.query.legend, **properties)


def _is_plain(column: Column) -> bool:
    """Whether its values have no colour of their own."""
    first = [step["color"] for step in column.steps][:1]
    colours = [*first, *(colour for _, colour in (column.texts or {}).values())]
    return all(colour == Colour.MUTED for colour in colours)


def _mappings(texts: Mapping[str, tuple[str, str]]) -> list[dict[str, Any]]:
    options = {
        value: {"text": text, "color": str(colour), "index": index}
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    unknown = {"text": NOT_KNOWN, "color": Colour.UNKNOWN.value, "index": len(texts)}
    return [
        {"type": "value", "options": options},
        {"type": "special", "options": {"match": "null+nan", "result": unknown}},
    ]
