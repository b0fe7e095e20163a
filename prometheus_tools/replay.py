"""When alerts would have fired: rules evaluated over the past of a Prometheus."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import promql_parser
from promql_parser import BinaryExpr, ParenExpr

from prometheus_tools.api import PrometheusAPI, QueryRefusedError
from prometheus_tools.expansion import alerts_read, expanded, with_alerts
from prometheus_tools.firing import Firing, firings
from prometheus_tools.rulebook import AlertingRule, Rulebook, combined_names, series_names

ALERTS = "ALERTS"
"""The alerts that are pending or firing, as Prometheus stores them."""


class NoDataError(Exception):
    """A range of time holds nothing to replay; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert with its labels, and a time in which it fired.

    ``peak`` is the worst value in that time.
    """

    alert: str
    labels: Mapping[str, str]
    start: float
    end: float
    peak: float

    @property
    def identity(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What is the same each time the alert fires."""
        return self.alert, tuple(sorted(self.labels.items()))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found.

    ``untold`` has the alerts that can't be replayed, each with why; ``partly`` those that read
    nothing that was there when the time began.
    """

    fired: list[Fired]
    untold: dict[str, str]
    partly: set[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a firing compares with the present thresholds: both, or one of them None."""

    before: Fired | None
    after: Fired | None


Progress = Callable[[str], None]
Times = tuple[Mapping[str, str], Sequence[Firing]]
"""Labels of an alert, and when it fired with them."""


class Replay:
    """Replays rules over the time from ``start`` to ``end``, seconds since the epoch.

    ``recorded`` are the rules whose records Prometheus may hold; a record that it has not, or that
    other rules make differently, is worked out from what it reads. Nothing is evaluated before
    ``known_from``.
    """

    def __init__(
        self,
        prometheus: PrometheusAPI,
        start: int,
        end: int,
        recorded: Rulebook,
        progress: Progress = lambda _alert: None,
        known_from: int = 0,
    ) -> None:
        self._prometheus = prometheus
        self._start, self._end = start, end
        self._recorded = recorded
        self._progress = progress
        self._known_from = known_from
        self._early = start + (end - start) // 10
        self._present: dict[tuple[str, int], bool] = {}
        self._known: dict[object, list[Times]] = {}

    def run(self, rules: Rulebook, names: Sequence[str] = ()) -> Replayed:
        """When the alerts of ``rules`` would have fired, only those of ``names`` if there are any.

        Raises NoDataError where there is nothing to go by, PrometheusError, and ValueError that
        names an alert whose expression can't be replayed.
        """
        chosen = [rule for rule in rules.alerts if not names or rule.name in names]
        fired: list[Fired] = []
        missing = {rule.key: self._missing(rule, rules) for rule in chosen}
        if not any(not missing[rule.key] for rule in chosen if series_names(rule.expr)):
            self._fail_without_data(missing.values())
        found: dict[str, list[Times]] = {}
        untold: dict[str, str] = {}
        for rule in _in_order(rules, chosen):
            self._progress(rule.name)
            times: list[Times] = []
            if absent := missing.get(rule.key):
                untold[rule.name] = f"there is no {' or '.join(absent[:3])} in this time"
            else:
                try:
                    times = self._times(rule, rules, found)
                except QueryRefusedError as error:
                    untold[rule.name] = str(error)
                    if self._to_expand(rule.expr, rules):
                        untold[rule.name] += (
                            "; its records were not there yet, backfill them: "
                            "python -m alerts backfill --help"
                        )
            found.setdefault(rule.name, []).extend(times)
            if rule.key not in missing:
                continue
            is_low = _fires_below(rule.expr)
            for labels, each in times:
                fired += [
                    Fired(rule.name, labels, one.start, one.end, _peak(one, is_low))
                    for one in each
                    if one.end >= self._start
                ]
        told = [rule for rule in chosen if rule.name not in untold]
        partly = {rule.name for rule in told if self._begins_late(rule, rules)}
        return Replayed(fired, untold, partly)

    def _fail_without_data(self, missing: Iterable[Sequence[str]]) -> None:
        names = sorted({name for each in missing for name in each})
        if names:
            raise NoDataError(
                f"there is no data in this time: no series called {', '.join(names[:5])}"
                f"{' and more' if len(names) > 5 else ''}; choose another range, or see whether "
                "Prometheus scraped these targets then"
            )

    def _times(
        self, rule: AlertingRule, rules: Rulebook, found: Mapping[str, Sequence[Times]]
    ) -> list[Times]:
        """The labels with which ``rule`` fires, each with its times."""
        try:
            expr = with_alerts(
                expanded(rule.expr, rules, self._to_expand(rule.expr, rules)), found, rule.interval
            )
        except ValueError as error:
            raise ValueError(f"{rule.name} can't be replayed: {error}") from None
        key = (rule.key, rule.pending, rule.keep_firing, rule.interval, expr)
        if key in self._known:
            return self._known[key]
        # What was pending or kept firing when the time began has to be known.
        warm_up = rule.pending + rule.keep_firing + rule.interval
        begin = max(int(self._start - warm_up), self._known_from)
        first = -(-begin // rule.interval) * rule.interval
        values: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
        for points in self._prometheus.range(expr, first, self._end, rule.interval):
            labels = {k: v for k, v in points.labels.items() if k != "__name__"}
            labels |= {k: v for k, v in rule.labels.items() if "{{" not in v}
            values.setdefault(tuple(sorted(labels.items())), {}).update(points.values)
        evaluations = range(first, self._end + 1, rule.interval)
        times: list[Times] = [
            (dict(labels), firings(evaluations, each, rule.pending, rule.keep_firing))
            for labels, each in values.items()
        ]
        self._known[key] = times
        return times

    def _to_expand(self, expr: str, rules: Rulebook) -> set[str]:
        """The records that ``expr`` reads, however indirectly, and Prometheus can't give."""
        closure = rules.closure(series_names(expr))
        changed = {
            name for name in closure if rules.records[name] != self._recorded.records.get(name)
        }
        # What reads a changed record was recorded from the other one.
        changed |= {name for name in closure if rules.closure([name]) & changed}
        changed |= {name for name in closure if not self._is_present(name)}
        return self._with_what_they_meet(expr, changed, rules)

    def _with_what_they_meet(self, expr: str, names: set[str], rules: Rulebook) -> set[str]:
        """``names``, and the records that are calculated with them.

        One side of a ratio worked out, and the other recorded, would be of other moments, and
        within a range of other numbers of samples. What is worked out from records alone, such as
        an objective, may meet any.
        """
        found = set(names)
        while True:
            raw = {name for name in found if self._reaches_raw(name, found, rules)}
            exprs = [expr, *(rule.expr for name in found for rule in rules.records[name])]
            met = {
                name
                for each in exprs
                for together in combined_names(each)
                if together & raw
                for name in together & rules.records.keys()
            }
            if met <= found:
                return found
            found |= met

    def _reaches_raw(self, name: str, to_expand: set[str], rules: Rulebook) -> bool:
        reads = {read for rule in rules.records[name] for read in series_names(rule.expr)}
        return any(
            read not in rules.records
            or (read in to_expand and read != name and self._reaches_raw(read, to_expand, rules))
            for read in reads
        )

    def _missing(self, rule: AlertingRule, rules: Rulebook) -> list[str]:
        """The series that ``rule`` needs; none where there is one of them at least."""
        raw = self._raw(rule.expr, rules)
        if not raw or any(self._is_present(name) for name in raw):
            return []
        return sorted(raw)

    def _raw(self, expr: str, rules: Rulebook) -> set[str]:
        """The series that ``expr`` is worked out from: raw ones, and records that are there."""
        raw: set[str] = set()
        to_expand = self._to_expand(expr, rules)
        left = series_names(expr)
        while left:
            name = left.pop()
            if name in to_expand:
                for record in rules.records[name]:
                    left |= series_names(record.expr)
            elif name != ALERTS:
                raw.add(name)
        return raw

    def _begins_late(self, rule: AlertingRule, rules: Rulebook) -> bool:
        raw = self._raw(rule.expr, rules)
        return bool(raw) and not any(self._has(name, self._early) for name in raw)

    def _is_present(self, name: str) -> bool:
        """Whether Prometheus has the series ``name``; a record from early in the range on.

        A rule that is younger than what it reads has recorded only the last part.
        """
        return self._has(name, self._early if name in self._recorded.records else self._end)

    def _has(self, name: str, until: int) -> bool:
        if (name, until) not in self._present:
            self._present[name, until] = self._prometheus.has(name, self._start, until)
        return self._present[name, until]


def differences(before: Iterable[Fired], after: Iterable[Fired]) -> list[Difference]:
    """Each firing of ``after`` with the one of ``before`` that it overlaps, and what is left over.

    In the order of time.
    """
    left = list(before)
    found: list[Difference] = []
    for fired in after:
        same = next((other for other in left if _overlap(fired, other)), None)
        if same is not None:
            left.remove(same)
        found.append(Difference(same, fired))
    found += [Difference(fired, None) for fired in left]
    return sorted(found, key=_start)


def _start(difference: Difference) -> float:
    either = difference.after or difference.before
    return either.start if either else 0.0


def _overlap(one: Fired, other: Fired) -> bool:
    if one.identity != other.identity:
        return False
    return one.start <= other.end and other.start <= one.end


def _in_order(rules: Rulebook, chosen: Iterable[AlertingRule]) -> list[AlertingRule]:
    """``chosen`` and the alerts whose series they read, these first."""
    ordered: list[AlertingRule] = []

    def add(rule: AlertingRule, above: tuple[str, ...]) -> None:
        for name in alerts_read(rule.expr) - {*above, rule.name}:
            for other in rules.alerts:
                if other.name == name:
                    add(other, (*above, rule.name))
        if rule not in ordered:
            ordered.append(rule)

    for rule in chosen:
        add(rule, ())
    return ordered


def _fires_below(expr: str) -> bool:
    """Whether the comparison by which ``expr`` fires wants low values."""
    node = promql_parser.parse(expr)
    while isinstance(node, BinaryExpr | ParenExpr):
        if isinstance(node, ParenExpr):
            node = node.expr
        elif str(node.op) in ("<", "<=", ">", ">="):
            return str(node.op).startswith("<")
        else:
            node = node.lhs
    return False


def _peak(firing: Firing, is_low: bool) -> float:
    return min(firing.values) if is_low else max(firing.values)
