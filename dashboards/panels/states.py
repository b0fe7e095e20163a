"""Which state each of several things was in, over time."""

from collections.abc import Mapping
from dataclasses import replace

from alerts.model import Unit
from dashboards import grafana
from dashboards.colours import Colour, fixed
from dashboards.deployments import BY, in_legend, legend_with_where
from dashboards.grafana import Panel
from dashboards.known import deployments_in_range
from dashboards.panels.parts import NO_VALUE, values
from dashboards.panels.query import Query, over_time, while_known

UNKNOWN_STATE = -9
"""The value of a lane that is not known. Grafana merges no two NaN: each step would be a box of its
own, with as much of "Not known" as has room, which is "No"."""
_LANES_OF_A_PAGE = 20
"""Grafana's own number; those of a second page are seen by nobody."""


def state_timeline(
    title: str,
    description: str,
    *queries: Query,
    states: Mapping[str, tuple[str, str]],
    empty: str = "",
) -> Panel:
    """A lane for each series, coloured by the state it is in.

    ``states`` has the text and the colour of each value. A lane that is not known in the whole
    range is grey: Grafana would draw none. A query with a lane for each value of a label must have
    one that is always there. Each deployment has lanes of its own.
    """
    unknown = (empty or NO_VALUE, Colour.UNKNOWN)
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=over_time([_of_each_deployment(each) for each in queries]),
        defaults={
            **values(Unit.COUNT, empty, {**states, str(UNKNOWN_STATE): unknown}),
            # By threshold, Grafana would put ranges of numbers in the place of the states' names.
            "color": fixed(Colour.UNKNOWN),
            "custom": {"fillOpacity": 80, "lineWidth": 0},
        },
        options={
            "mergeValues": True,
            # Those of two deployments.
            "perPage": max(_LANES_OF_A_PAGE, 2 * len(queries)),
            "rowHeight": 0.85,
            "showValue": "auto",
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def _of_each_deployment(query: Query) -> Query:
    """``query`` with a lane of each deployment that is always there, and says which it is.

    Lanes by label say themselves which they are.
    """
    known = while_known(query).expr
    if "{{" not in query.legend:
        known = f"{_or_unknown_of_each(known)} or on () vector({UNKNOWN_STATE})"
    return replace(query, expr=in_legend(known), legend=legend_with_where(query.legend), of=())


def _or_unknown_of_each(expr: str) -> str:
    """``expr``, and a grey lane for each deployment of the range of which it tells nothing."""
    each = deployments_in_range(expr)
    return f"{expr} or on ({BY}) {UNKNOWN_STATE} * {each}" if each else expr
