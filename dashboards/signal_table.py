"""Every alert in one table: what it watches now, its limit, how near that is, and its state.

The labels of a row are packed into one and split at the end, so that each of some hundred rows
needs one function and not six.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alerts.exporters import ALERTS
from alerts.model import Comparison, Dashboard, Group, Severity, Signal, Threshold, Unit
from dashboards.board import panel_id
from dashboards.choices import ALERTS_OF
from dashboards.colours import Colour, steps
from dashboards.deployments import WHERE, with_where
from dashboards.grafana import Panel
from dashboards.known import REACHED, now
from dashboards.links import dashboard_url
from dashboards.panels import Column, Query, table
from dashboards.panels.query import asked
from dashboards.panels.tables import NOT_KNOWN, Heading, highest
from dashboards.queries import series_in
from dashboards.signals import worst_of_each
from dashboards.sources import Source, sources_of

_ENDINGS: Mapping[str, float] = {
    "%": 0.01,
    "/s": 1,
    "": 1,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""How limits are written, and how much one of that is."""
_BY_SIGHT = ("table", "stat", "bargauge", "heatmap", "state-timeline", "timeseries")
"""Kinds of panels, those last that show best what a signal did."""
PARTS = ("id", "alert", "signal", "limit", "uid", "panel")
"""What is packed into the label of a row, with | between."""

_DOWN = with_where(f"({REACHED} == 0)")
_ID_OF_LEFT_OUT = "can't be reached: $1"
_ROW_OF_LEFT_OUT = "|".join(
    (
        _ID_OF_LEFT_OUT,
        NOT_KNOWN,
        "In no row, since it can't be reached: $1",
        "",
        Dashboard.MONITORING,
        f"viewPanel=panel-{panel_id('Which targets are up?')}",
    )
)
_LEFT_OUT = f'label_replace({_DOWN}, "row", "{_ROW_OF_LEFT_OUT}", "{WHERE}", "(.*)")'
"""PromQL of a row for each deployment of which the others tell nothing."""
_LEFT_OUT_COMES_FIRST = (
    f'max by (id) (Inf + label_replace({_DOWN}, "id", "{_ID_OF_LEFT_OUT}", "{WHERE}", "(.*)"))'
)


@dataclass(frozen=True, slots=True)
class Place:
    """A panel on the dashboard ``uid``: what it is called, asks, and the series that it reads."""

    uid: str
    panel: int
    title: str
    kind: str
    asks: str
    series: frozenset[str]

    @classmethod
    def of(cls, uid: str, panel: Panel) -> "Place":
        """That of ``panel`` on a dashboard."""
        exprs = list(asked(panel))
        read = frozenset(name for expr in exprs for name in series_in(expr))
        return cls(uid, panel_id(panel.title), panel.title, panel.kind, " ".join(exprs), read)


def signal_table(groups: Iterable[Group], places: Sequence[Place]) -> Panel:
    """A row for each threshold of an alert, the nearest to its limit first.

    A click on a row opens that of the ``places`` which shows its signal.
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
        "1": ("held back", Colour.OTHER),
        "2": ("pending", Colour.NEUTRAL),
        "3": ("ticket", Colour.WARNING),
        "4": ("page", Colour.BAD),
    }
    return table(
        "Every alert and its limit",
        "What each alert watches, at its worst and in the unit of its limit, and which share of it "
        "that is. Good is no row above 80%. Held back: it is beyond its limit, and what else the "
        "alert asks for does not hold, such as enough traffic. A deployment that can't be reached "
        "is in no row but its own, the first. Where the share is not known, nor is the value, or "
        "the limit is yes or no. A click on the signal opens its graph.",
        {
            "alert": Heading("alert", width=235),
            "signal": Heading("signal", url=_graph_url(), link_title="Open its graph", wraps=True),
            "limit": Heading("limit", width=162),
        },
        Column(
            Query(_split([*(row.described(places) for row in rows), _LEFT_OUT]), "known"),
            Unit.COUNT,
        ),
        Column(Query(_now(rows), "now"), Unit.COUNT, width=88),
        Column(
            Query(f"{_worst(row.nearness for row in rows)} or {_LEFT_OUT_COMES_FIRST}", "of it"),
            Unit.RATIO,
            steps(Colour.MUTED, (0.8, Colour.WARNING)),
            width=90,
        ),
        Column(Query(_states(rows), "state"), Unit.COUNT, texts=states, width=105),
        sort=highest("of it"),
        order=("alert", "signal", "now", "limit", "of it", "state"),
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
        """PromQL: each deployment's worst value, in the unit in which its limit is written."""
        text = self.watched.unit.text(self.threshold.value)
        ending = text.lstrip("-0123456789.e+")
        return self._labelled(f"{self._worst_of_each()} / {_ENDINGS[ending]:g}")

    @property
    def nearness(self) -> str:
        """PromQL: the share of the limit that is reached; nothing where the limit is 0."""
        limit = self.threshold.value
        is_yes_or_no = self.falls and self.watched.unit is Unit.COUNT
        if limit <= 0 or is_yes_or_no:
            return ""
        worst = self._worst_of_each()
        return self._labelled(f"{limit:g} / {worst}" if self.falls else f"{worst} / {limit:g}")

    @property
    def alert_state(self) -> str:
        """PromQL: 4 while it pages, 3 while it is a ticket, 2 while it is pending."""
        labels = {
            "alertname": self.threshold.alert,
            "severity": self.threshold.severity,
            **self.threshold.labels,
        }
        matchers = ",".join((*(f'{name}="{value}"' for name, value in labels.items()), ALERTS_OF))
        fires = f'{ALERTS}{{alertstate="firing",{matchers}}}'
        waits = f'{ALERTS}{{alertstate="pending",{matchers}}}'
        worst = 4 if self.threshold.severity is Severity.PAGE else 3
        return self._labelled(f"max({fires} * {worst} or {waits} * 2)")

    @property
    def beyond(self) -> str:
        """PromQL: 1 where it is beyond its limit, else 0: held back, by what else it asks for."""
        comparison = f"{self.threshold.comparison.value} bool {self.threshold.value:g}"
        return self._labelled(f"({self._worst_of_each()} {comparison})")

    @property
    def quiet(self) -> str:
        """PromQL of 0."""
        return self._labelled("vector(0)")

    def described(self, places: Sequence[Place]) -> str:
        """PromQL of 1, with all that is written in the row in one label."""
        place = self._shown_at(places)
        limit = self.threshold.described(self.watched.unit)
        parts = (
            self._id,
            self.threshold.alert,
            self.watched.title,
            limit,
            place.uid,
            f"viewPanel=panel-{place.panel}",
        )
        packed = "|".join(parts)
        return f'label_replace(vector(1), "row", "{packed}", "", "")'

    def _shown_at(self, places: Sequence[Place]) -> Place:
        """The panel of the signal itself, else one of its series, a graph where there is one."""
        source, matchers = str(self.watched.source), self.threshold.matchers
        uid, read = self.watched.dashboard or self.group.dashboard, series_in(source)
        return max(
            places,
            key=lambda place: (
                place.uid == uid and place.title == self.watched.title,
                bool(read & place.series) and bool(matchers) and matchers in place.asks,
                bool(read & place.series),
                place.uid == uid,
                source in place.asks,
                _BY_SIGHT.index(place.kind) if place.kind in _BY_SIGHT else -1,
                len(read & place.series),
            ),
        )

    @property
    def _id(self) -> str:
        return f"{self.group.name} {self.watched.title} {self.number}"

    @property
    def falls(self) -> bool:
        """Whether the least value is the worst."""
        return self.threshold.comparison in (Comparison.BELOW, Comparison.AT_MOST)

    def _worst_of_each(self) -> str:
        return worst_of_each(self.watched, self.threshold.matchers, ALERTS_OF)

    def _labelled(self, expr: str) -> str:
        return f'label_replace({expr}, "id", "{self._id}", "", "")'


def _split(packed: Iterable[str]) -> str:
    """PromQL of all rows, with a label for each part, and no other."""
    whole = _any_of(packed)
    for position, name in enumerate(PARTS):
        skipped = "[^|]*[|]" * position
        whole = f'label_replace({whole}, "{name}", "$1", "row", "{skipped}([^|]*).*")'
    return f"max by ({', '.join(PARTS)}) ({whole})"


def _states(rows: Sequence[_Row]) -> str:
    """PromQL of each row's state; that of its alert, where rules are evaluated, before all others.

    What is watched may not be known while it is known that its alert does not fire.
    """
    alerts = _any_of(row.alert_state for row in rows)
    beyond = _worst(row.beyond for row in rows)
    quiet = _any_of(row.quiet for row in rows)
    return now(f"{alerts} or on (id) {beyond} or on (id) {quiet}", Source.ALERTS)


def _now(rows: Sequence[_Row]) -> str:
    """PromQL of each row's worst value."""
    by_how = {
        "max": [row.now for row in rows if not row.falls],
        "min": [row.now for row in rows if row.falls],
    }
    return " or ".join(_worst(exprs, how) for how, exprs in by_how.items() if exprs)


def _worst(exprs: Iterable[str], how: str = "max") -> str:
    """PromQL of each row's worst of the deployments of which it is known now."""
    return f"{how} by (id) ({_known_of(exprs)})"


def _known_of(exprs: Iterable[str]) -> str:
    """PromQL with the series of all of ``exprs`` that are known now."""
    by_source: dict[tuple[Source, ...], list[str]] = {}
    for expr in filter(None, exprs):
        by_source.setdefault(sources_of(expr), []).append(expr)
    return _any_of(now(_any_of(several), *sources) for sources, several in by_source.items())


def _any_of(exprs: Iterable[str]) -> str:
    """PromQL with the series of all of ``exprs``, in pairs of pairs: no long chain to walk."""
    level = list(exprs)
    while len(level) > 1:
        pairs = [level[number : number + 2] for number in range(0, len(level), 2)]
        level = [f"({' or '.join(pair)})" if len(pair) > 1 else pair[0] for pair in pairs]
    return level[0]


def _graph_url() -> str:
    return dashboard_url("${__data.fields.uid}") + "&${__data.fields.panel}"
