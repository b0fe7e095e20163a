"""What the records of limits have to say."""

from statistics import fmean, linear_regression

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import (
    JOB,
    Series,
    Universe,
    Values,
    key_of,
    labelled,
    share,
    times,
)
from alerts.signals import growth, throughput
from alerts.signals.node import DISK_LABELS, DISK_LEFT
from app.core import catalogue
from app.core.thresholds import Thresholds

_DAY, _WEEK = 86400, 604800
_BY = ("job", "limit")


def usage(thresholds: Thresholds) -> list[RecordTest]:
    """What is in use now."""
    universe = Universe()
    universe.observe(catalogue.SMS_IN_FLIGHT)
    universe.observe(catalogue.SMS_CAPACITY)
    for metric in (catalogue.SMS_IN_FLIGHT, catalogue.SMS_CAPACITY):
        universe.observe_one(metric, "small", "c:8000", 0.01)
    for position, flow in enumerate(throughput.FLOWS, start=1):
        universe.add(throughput.RATE_1M, {"job": JOB, "flow": flow}, position, grows=False)
    calls = universe.now(throughput.RATE_1M, where=lambda labels: labels["flow"] == "ai_calls")
    expected = labelled(
        share(
            universe.now(catalogue.SMS_IN_FLIGHT.name), universe.now(catalogue.SMS_CAPACITY.name)
        ),
        limit="concurrent_sms",
    ) | labelled(times(calls, 60 / thresholds.ai_calls_per_minute), limit="ai_calls")
    return [RecordTest("how much of each limit is in use", universe, {growth.USAGE: expected})]


def trend(_thresholds: Thresholds) -> list[RecordTest]:
    """Peaks of days, and where they lead."""
    return [_peaks(), _trend(), _disk_mean(), _disk_trend()]


def _peaks() -> RecordTest:
    universe = Universe(stretch=120)
    for position, limit in enumerate(("concurrent_sms", "ai_calls"), start=1):
        labels = {"job": JOB, "limit": limit}
        # Falling, so that the highest of a day is the oldest.
        universe.add(growth.USAGE, labels, -position / 10000, grows=True, base=2)
    expected = {growth.PEAK.name: universe.over(max, growth.USAGE, _DAY, _BY)}
    return RecordTest("the highest use of a day", universe, expected)


def _trend() -> RecordTest:
    universe = Universe(stretch=120)
    # Nothing at the very start, where rules are evaluated as well.
    begin, first = universe.at + 1, universe.at - 2 * universe.step
    always = ((begin, first + universe.step),)
    weeks = 2 * _WEEK
    for job, weight, base, gaps in (
        ("grows", 1e-5, 0.3, always),
        ("above", 1e-5, 1.2, always),
        ("shrinks", -1e-5, 0.9, always),
        # Known for too short a time; or in the week that counts, but only at its edges or not at
        # all.
        ("young", 1e-5, 0.3, (*always, (first, weeks))),
        ("gone-for-a-week", 1e-5, 0.3, (*always, (weeks + _WEEK, weeks))),
        (
            "known-for-days",
            1e-5,
            0.3,
            (*always, (first, weeks + _WEEK * 3 // 4), (weeks + _WEEK // 2, weeks)),
        ),
    ):
        labels = {"job": job, "limit": "ai_calls"}
        universe.add(growth.PEAK.name, labels, weight, grows=True, base=base, gaps=gaps)
    levels: Values = {}
    slopes: Values = {}
    left: Values = {}
    for one in universe.series:
        key = key_of(one.labels)
        levels[key] = fmean(universe.samples(one, _WEEK))
        if universe.samples(one, weeks + _WEEK, weeks):
            slopes[key] = _slope(universe, one, 4 * _WEEK)
            if slopes[key] > 0:
                left[key] = max(1 - levels[key], 0) / slopes[key]
    expected = {
        growth.LEVEL.name: levels,
        growth.TREND.name: times(slopes, 1),
        growth.TIME_LEFT.name: left,
    }
    return RecordTest("where four weeks of peaks lead", universe, expected)


def _slope(universe: Universe, one: Series, window: int) -> float:
    """Of the straight line with the least squares, a second."""
    known = [
        (ago, *universe.samples(one, ago + 1, ago - 1))
        for ago in range(9, window, universe.step)
        if universe.samples(one, ago + 1, ago - 1)
    ]
    return -linear_regression([each[0] for each in known], [each[1] for each in known]).slope


def _disk_mean() -> RecordTest:
    universe = Universe()
    for position, device in enumerate(("sda1", "sdb1"), start=1):
        labels = {"job": "node", "instance": "a:9100", "device": device, "mountpoint": f"/{device}"}
        universe.add(DISK_LEFT.name, labels, position / 100, grows=False)
    expected = universe.over(fmean, DISK_LEFT.name, 3600, DISK_LABELS)
    return RecordTest(
        "what is left of a disk, by the hour", universe, {growth.DISK_MEAN.name: expected}
    )


def _disk_trend() -> RecordTest:
    universe = Universe(stretch=120)
    begin, first = universe.at + 1, universe.at - 2 * universe.step
    always = ((begin, first + universe.step),)
    day = 86400
    for device, weight, base, gaps in (
        ("fills", -5e-5, 0.9, always),
        ("empties", 5e-5, 0.1, always),
        ("new", -5e-5, 0.9, (*always, (first, 4 * day))),
        # Known in the half that counts, but only at its begin; and on both sides of it.
        ("known-for-a-day", -5e-5, 0.9, (*always, (first, 6 * day + day // 2), (6 * day, 4 * day))),
        ("unknown", -5e-5, 0.9, (*always, (7 * day, 4 * day))),
    ):
        labels = {"job": "node", "instance": "a:9100", "device": device, "mountpoint": "/"}
        universe.add(growth.DISK_MEAN.name, labels, weight, grows=True, base=base, gaps=gaps)
    left: Values = {}
    for one in universe.series:
        if universe.samples(one, 7 * day, 4 * day):
            slope = _slope(universe, one, _WEEK)
            if slope < 0:
                left[key_of(one.labels)] = universe.samples(one, 0)[-1] / -slope
    return RecordTest(
        "when a disk is full, at the growth of a week", universe, {growth.DISK_TIME_LEFT.name: left}
    )
