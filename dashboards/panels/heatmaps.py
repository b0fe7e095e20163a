"""How often each duration or share occurs."""

from alerts.model import Unit
from dashboards import grafana
from dashboards.grafana import Panel
from dashboards.panels.parts import GRAFANA_UNITS, no_value
from dashboards.panels.query import Query, over_time


def heatmap(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
) -> Panel:
    """How often each duration or share occurs; ``query`` gives rates of buckets by ``le``."""
    axis = GRAFANA_UNITS[unit]
    return Panel(
        kind="heatmap",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=over_time([query], format="heatmap"),
        defaults={"unit": axis, **no_value("")},
        options={
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": "short"},
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
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": axis},
        },
    )
