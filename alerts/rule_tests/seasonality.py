"""What the records of the bands have to say."""

from statistics import fmean, median

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import (
    JOB,
    Labels,
    Series,
    Universe,
    Values,
    key_of,
    labelled,
    share,
)
from alerts.signals import business, seasonality, sms
from app.core.catalogue import ApprovalAction
from app.core.thresholds import Thresholds

_HOUR, _DAY, _WEEK = 3600, 86400, 604800
_SIGNALS = ("sms_volume", "approval_ratio", "latency")


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group: what has a rhythm, and the bands around it."""
    return [_values(), _bands()]


def _values() -> RecordTest:
    universe = Universe()
    universe.add(sms.RECEIVED.name, {"job": JOB}, 2, grows=False)
    for position, action in enumerate(ApprovalAction, start=1):
        labels = {"job": JOB, "action": action.value}
        universe.add(business.APPROVALS.name, labels, position, grows=False)
        # Less than one decision an hour has a share as well.
        calm = {**labels, "job": "calm"}
        universe.add(business.APPROVALS.name, calm, 0.01 / position, grows=False)
    universe.add(sms.P90.name, {"job": JOB}, 0.3, grows=False)
    decisions = universe.now(business.APPROVALS.name)
    approved = universe.now(
        business.APPROVALS.name, where=lambda labels: labels["action"] == ApprovalAction.APPROVE
    )
    received = universe.over(fmean, sms.RECEIVED.name, _HOUR)
    expected = (
        labelled(received, signal="sms_volume")
        | labelled(share(approved, decisions), signal="approval_ratio")
        | labelled(universe.over(fmean, sms.P90.name, _HOUR), signal="latency")
    )
    return RecordTest("what has a rhythm", universe, {seasonality.VALUE: expected})


def _bands() -> RecordTest:
    universe = Universe(stretch=120)
    # Nothing at the very start, where rules are evaluated as well.
    begin, first = universe.at + 1, universe.at - 2 * universe.step
    start = ((begin, first + universe.step),)
    for signal in _SIGNALS:
        _add(universe, "restless", signal=signal, weight=0.004, base=0, gaps=start)
        _add(universe, "steady", signal=signal, weight=0.01, base=5, gaps=start)
        # promtool wants each series to begin when the others do.
        _add(
            universe,
            "new",
            signal=signal,
            weight=0.01,
            base=1,
            gaps=(*start, (first, 2 * _WEEK + _HOUR)),
        )
        _add(
            universe,
            "newer",
            signal=signal,
            weight=0.01,
            base=1,
            gaps=(*start, (first, _WEEK - _HOUR)),
        )
        # Of a whole week, the first day has to be known: of these it is not, or hardly.
        for job, since, until in (
            ("young", 6 * _DAY, 6 * _DAY),
            ("before", _WEEK + _DAY // 2, _WEEK),
            ("hardly", _WEEK, _WEEK - _DAY // 3),
        ):
            gaps = (*start, (first, since), (until, 6 * _DAY))
            _add(
                universe,
                job,
                signal=signal,
                weight=0.01,
                base=1,
                gaps=gaps if until != since else gaps[:2],
            )
    levels: Values = {}
    scaled: Values = {}
    by_week: dict[Labels, list[float]] = {}
    now: Values = {}
    for one in _named(universe, seasonality.VALUE):
        key = key_of(one.labels)
        now[key] = universe.samples(one, 0)[-1]
        if universe.samples(one, _WEEK, 6 * _DAY):
            levels[key] = median(universe.samples(one, _WEEK))
        (level,) = (
            each for each in _named(universe, seasonality.LEVEL.name) if each.labels == one.labels
        )
        by_week[key] = []
        for week in seasonality.WEEKS:
            then, level_then = (
                universe.samples(each, week * _WEEK + universe.step, week * _WEEK)
                for each in (one, level)
            )
            if then and key in levels:
                value = then[-1] * levels[key] / level_then[-1]
                scaled |= labelled({key: value}, week=str(week))
                by_week[key].append(value)
    known = {key: values for key, values in by_week.items() if values}
    baselines = {key: median(values) for key, values in known.items()}
    expected: dict[str, Values] = {
        seasonality.LEVEL.name: levels,
        seasonality.SCALED: scaled,
        seasonality.WEEKS_KNOWN.name: {key: len(values) for key, values in by_week.items()},
        seasonality.BASELINE.name: baselines,
        seasonality.UPPER.name: {key: max(values) for key, values in known.items()},
        seasonality.LOWER.name: {key: min(values) for key, values in known.items()},
        seasonality.TO_BASELINE.name: {
            key: now[key] / baseline for key, baseline in baselines.items()
        },
    }
    return RecordTest("bands from weeks that agree, and from weeks that don't", universe, expected)


def _add(
    universe: Universe,
    job: str,
    signal: str,
    weight: float,
    base: float,
    gaps: tuple[tuple[int, int], ...],
) -> None:
    labels = {"job": job, "signal": signal}
    weight *= 1 + _SIGNALS.index(signal)
    universe.add(seasonality.VALUE, labels, weight, grows=False, base=base, gaps=gaps)
    past = (*gaps, (_HOUR, 0))
    # The level of earlier weeks, as it was recorded then; that of now is for the rules to say.
    universe.add(
        seasonality.LEVEL.name, labels, weight / 20, grows=False, base=base / 3 or 0.01, gaps=past
    )


def _named(universe: Universe, name: str) -> list[Series]:
    return [one for one in universe.series if one.name == name]
