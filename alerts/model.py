"""The words of alerting: records, signals, thresholds and the groups they are evaluated in.

A signal says once what an operator watches. The recording rule, the alert rules with their
annotations and the dashboard panel with its threshold lines are made from it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from alerts.logs import LogQuery


class Dashboard(StrEnum):
    """The dashboards, by uid. A signal's group names the one that its alerts link to."""

    OVERVIEW = "sms-orchestrator-overview"
    SERVICES = "sms-orchestrator-services"
    AI = "sms-orchestrator-ai"
    BUSINESS = "sms-orchestrator-business"
    TRENDS = "sms-orchestrator-trends"
    ALERTS = "sms-orchestrator-alerts"
    RUNTIME = "sms-orchestrator-runtime"
    MONITORING = "sms-orchestrator-monitoring"
    LOGS = "sms-orchestrator-logs"

    @property
    def label(self) -> str:
        """What it is called, without the service's name."""
        return {
            Dashboard.OVERVIEW: "overview",
            Dashboard.SERVICES: "services",
            Dashboard.AI: "AI and approvals",
            Dashboard.BUSINESS: "business",
            Dashboard.TRENDS: "trends and capacity",
            Dashboard.ALERTS: "SLOs and alerts",
            Dashboard.RUNTIME: "runtime",
            Dashboard.MONITORING: "monitoring itself",
            Dashboard.LOGS: "logs",
        }[self]


class Severity(StrEnum):
    """What an alert asks of people."""

    PAGE = "page"
    TICKET = "ticket"
    INFO = "info"


class Team(StrEnum):
    """Who is asked."""

    ORCHESTRATOR = "orchestrator"
    PLATFORM = "platform"


class Comparison(StrEnum):
    """On which side of its threshold a signal is bad."""

    ABOVE = ">"
    BELOW = "<"
    AT_LEAST = ">="
    AT_MOST = "<="

    @property
    def words(self) -> str:
        """As people say it before a number."""
        return {">": "above", "<": "below", ">=": "at least", "<=": "at most"}[self.value]


class Unit(StrEnum):
    """What a signal's numbers count, in base units."""

    RATIO = "ratio"
    SECONDS = "seconds"
    PER_SECOND = "per second"
    COUNT = "count"
    BYTES = "bytes"

    def text(self, value: float) -> str:
        """``value`` as people write it."""
        match self:
            case Unit.RATIO:
                return f"{value * 100:.4g}%"
            case Unit.SECONDS:
                return _duration(value)
            case Unit.PER_SECOND:
                return f"{value:g}/s"
            case Unit.BYTES:
                return _bytes(value)
            case Unit.COUNT:
                return f"{value:g}"

    @property
    def template(self) -> str:
        """The template by which Prometheus writes an alert's value the same way."""
        match self:
            case Unit.RATIO:
                return "{{ $value | humanizePercentage }}"
            case Unit.SECONDS:
                return "{{ $value | humanizeDuration }}"
            case Unit.PER_SECOND:
                return "{{ $value | humanize }}/s"
            case Unit.BYTES:
                return "{{ $value | humanize1024 }}B"
            case Unit.COUNT:
                return "{{ $value | humanize }}"


def _bytes(value: float) -> str:
    """Bytes in the largest binary unit of which they are one or more, such as ``512MiB``."""
    for name, size in (("Ti", 2**40), ("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if value >= size:
            return f"{value / size:.4g}{name}B"
    return f"{value:g}B"


def _duration(value: float) -> str:
    """Seconds in the largest unit of which they are a whole number, such as ``36h``."""
    for name, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if value >= length and value % length == 0:
            return f"{value / length:g}{name}"
    return f"{value:g}s"


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule. ``name`` is level:metric:operations; ``labels`` are added to its series.

    Rules that record the same thing of several subjects share a name and differ by a label.
    """

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Guard:
    """What has to hold beside a threshold, so that little traffic or old news calls nobody.

    ``source`` times ``times`` is compared with ``value``; ``at_most`` is a bound on its other side.
    ``on`` are the labels by which its series belong to the signal's; without any, all labels have
    to agree. ``matchers`` select among them.
    """

    source: Record | str
    comparison: Comparison
    value: float
    on: tuple[str, ...] = ("job",)
    times: float = 1
    matchers: str = ""
    at_most: float | None = None

    @property
    def expr(self) -> str:
        """PromQL to be put behind the alert's own comparison."""
        matching = f"on ({', '.join(self.on)}) " if self.on else ""
        series = f"{self.source}{{{self.matchers}}}" if self.matchers else f"{self.source}"
        scaled = f"{series} * {self.times:g}" if self.times != 1 else series
        bound = f"{self.comparison} {number(beside(self.comparison, self.value))}"
        other = "" if self.at_most is None else f" {Comparison.AT_MOST} {number(self.at_most)}"
        return f"and {matching}{scaled} {bound}{other}"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a signal becomes an alert.

    ``value`` is in the signal's unit. ``matchers`` select among the signal's series; all ``guards``
    have to hold as well. ``pending`` and ``keep_firing`` are Prometheus durations. ``summary`` and
    ``description`` may use templates over the labels that the series keep. Where the value is a
    state, 1 or 0, ``state`` is what people call it, such as "Down". ``logs`` finds the lines
    that say what happened. ``absence`` names the alert that fires when the signal's series are
    missing, so that silence hides no outage; whatever pages needs one.
    """

    alert: str
    comparison: Comparison
    value: float
    severity: Severity
    team: Team
    summary: str
    description: str
    action: str
    pending: str = "0s"
    keep_firing: str = "0s"
    matchers: str = ""
    guards: tuple[Guard, ...] = ()
    state: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    logs: LogQuery | None = None
    absence: str = ""

    def described(self, unit: Unit) -> str:
        """The threshold in words, such as ``above 10% for 30s``."""
        duration = "" if self.pending == "0s" else f" for {self.pending}"
        return f"{self.comparison.words} {unit.text(self.value)}{duration}"

    def told(self, unit: Unit) -> str:
        """The end of a description: the value beside the limit, or the state, in words.

        While an alert is kept firing, Prometheus goes on telling the last value beyond the limit.
        """
        if self.state:
            return "" if self.pending == "0s" else f" {self.state} for {self.pending} or longer."
        when = "Now" if self.keep_firing == "0s" else "Last"
        return f" {when} {unit.template}; alerts {self.described(unit)}."


@dataclass(frozen=True, slots=True)
class Signal:
    """Something an operator watches.

    ``source`` is the recording rule that holds it, or PromQL where Prometheus stores it already.
    ``title`` and ``meaning`` head its panel; ``meaning`` says what good looks like. ``dashboard``
    shows it, where that is not the one of its group.
    """

    title: str
    meaning: str
    unit: Unit
    source: Record | str
    thresholds: tuple[Threshold, ...] = ()
    dashboard: Dashboard | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in this order, and kept in one file.

    Alerts stand in the group of the records they read: rules of other groups may be one evaluation
    behind. Where that does not matter, as for records that look back over hours, ``follows`` names
    the other groups. ``interval`` is the time between evaluations; Prometheus's own where it is
    empty. ``source`` is the module of alerts.signals that declares the group; ``dashboard`` shows
    what it watches.
    """

    name: str
    about: str
    records: tuple[Record, ...]
    signals: tuple[Signal, ...]
    follows: tuple[str, ...] = ()
    interval: str = ""
    source: str = ""
    dashboard: Dashboard = Dashboard.OVERVIEW

    def all_records(self) -> Iterator[Record]:
        """The group's recording rules, those of its signals last, each once."""
        own = [s.source for s in self.signals if isinstance(s.source, Record)]
        seen = []
        for record in (*self.records, *own):
            if record not in seen:
                seen.append(record)
                yield record


def beside(comparison: Comparison, value: float) -> float:
    """Where a bound on a number of events is drawn: half an event beside a whole one.

    Rates and increases are only nearly whole numbers of events. Whether 5 of them are 5 or a little
    less would depend on the last digit, which Prometheus and VictoriaMetrics round differently.
    """
    if value != int(value):
        return value
    return {Comparison.AT_LEAST: value - 0.5, Comparison.AT_MOST: value + 0.5}.get(
        comparison, value
    )


def number(value: float) -> str:
    """``value`` as PromQL writes it: short, and without an exponent where people count."""
    return f"{value:.12g}"


def records(groups: Iterable[Group]) -> list[Record]:
    """The recording rules of ``groups``."""
    return [record for group in groups for record in group.all_records()]


def alert_names(groups: Iterable[Group]) -> set[str]:
    """The names of the alerts of ``groups``."""
    return {t.alert for group in groups for signal in group.signals for t in signal.thresholds}
