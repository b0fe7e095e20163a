"""Present values: one number, or a bar for each of several."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from alerts.model import Dashboard, Unit
from dashboards import grafana
from dashboards.colours import fixed, neutral, thresholds
from dashboards.grafana import Panel
from dashboards.links import links_to
from dashboards.panels.parts import LAST, is_neutral, override, values
from dashboards.panels.query import Query, as_of_now, while_known, with_where

Steps = Sequence[Mapping[str, Any]]


def stat(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    steps: Steps,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
    decimals: int | None = None,
    texts: Mapping[str, tuple[str, str]] | None = None,
) -> Panel:
    """One number as of the end of the range, on the colour of its ``steps``; it is a link too.

    What is no longer known is not shown. A number that is neither good nor bad has no colour, so
    that it is not louder than those that are. ``texts`` has what is written in place of certain
    values, and its colour.
    """
    return Panel(
        kind="stat",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=as_of_now([query]),
        defaults={
            **values(unit, empty, texts, decimals),
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(steps),
            # On the number and not in the head, where an icon would take the title's place.
            "links": links_to(links),
        },
        options={
            "colorMode": "none" if is_neutral(steps) else "background_solid",
            "graphMode": "none",
            "justifyMode": "center",
            "orientation": "auto",
            "textMode": "value",
            "reduceOptions": LAST,
        },
    )


def bar_gauge(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    steps: Steps,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
    limits: tuple[float | None, float | None] = (0, None),
    decimals: int | None = None,
) -> Panel:
    """The present value of each series as a bar, coloured by ``steps``, within ``limits``."""
    least, most = limits
    queries = tuple(with_where(while_known(each)) for each in queries)
    return Panel(
        kind="bargauge",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=as_of_now(queries),
        defaults={
            **values(unit, empty, decimals=decimals),
            "min": least,
            "max": most,
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(steps),
        },
        options={
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "namePlacement": "auto",
            # Else those of two or three bars are larger than the panel's title. Larger names would
            # be cut: Grafana gives low bars room for the one of most letters, at a size of 12.
            "text": {"titleSize": 10.5, "valueSize": 16},
            "reduceOptions": LAST,
        },
        links=links_to(links),
    )


def or_unknown(expr: str) -> str:
    """``expr``, and NaN where it has no series: a bar that says so, in grey."""
    return f"{expr} or on () vector(NaN)"


def bar_list(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """The present value of each query as a bar, from top to bottom as they are given.

    What is not known has a bar that says so: Grafana leaves out the name of one that is alone.
    """
    panel = bar_gauge(
        title, description, unit, *queries, steps=neutral(), empty="Not known", links=links
    )
    known = [while_known(query) for query in queries]
    panel.targets = as_of_now([replace(each, expr=or_unknown(each.expr)) for each in known])
    panel.overrides = [
        override(query.legend, color=fixed(query.colour)) for query in queries if query.colour
    ]
    return panel
