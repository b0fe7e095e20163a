"""How often each duration or share occurs, and how much in each hour of a week."""

from dataclasses import replace
from typing import Any

from alerts.model import Unit
from dashboards import grafana
from dashboards.grafana import Panel
from dashboards.panels.parts import GRAFANA_UNITS, no_value, over
from dashboards.panels.query import Query, over_time
from dashboards.panels.states import or_unknown


def heatmap(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
) -> Panel:
    """How often each duration or share occurs; ``query`` gives rates of buckets by ``le``."""
    panel = _cells(title, description, cells="short", axis=GRAFANA_UNITS[unit])
    panel.targets = over_time([query], format="heatmap")
    return panel


def rows_heatmap(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    last: str,
) -> Panel:
    """A row of coloured cells for each query, over the ``last`` time, whatever is chosen."""
    name = GRAFANA_UNITS[unit]
    panel = _cells(title, description, cells=name, axis="")
    panel.defaults["unit"] = name
    # Grafana draws an error in place of all rows where one of several queries has no series.
    panel.targets = over_time([replace(each, expr=or_unknown(each.expr)) for each in queries])
    return over(last, panel)


def _cells(title: str, description: str, cells: str, axis: str) -> Panel:
    axis_of: dict[str, Any] = {"axisPlacement": "left", "reverse": False}
    return Panel(
        kind="heatmap",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        defaults={"unit": axis, **no_value("")},
        options={
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": cells},
            "color": {
                "mode": "scheme",
                "scheme": "Blues",
                "fill": "blue",
                "scale": "exponential",
                "exponent": 0.5,
                "steps": 64,
                "reverse": False,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
            "yAxis": {**axis_of, "unit": axis} if axis else axis_of,
        },
    )
