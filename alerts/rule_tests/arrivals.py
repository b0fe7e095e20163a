"""What the records of arrivals have to say."""

from statistics import fmean, median

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import JOB, Labels, Series, Universe, Values, labelled, times
from alerts.signals import arrivals, seasonality, sms
from app.core.thresholds import Thresholds

_HOUR, _DAY, _WEEK = 3600, 86400, 604800


def tests(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group: what is usual, and what is received beside it."""
    return [_usual(), _received(thresholds), _day()]


def _usual() -> RecordTest:
    universe = Universe(stretch=120)
    # Nothing at the very start, where rules are evaluated as well.
    begin, first = universe.at + 1, universe.at - 2 * universe.step
    start = ((begin, first + universe.step),)
    for position, (job, gaps) in enumerate(
        (
            ("always", ()),
            ("two-weeks", ((first, 2 * _WEEK + _DAY),)),
            # Its first week begins in the hours that would count.
            ("hardly-a-week", ((first, _WEEK),)),
            ("hardly-two-weeks", ((first, 2 * _WEEK),)),
            ("hardly-three-weeks", ((first, 3 * _WEEK),)),
            ("hardly-four-weeks", ((first, 4 * _WEEK),)),
            ("hardly-a-day", ((first, _DAY),)),
            ("two-days", ((first, 2 * _DAY),)),
            ("new", ((first, _HOUR),)),
        ),
        start=1,
    ):
        labels = {"job": job, "signal": "sms_volume"}
        universe.add(
            seasonality.VALUE, labels, position / 1e3, grows=True, base=-1, gaps=(*start, *gaps)
        )
        other = {**labels, "signal": "latency"}
        # Less than any SMS.
        universe.add(seasonality.VALUE, other, 1e-6, grows=True, base=-2, gaps=(*start, *gaps))
    weeks: Values = {}
    usual: Values = {}
    known: Values = {}
    for one in universe.series:
        if one.labels["signal"] != "sms_volume":
            continue
        key: Labels = (("job", one.labels["job"]),)
        lowest = {week: _lowest(universe, one, week * _WEEK) for week in seasonality.WEEKS}
        found = {week: value for week, value in lowest.items() if value is not None}
        for week, value in found.items():
            weeks |= labelled({key: value}, week=str(week))
        if found:
            known[key] = len(found)
            usual[key] = median(found.values())
        elif (yesterday := _lowest(universe, one, _DAY)) is not None:
            usual[key] = yesterday
    expected = {
        arrivals.IN_WEEK: weeks,
        arrivals.WEEKS_KNOWN.name: known,
        arrivals.USUAL.name: usual,
    }
    return RecordTest("what is usual at this hour", universe, expected)


def _lowest(universe: Universe, one: Series, ago: int) -> float | None:
    """From an hour before then to two hours after; None where the first is not known."""
    if not universe.samples(one, ago + _HOUR + universe.step, ago + _HOUR):
        return None
    return min(universe.samples(one, ago + _HOUR, ago - 2 * _HOUR))


def _received(thresholds: Thresholds) -> RecordTest:
    universe = Universe()
    enough = thresholds.sms_missing_usual
    # Enough is usual in ten minutes, in an hour, in a day; never.
    volumes = {"large": 40 * enough, "middle": 2 * enough, "small": enough / 4}
    # Of the day as much as there is.
    known = (universe.at // 300 + 1) * 300
    for word, seconds in (("10m", 600), ("1h", _HOUR), ("1d", known)):
        volumes[f"just-{word}"] = (enough + 0.5) * _HOUR / seconds
        volumes[f"hardly-{word}"] = (enough - 0.5) * _HOUR / seconds
    for job, an_hour in volumes.items():
        universe.add(sms.RECEIVED.name, {"job": job}, an_hour / 3600 / 5, grows=False)
        labels = {"job": job, "week": "1"}
        universe.add(arrivals.IN_WEEK, labels, 0, grows=False, base=an_hour / 3600)
    universe.add(sms.RECEIVED.name, {"job": "tiny"}, 1e-6, grows=False)
    universe.add(arrivals.IN_WEEK, {"job": "tiny", "week": "1"}, 0, grows=False, base=1e-5)
    expected: dict[str, Values] = {}
    for window, seconds, step in (("10m", 600, 60), ("1h", _HOUR, 60), ("1d", _DAY, 300)):
        received, usual = arrivals.RECEIVED[window].name, arrivals.EXPECTED[window].name
        expected[received], expected[usual] = {}, {}
        for one in universe.series:
            key: Labels = (("job", one.labels["job"]),)
            if one.name == sms.RECEIVED.name:
                samples = universe.at_steps(one, seconds, step)
                expected[received][key] = sum(samples) * step
                expected[usual][key] = len(samples) * step
        for one in universe.series:
            if one.name == arrivals.IN_WEEK:
                expected[usual][(("job", one.labels["job"]),)] *= one.base
    ratios: Values = {}
    for window in ("1d", "1h", "10m"):
        for key, usual_of in expected[arrivals.EXPECTED[window].name].items():
            if usual_of >= enough:
                ratios[key] = expected[arrivals.RECEIVED[window].name][key] / usual_of
    last_hour = {
        key: expected[arrivals.RECEIVED["1h"].name][key] / usual_of
        for key, usual_of in expected[arrivals.EXPECTED["1h"].name].items()
    }
    expected[arrivals.to_usual(thresholds).name] = ratios
    expected[arrivals.LAST_HOUR.name] = last_hour
    return RecordTest("what is received beside what is usual", universe, expected)


def _day() -> RecordTest:
    """A day of which not every hour is like the others."""
    # A sample at each step of five minutes.
    universe = Universe(stretch=20)
    universe.add(arrivals.USUAL.name, {"job": JOB}, 0.01, grows=False)
    universe.add(sms.RECEIVED.name, {"job": JOB}, 0.01, grows=False)
    usual, received = universe.series
    mean = universe.over(fmean, usual.name, _DAY)
    steps = universe.at_steps(received, _DAY, 300)
    expected: dict[str, Values] = {
        arrivals.RECEIVED["1d"].name: {(("job", JOB),): 300 * sum(steps)},
        arrivals.EXPECTED["1d"].name: times(mean, 300 * len(steps)),
    }
    return RecordTest("what is received in a day beside what is usual", universe, expected)
