"""Every alert in one table: what it watches now, its limit, how near that is, and its state.

The labels of a row are packed into one and split at the end, so that each of some hundred rows
needs one function and not six.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from alerts.exporters import ALERTS
from alerts.model import Comparison, Group, Severity, Signal, Threshold, Unit
from alerts.signals.monitoring import WATCHDOG
from dashboards.choices import DEPLOYMENT
from dashboards.colours import Colour, steps
from dashboards.grafana import Panel
from dashboards.links import dashboard_url
from dashboards.panels import Column, Query, table
from dashboards.panels.tables import Heading, highest
from dashboards.signals import series_of

_SCALED: Mapping[Unit, tuple[float, str]] = {
    Unit.RATIO: (100, "%"),
    Unit.SECONDS: (1, "s"),
    Unit.PER_SECOND: (1, "/s"),
    Unit.COUNT: (1, "count"),
    Unit.BYTES: (2.0**-20, "MiB"),
}
_EVALUATED = f'{ALERTS}{{alertname="{WATCHDOG}"}}'
_PARTS = ("id", "alert", "signal", "limit", "unit", "uid", "panel")


def signal_table(groups: Iterable[Group], places: Mapping[str, Mapping[str, int]]) -> Panel:
    """A row for each threshold of an alert, the nearest to its limit first.

    ``places`` has, for each dashboard, the panel that shows the series of a signal.
    """
    rows = [
        _Row(group, watched, threshold, number)
        for group in groups
        for watched in group.signals
        for number, threshold in enumerate(watched.thresholds)
        # The Watchdog always fires, and has no limit.
        if threshold.severity is not Severity.INFO
    ]
    states = {
        "0": ("does not fire", Colour.GOOD),
        "1": ("pending", Colour.NEUTRAL),
        "2": ("ticket", Colour.WARNING),
        "3": ("page", Colour.BAD),
    }
    return table(
        "Every alert and its limit",
        "What each alert watches, at its worst, and its limit. Near: the share of the limit that "
        "is reached; beyond 100% the alert becomes pending, if what else it asks for holds as "
        "well. Good is no row above 80%. A row without a number is not known, or its limit is yes "
        "or no. A click on the signal opens its graph, or the dashboard that shows it.",
        {
            "alert": Heading("alert", width=220),
            "signal": Heading("signal", url=_graph_url(), link_title="Open its graph"),
            "limit": Heading("limit", width=200),
            "unit": Heading("unit", width=60),
        },
        Column(Query(_split(row.described(places) for row in rows), "known"), Unit.COUNT),
        Column(Query(_any_of(row.now for row in rows), "now"), Unit.COUNT, width=90),
        Column(
            Query(_any_of(row.nearness for row in rows), "near"),
            Unit.RATIO,
            steps(Colour.NEUTRAL, (0.8, Colour.WARNING), (1, Colour.BAD)),
            width=90,
        ),
        Column(Query(_any_of(row.state for row in rows), "state"), Unit.COUNT, texts=states),
        sort=highest("near"),
        order=("alert", "signal", "now", "unit", "limit", "near", "state"),
        hidden=("known", "id", "uid", "panel"),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    group: Group
    watched: Signal
    threshold: Threshold
    number: int

    @property
    def now(self) -> str:
        """PromQL: the worst value, in the row's unit."""
        factor, _ = _SCALED[self.watched.unit]
        return self._labelled(f"{factor:g} * {self._worst()}")

    @property
    def nearness(self) -> str:
        """PromQL: the share of the limit that is reached; nothing where the limit is 0."""
        limit = self.threshold.value
        is_yes_or_no = self._falls and self.watched.unit is Unit.COUNT
        if limit <= 0 or is_yes_or_no:
            return ""
        return self._labelled(
            f"{limit:g} / {self._worst()}" if self._falls else f"{self._worst()} / {limit:g}"
        )

    @property
    def state(self) -> str:
        """PromQL: 3 while it pages, 2 while it is a ticket, 1 while it is pending, else 0."""
        labels = {
            "alertname": self.threshold.alert,
            "severity": self.threshold.severity,
            **self.threshold.labels,
        }
        matchers = ",".join(f'{name}="{value}"' for name, value in labels.items())
        fires = f'{ALERTS}{{alertstate="firing",{matchers}}}'
        waits = f'{ALERTS}{{alertstate="pending",{matchers}}}'
        worst = 3 if self.threshold.severity is Severity.PAGE else 2
        return self._labelled(f"max({fires} * {worst} or {waits}) or 0 * max({_EVALUATED})")

    def described(self, places: Mapping[str, Mapping[str, int]]) -> str:
        """PromQL of 1, with all that is written in the row in one label."""
        uid = self.watched.dashboard or self.group.dashboard
        _, unit = _SCALED[self.watched.unit]
        panel = places.get(uid, {}).get(self.watched.title)
        shown = f"viewPanel=panel-{panel}" if panel else ""
        limit = self.threshold.described(self.watched.unit)
        parts = (
            self._id,
            self.threshold.alert,
            self.watched.title,
            limit,
            unit,
            uid.value,
            shown,
        )
        packed = "|".join(parts)
        return f'label_replace(vector(1), "row", "{packed}", "", "")'

    @property
    def _id(self) -> str:
        return f"{self.group.name} {self.watched.title} {self.number}"

    @property
    def _falls(self) -> bool:
        return self.threshold.comparison in (Comparison.BELOW, Comparison.AT_MOST)

    def _worst(self) -> str:
        series = series_of(self.watched, self.threshold.matchers, DEPLOYMENT)
        return f"{'min' if self._falls else 'max'}({series})"

    def _labelled(self, expr: str) -> str:
        return f'label_replace({expr}, "id", "{self._id}", "", "")'


def _split(packed: Iterable[str]) -> str:
    """PromQL of all rows, with a label for each part, and no other."""
    whole = _any_of(packed)
    for position, name in enumerate(_PARTS):
        skipped = "[^|]*[|]" * position
        whole = f'label_replace({whole}, "{name}", "$1", "row", "{skipped}([^|]*).*")'
    return f"max by ({', '.join(_PARTS)}) ({whole})"


def _any_of(exprs: Iterable[str]) -> str:
    """PromQL with the series of all of ``exprs``, in pairs of pairs: no long chain to walk."""
    level = list(filter(None, exprs))
    while len(level) > 1:
        pairs = [level[number : number + 2] for number in range(0, len(level), 2)]
        level = [f"({' or '.join(pair)})" if len(pair) > 1 else pair[0] for pair in pairs]
    return level[0]


def _graph_url() -> str:
    return dashboard_url("${__data.fields.uid}") + "&${__data.fields.panel}"
