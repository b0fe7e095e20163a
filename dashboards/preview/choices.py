"""What there is to choose from, as Grafana finds it: "all" is every value that Prometheus knows."""

import re
from dataclasses import replace

from dashboards.preview.dashboard import ALL, Dashboard
from dashboards.queries import filled_in
from prometheus_tools.api import PrometheusAPI

_LABEL_VALUES = re.compile(r"label_values\((?P<series>.+),\s*(?P<label>\w+)\)")


def with_all_values(board: Dashboard, prometheus: PrometheusAPI, start: int, end: int) -> Dashboard:
    """The dashboard with the values of each variable of which all are chosen.

    A later variable may ask with an earlier one in its query. One that nothing is known of keeps
    everything. Raises PrometheusError.
    """
    chosen = dict(board.variables)
    for name, query in board.variable_queries.items():
        if chosen[name] != ALL or not (found := _LABEL_VALUES.fullmatch(query)):
            continue
        selector = filled_in(found["series"], chosen, f"{board.name}: variable {name}")
        series = prometheus.series(selector, start, end)
        values = sorted({each[found["label"]] for each in series if found["label"] in each})
        # A backslash stands in a string of PromQL.
        chosen[name] = "|".join(map(re.escape, values)).replace("\\", r"\\") or ALL
    return replace(board, variables=chosen)
