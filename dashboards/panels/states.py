"""Which state each of several things was in, over time."""

from collections.abc import Mapping
from dataclasses import replace

from alerts.model import Unit
from dashboards import grafana
from dashboards.colours import Colour, fixed
from dashboards.grafana import Panel
from dashboards.panels.parts import values
from dashboards.panels.query import Query, over_time, while_known


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
    one that is always there.
    """
    known = [while_known(query) for query in queries]
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=over_time([_always(each) for each in known]),
        defaults={
            **values(Unit.COUNT, empty, states),
            # By threshold, Grafana would put ranges of numbers in the place of the states' names.
            "color": fixed(Colour.UNKNOWN),
            "custom": {"fillOpacity": 80, "lineWidth": 0},
        },
        options={
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "auto",
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
    )


def _always(query: Query) -> Query:
    """``query`` with a lane that is always there; lanes by label say themselves which they are."""
    is_one_lane = "{{" not in query.legend
    return replace(query, expr=or_unknown(query.expr)) if is_one_lane else query


def or_unknown(expr: str) -> str:
    """``expr``, and NaN where it has no series: a lane that says so, in grey."""
    return f"{expr} or on () vector(NaN)"
