"""Tests of alerts that compare a series with a threshold: made from the declaration alone.

Each alert gets a test in which several jobs stand side by side. One's value passes the threshold,
with everything else that the alert asks for only just given: it fires once ``for`` has passed, not
an evaluation earlier, with exact labels and annotations, and resolves. One's series end while it
fires. One stays just on the good side of the threshold; for each guard there is one that misses it
by as little; and for each matcher one that it leaves out. Those have to stay silent throughout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import promql_parser
from promql_parser import MatchOp, VectorSelector

from alerts.model import Comparison, Group, Guard, Record, Signal, Threshold, number
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
_LONG = 5000
"""Samples of a series that goes on beyond the end."""

Selectors = Mapping[str, tuple[MatchOp, str]]
"""How each label is matched, and with what."""


@dataclass(frozen=True, slots=True)
class _World:
    """One job of the test; ``varied`` is the label that tells it from the others."""

    labels: Mapping[str, str]
    values: str
    varied: str
    fires: bool = False
    missed: Guard | None = None


@dataclass(slots=True)
class _Inputs:
    series: dict[str, str] = field(default_factory=dict)

    def add(self, series: str, values: str) -> None:
        if self.series.setdefault(series, values) != values:
            raise UnknownTemplateError(f"{series} would have two values")


def is_plain(signal: Signal) -> bool:
    """Whether a signal's source is a series, not an expression."""
    return isinstance(signal.source, Record) or isinstance(
        promql_parser.parse(signal.source), VectorSelector
    )


def alert_tests(
    group: Group, semantics: Semantics, links: Links, evaluation_seconds: int
) -> Iterator[dict[str, Any]]:
    """A test for each alert of ``group`` whose signal is plain, as promtool takes it.

    ValueError names an alert for which none can be made.
    """
    step = seconds(group.interval) if group.interval else evaluation_seconds
    for signal in group.signals:
        for threshold in signal.thresholds:
            if is_plain(signal):
                try:
                    yield _test(signal, threshold, semantics, links, step)
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
    signal: Signal, threshold: Threshold, semantics: Semantics, links: Links, step: int
) -> dict[str, Any]:
    pending, keep = seconds(threshold.pending), seconds(threshold.keep_firing)
    matched = _matched(threshold.matchers)
    worlds = list(_worlds(signal, threshold, matched, semantics, pending // step))
    inputs = _Inputs()
    for world in worlds:
        inputs.add(selector(str(signal.source), world.labels), world.values)
        for guard in threshold.guards:
            ok, missed = sides(guard.comparison, guard.value)
            value = (missed if guard is world.missed else ok) / guard.times
            labels = _guard_labels(guard, world.labels, semantics)
            inputs.add(selector(str(guard.source), labels), f"{value!r}x{_LONG}")
            if guard is world.missed:
                # One that would do, but belongs to something else.
                for name in (each for each in guard.on if each != world.varied):
                    other = _other(name, MatchOp.Equal, labels[name])
                    near = selector(str(guard.source), {**labels, name: other})
                    inputs.add(near, f"{ok / guard.times!r}x{_LONG}")
    bad_from = _GOOD_BEFORE * step
    fires_at = bad_from + pending
    good_from = fires_at + _BAD_AFTER * step
    value, _ = sides(threshold.comparison, threshold.value)
    rule = alert_rule(signal, threshold, links)
    firing = [
        {
            "exp_labels": {**world.labels, **rule["labels"]},
            "exp_annotations": {
                name: render(text, {**world.labels, **rule["labels"]}, value)
                for name, text in rule["annotations"].items()
            },
        }
        for world in worlds
        if world.fires
    ]
    times = {fires_at: firing, good_from - step: firing, good_from + keep: []}
    if pending:
        times[fires_at - step] = []
    if keep:
        times[good_from + keep - step] = firing
    window = threshold.labels.get("window")
    return {
        "name": f"{threshold.alert}{f' ({window})' if window else ''}",
        "interval": f"{step}s",
        "input_series": [{"series": s, "values": v} for s, v in inputs.series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{time}s",
                "alertname": threshold.alert,
                # Other rules of this name are tested for themselves.
                "exp_alerts": expected,
            }
            for time, expected in sorted(times.items())
        ],
    }


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
    bad, good = map(number, sides(threshold.comparison, threshold.value))
    bad_for = pending + _BAD_AFTER
    passing = f"{good}x{_GOOD_BEFORE - 1} {bad}x{bad_for - 1}"
    yield _World(common, f"{passing} {good}x{_LONG}", varied, fires=True)
    ending = {**common, varied: "ends-while-it-fires"}
    yield _World(ending, f"{passing} stale", varied, fires=True)
    yield _World({**common, varied: "just-good-enough"}, f"{good}x{_LONG}", varied)
    always = f"{bad}x{_LONG}"
    for position, guard in enumerate(threshold.guards):
        yield _World({**common, varied: f"not-{position}"}, always, varied, missed=guard)
    for name, (op, value) in matched.items():
        yield _World({**common, name: _other(name, op, value)}, always, varied)


def _guard_labels(guard: Guard, world: Mapping[str, str], semantics: Semantics) -> dict[str, str]:
    own = dict(guard.source.labels) if isinstance(guard.source, Record) else {}
    kept = semantics.labels(str(guard.source))
    if kept is None:
        raise UnknownTemplateError(f"the labels of {guard.source} can't be known")
    return {
        name: world[name] if name in world else _value(name, {}, own)
        for name in sorted(kept | own.keys())
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
