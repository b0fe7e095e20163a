"""The kinds of panels, each with the look that it has on every dashboard.

A panel's title names a quantity or asks a question; its description says what good looks like;
``empty`` says what it means that there is nothing to show. It never says that all is well: nobody
knows that where nothing is known.
"""

from dashboards.panels.graphs import band, bars, stacked, timeseries
from dashboards.panels.heatmaps import heatmap
from dashboards.panels.lines import log_rate, logs
from dashboards.panels.numbers import bar_gauge, bar_list, stat
from dashboards.panels.parts import over
from dashboards.panels.query import Query
from dashboards.panels.states import state_timeline
from dashboards.panels.tables import Column, table

SERIES_AT_MOST = {
    "stat": 1,
    "bargauge": 12,
    "heatmap": 40,
    "state-timeline": 20,
    "table": 60,
    "timeseries": 30,
}
"""How many series a panel of each kind can show and still be read, of one instance."""

__all__ = [
    "SERIES_AT_MOST",
    "Column",
    "Query",
    "band",
    "bar_gauge",
    "bar_list",
    "bars",
    "heatmap",
    "log_rate",
    "logs",
    "over",
    "stacked",
    "stat",
    "state_timeline",
    "table",
    "timeseries",
]
