"""Tests of alerts at their edges: made from the declaration alone.

Each alert gets a test in which several jobs stand side by side. One's value passes the threshold,
with everything else that the alert asks for only just given: it fires once ``for`` has passed, not
an evaluation earlier, with exact labels, and resolves. One's series end while it
fires. One stays just on the good side of the threshold; for each guard there is one that misses it
by as little; and for each matcher one that it leaves out. Those have to stay silent throughout.
"""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import promql_parser
from promql_parser import MatchOp, VectorSelector

from alerts import second_value
from alerts.model import Comparison, Group, Guard, Record, Signal, Threshold
from alerts.promql import seconds
from alerts.rule_tests.templates import UnknownTemplateError, render
from alerts.rule_tests.universe import selector
from alerts.rules import alert_rule
from alerts.semantics import Semantics, values_of
from app.core.config import Links

NEARBY = 0.01
"""How far from a threshold that is no whole number the tests stand, as a share of it."""

_GOOD_BEFORE = 3
"""Evaluations before the value gets bad."""
_BAD_AFTER = 4
"""Evaluations that it stays bad once the alert fires."""

Selectors = Mapping[str, tuple[MatchOp, str]]
"""How each label is matched, and with what."""


@dataclass(frozen=True, slots=True)
class _World:
    """One job of the test: its labels, of which ``varied`` tells it from the others.

    ``values`` are the signal's at each evaluation; None where it has ended. ``missed`` is the guard
    that does not hold.
    """

    labels: Mapping[str, str]
    values: tuple[float | None, ...]
    varied: str
    missed: Guard | None = None

    def notation(self, length: int) -> str:
        """``length`` values as promtool takes them."""
        written = []
        for value, run in groupby(self.values):
            written.append("stale" if value is None else f"{value!r}x{len(list(run)) - 1}")
        if self.values[-1] is not None:
            written.append(f"{self.values[-1]!r}x{length - len(self.values)}")
        return " ".join(written)

    def shown(self, threshold: Threshold, evaluation: int, step: int) -> float | None:
        """The value that ``threshold`` fires with at an evaluation; None where it is silent."""
        if self.missed in threshold.guards:
            return None
        pending = seconds(threshold.pending) // step
        keep = seconds(threshold.keep_firing) // step
        active_since: int | None = None
        last_bad = 0
        for number, value in enumerate(self._until(evaluation)):
            if value is not None and _passes(threshold, value):
                active_since = number if active_since is None else active_since
                last_bad = number
            elif active_since is not None:
                fired = last_bad - active_since >= pending
                if not fired or number - last_bad > keep:
                    active_since = None
        if active_since is None or evaluation - active_since < pending:
            return None
        return self.values[min(last_bad, len(self.values) - 1)]

    def _until(self, evaluation: int) -> Iterator[float | None]:
        for number in range(evaluation + 1):
            yield self.values[min(number, len(self.values) - 1)]


def _passes(threshold: Threshold, value: float) -> bool:
    compare = {
        Comparison.ABOVE: operator.gt,
        Comparison.BELOW: operator.lt,
        Comparison.AT_LEAST: operator.ge,
        Comparison.AT_MOST: operator.le,
    }
    return bool(compare[threshold.comparison](value, threshold.value))


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert that fires: its labels, the templates of its texts, and the value that they say."""

    labels: Mapping[str, str]
    texts: Mapping[str, str]
    value: float

    def promtool(self) -> dict[str, Any]:
        """The alert as promtool takes it, its texts rendered."""
        texts = {name: render(text, self.labels, self.value) for name, text in self.texts.items()}
        return {"exp_labels": dict(self.labels), "exp_annotations": texts}


@dataclass(frozen=True, slots=True)
class EdgeTest:
    """An alert beside its threshold.

    ``inputs`` are the values of each series every ``step`` seconds; ``shown`` are the alerts that
    fire, with labels and texts, by the seconds at which they are looked at; it ``fires`` first
    then.
    """

    name: str
    alert: str
    step: int
    inputs: Mapping[str, str]
    fires: int
    shown: Mapping[int, list[Shown]]

    def promtool(self) -> dict[str, Any]:
        """The test as promtool takes it: what fires when, with its labels."""
        named = {"alertname": self.alert, "alertstate": "firing"}
        return self._test(
            promql_expr_test=[
                {
                    "expr": selector("ALERTS", named),
                    "eval_time": f"{at}s",
                    "exp_samples": [
                        {"labels": selector("ALERTS", {**named, **each.labels}), "value": 1}
                        for each in alerts
                    ],
                }
                for at, alerts in self.shown.items()
            ]
        )

    @property
    def has_texts(self) -> bool:
        """Whether what it says is known here: not what it asks for when it fires."""
        alerts = self.shown[self.fires]
        return not any(second_value.is_asked_for(a.texts["description"]) for a in alerts)

    def texts(self) -> dict[str, Any]:
        """The test of what the alert says when it fires first. Raises UnknownTemplateError."""
        return self._test(
            alert_rule_test=[
                {
                    "alertname": self.alert,
                    "eval_time": f"{self.fires}s",
                    "exp_alerts": [each.promtool() for each in self.shown[self.fires]],
                }
            ]
        )

    def _test(self, **asked: Any) -> dict[str, Any]:
        inputs = [{"series": s, "values": v} for s, v in self.inputs.items()]
        return {
            "name": self.name,
            "interval": f"{self.step}s",
            "input_series": inputs,
            **asked,
        }


@dataclass(slots=True)
class _Inputs:
    series: dict[str, str] = field(default_factory=dict)

    def add(self, series: str, values: str) -> None:
        if self.series.setdefault(series, values) != values:
            raise UnknownTemplateError(f"{series} would have two values")


def _is_series(source: Record | str) -> bool:
    return isinstance(source, Record) or isinstance(promql_parser.parse(source), VectorSelector)


def _can_be_given(signal: Signal, threshold: Threshold) -> bool:
    """Whether a test can give all that ``threshold`` reads."""
    return all(map(_is_series, (signal.source, *(guard.source for guard in threshold.guards))))


def edge_tests(
    group: Group, semantics: Semantics, links: Links, evaluation_seconds: int
) -> Iterator[EdgeTest]:
    """A test for each alert of ``group`` that reads series and no expressions.

    The others are told in scenarios instead.

    ValueError names an alert for which none can be made.
    """
    step = seconds(group.interval) if group.interval else evaluation_seconds
    for signal in group.signals:
        for threshold in signal.thresholds:
            if _can_be_given(signal, threshold):
                try:
                    yield _test(
                        group,
                        signal,
                        threshold=threshold,
                        semantics=semantics,
                        links=links,
                        step=step,
                    )
                except UnknownTemplateError as error:
                    raise ValueError(
                        f"alert {threshold.alert}: no test can be made: {error}; make its signal a "
                        "record, or write the test in prometheus/tests"
                    ) from None


def sides(comparison: Comparison, value: float) -> tuple[float, float]:
    """The values nearest to a threshold: one that passes it, and one that doesn't."""
    nearby = 1 if value == int(value) else abs(value) * NEARBY
    up, down = float(f"{value + nearby:.12g}"), float(f"{value - nearby:.12g}")
    return {
        Comparison.ABOVE: (up, value),
        Comparison.BELOW: (down, value),
        Comparison.AT_LEAST: (value, down),
        Comparison.AT_MOST: (value, up),
    }[comparison]


def _test(
    group: Group,
    signal: Signal,
    threshold: Threshold,
    semantics: Semantics,
    links: Links,
    step: int,
) -> EdgeTest:
    pending, keep = seconds(threshold.pending), seconds(threshold.keep_firing)
    matched = _matched(threshold.matchers)
    worlds = list(_worlds(signal, threshold, matched, semantics, pending // step))
    fires = _GOOD_BEFORE + pending // step
    good = fires + _BAD_AFTER
    # At the edges: the last evaluation before something has to happen, and the one when it does.
    looked_at = {fires - 1, fires, good - 1, good + keep // step - 1, good + keep // step}
    length = max(looked_at) + 1
    inputs = _Inputs()
    for world in worlds:
        inputs.add(selector(str(signal.source), world.labels), world.notation(length))
        for guard in threshold.guards:
            ok, missed = sides(guard.comparison, guard.value)
            given = (missed if guard is world.missed else ok) / guard.times
            labels = _guard_labels(guard, world.labels, semantics)
            inputs.add(selector(str(guard.source), labels), f"{given!r}x{length}")
            if guard is world.missed:
                # One that would do, but belongs to something else.
                bound = (*guard.on, *_matched(guard.matchers))
                for name in (each for each in bound if each != world.varied):
                    other = _other(name, MatchOp.Equal, labels[name])
                    near = selector(str(guard.source), {**labels, name: other})
                    inputs.add(near, f"{ok / guard.times!r}x{length}")
    # The other severities of the same alert, which may fire beside it.
    same = [
        each
        for each in signal.thresholds
        if each.alert == threshold.alert and each.matchers == threshold.matchers
    ]
    window = threshold.labels.get("window")
    return EdgeTest(
        name=f"{threshold.alert}{f' ({window})' if window else ''}, {threshold.severity}",
        alert=threshold.alert,
        step=step,
        inputs=inputs.series,
        fires=fires * step,
        shown={
            evaluation * step: [
                _shown(alert_rule(group, signal, each, links), world.labels, value)
                for each in same
                for world in worlds
                if _matches(each, world)
                and (value := world.shown(each, evaluation, step)) is not None
            ]
            for evaluation in sorted(looked_at)
        },
    )


def _shown(rule: Mapping[str, Any], labels: Mapping[str, str], value: float) -> Shown:
    return Shown({**labels, **rule["labels"]}, rule["annotations"], value)


def _matches(threshold: Threshold, world: _World) -> bool:
    """Whether the threshold's matchers take the world's series."""
    for name, (op, value) in _matched(threshold.matchers).items():
        among = world.labels[name] in value.split("|")
        if among != (op in (MatchOp.Equal, MatchOp.Re)):
            return False
    return True


def _worlds(
    signal: Signal, threshold: Threshold, matched: Selectors, semantics: Semantics, pending: int
) -> Iterator[_World]:
    own = dict(signal.source.labels) if isinstance(signal.source, Record) else {}
    kept = semantics.labels(f"{signal.source}")
    if kept is None:
        raise UnknownTemplateError(f"the labels of {signal.source} can't be known")
    common = {
        name: _value(name, matched, own) for name in sorted(kept | own.keys() | matched.keys())
    }
    varied = next(
        (name for name in ("job", "instance") if name in common and name not in matched), ""
    )
    if not varied:
        raise UnknownTemplateError("neither job nor instance tells its series apart")
    bad, good = sides(threshold.comparison, threshold.value)
    passing = (good,) * _GOOD_BEFORE + (bad,) * (pending + _BAD_AFTER)
    yield _World(common, (*passing, good), varied)
    yield _World({**common, varied: "ends-while-it-fires"}, (*passing, None), varied)
    yield _World({**common, varied: "just-good-enough"}, (good,), varied)
    for position, guard in enumerate(threshold.guards):
        yield _World({**common, varied: f"not-{position}"}, (bad,), varied, missed=guard)
    for name, (op, value) in matched.items():
        yield _World({**common, name: _other(name, op, value)}, (bad,), varied)


def _guard_labels(guard: Guard, world: Mapping[str, str], semantics: Semantics) -> dict[str, str]:
    own = dict(guard.source.labels) if isinstance(guard.source, Record) else {}
    kept = semantics.labels(str(guard.source))
    if kept is None:
        raise UnknownTemplateError(f"the labels of {guard.source} can't be known")
    matched = _matched(guard.matchers)
    return {
        name: world[name] if name in world and name not in matched else _value(name, matched, own)
        for name in sorted(kept | own.keys() | matched.keys())
    }


def _matched(matchers: str) -> Selectors:
    parsed = promql_parser.parse(f"x{{{matchers}}}")
    assert isinstance(parsed, VectorSelector)
    return {each.name: (each.op, each.value) for each in parsed.matchers.matchers}


def _value(name: str, matched: Selectors, own: Mapping[str, str]) -> str:
    """A value of a label that the matchers take."""
    if name in own:
        return own[name]
    op, value = matched.get(name, (MatchOp.NotEqual, ""))
    alternatives: list[str] = value.split("|")
    if op in (MatchOp.Equal, MatchOp.Re):
        return alternatives[0]
    return next(each for each in values_of(name) if each not in alternatives)


def _other(name: str, op: MatchOp, value: str) -> str:
    """A value of a label that the matcher leaves out."""
    alternatives: list[str] = value.split("|")
    if op in (MatchOp.NotEqual, MatchOp.NotRe):
        return alternatives[0]
    return next(each for each in values_of(name) if each not in alternatives)
