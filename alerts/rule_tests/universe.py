"""Series that tell every rule apart from one that is a little wrong, and what they add up to.

Counters grow in pieces, faster and slower, and gauges move, so that each window has a rate and an
average of its own; each label has several values, each series its share. What a record has to say
of that is worked out here, from what it means. Nothing of it reads the rules' PromQL.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, groupby

from asgi_observability.metric import Kind, Metric

Labels = tuple[tuple[str, str], ...]
Values = dict[Labels, float]
"""What a record says: a number for each combination of its labels, which are sorted."""
Where = Callable[[Mapping[str, str]], bool]

JOB = "orchestrator"
INSTANCES = ("a:8000", "b:8000")

_STEP = 15
_LAST = 1679
"""The last sample that is looked at, counted from 0."""
# Seconds before the end at which everything changes its pace, and the pace up to then.
_PACES = (
    *((15000, 5), (9000, 2), (4500, 7), (2400, 3), (1400, 8), (720, 4), (400, 9), (200, 2)),
    *((90, 6), (45, 1), (20, 5), (0, 3)),
)

_BOUNDS = (0.25, 2, 5)
"""Of a histogram's buckets those that rules tell apart; the last one is there too."""

_SHIFT = 5
"""By how many pieces the second pace is ahead of the first."""

LAST_PACE = _PACES[-1][1]
"""A gauge is in the end at its weight times this."""


def key_of(labels: Mapping[str, str]) -> Labels:
    """What a value with these labels is kept under."""
    return tuple(sorted(labels.items()))


def everything(_labels: Mapping[str, str]) -> bool:
    """Selects every series."""
    return True


@dataclass(frozen=True, slots=True)
class Series:
    """One series. At a pace of 1, a counter grows by ``weight`` a step, a gauge is at it.

    ``other`` is the weight of a second pace, which it follows beside the first; ``base`` is added
    always.
    """

    name: str
    labels: Mapping[str, str]
    weight: float
    grows: bool
    other: float = 0
    base: float = 0
    gaps: tuple[tuple[int, int], ...] = ()
    """From and until how many seconds before the end it has no samples."""


@dataclass(slots=True)
class Universe:
    """All series of one test, and what is to be said of them at ``at``, seconds from the start.

    With ``stretch`` 1 windows up to 6 h are told apart, with 120 up to 30 d.
    """

    stretch: int = 1
    series: list[Series] = field(default_factory=list)

    @property
    def step(self) -> int:
        """Seconds between two samples."""
        return _STEP * self.stretch

    @property
    def at(self) -> int:
        """When everything is looked at.

        Not on a sample, so that it does not matter whether a window holds its edges: Prometheus 2
        and 3 differ in that.
        """
        return _LAST * self.step + 9

    def observe(self, metric: Metric, /, **labels: str) -> None:
        """Add a metric's series with these labels, for each of the instances."""
        for instance in INSTANCES:
            self.observe_one(metric, JOB, instance, 1, **labels)

    def observe_one(
        self, metric: Metric, job: str, instance: str, scale: float, /, **labels: str
    ) -> None:
        """Add a metric's series of one instance, ``scale`` times as large as usual."""
        own = {"job": job, "instance": instance, **labels}
        # A histogram has seven series: five is no divisor of that, so that weights differ.
        weight = (len(self.series) % 5 + 1) * scale
        if metric.kind is Kind.HISTOGRAM:
            self._observe_histogram(metric, own, weight)
        else:
            self.add(metric.name, own, weight, grows=metric.kind is Kind.COUNTER)

    def add(
        self,
        name: str,
        labels: Mapping[str, str],
        weight: float,
        *,
        grows: bool,
        base: float = 0,
        gaps: tuple[tuple[int, int], ...] = (),
    ) -> None:
        """Add one series by name, such as one of a record that is read."""
        self.series.append(Series(name, labels, weight, grows, base=base, gaps=gaps))

    def _observe_histogram(self, metric: Metric, labels: dict[str, str], weight: float) -> None:
        # More in later buckets for some series than for others, so that quantiles differ; the upper
        # half at another pace, so that they differ by window; none beyond the last bound, where no
        # quantile is told from another.
        paces = [0.0, 0.0]
        told_apart = [each for each in metric.buckets if each in _BOUNDS] or metric.buckets[1::3]
        bounds = list(dict.fromkeys((*told_apart, metric.buckets[-1])))
        for position, bound in enumerate(bounds):
            paces[2 * position // len(bounds)] += (position * weight) % 5 + weight
            bounded = {**labels, "le": str(float(bound))}
            self.series.append(Series(metric.bucket, bounded, paces[0], True, paces[1]))
        infinite = {**labels, "le": "+Inf"}
        self.series.append(Series(metric.bucket, infinite, paces[0], True, paces[1]))
        self.series.append(Series(metric.count, labels, paces[0], True, paces[1]))
        self.add(metric.sum, labels, paces[0] * 2 + weight, grows=True)

    def rates(
        self, name: str, window: int, by: tuple[str, ...] = ("job",), where: Where = everything
    ) -> Values:
        """The summed growth a second over the last ``window`` seconds, by labels."""
        return self._grouped(name, by, where, lambda one: self._rate(one, window), sum)

    def increases(
        self, name: str, window: int, by: tuple[str, ...] = ("job",), where: Where = everything
    ) -> Values:
        """The summed growth over the last ``window`` seconds."""
        return times(self.rates(name, window, by, where), window)

    def now(
        self,
        name: str,
        by: tuple[str, ...] = ("job",),
        where: Where = everything,
        combine: Callable[[list[float]], float] = sum,
        ago: int = 0,
    ) -> Values:
        """The last values of a gauge, or those ``ago`` seconds before, combined by labels."""
        since = ago + self.step if ago else 0
        return self._grouped(
            name, by, where, lambda one: self.samples(one, since, ago)[-1], combine
        )

    def over(
        self,
        fold: Callable[[list[float]], float],
        name: str,
        window: int,
        by: tuple[str, ...] = ("job",),
        where: Where = everything,
        combine: Callable[[list[float]], float] = sum,
    ) -> Values:
        """``fold`` of each gauge's samples within the last ``window`` seconds, then combined."""
        return self._grouped(name, by, where, lambda one: fold(self.samples(one, window)), combine)

    def quantiles(
        self,
        q: float,
        metric: Metric,
        window: int = 300,
        by: tuple[str, ...] = ("job",),
        where: Where = everything,
    ) -> Values:
        """The quantile within its bucket, as a straight line through it has it."""
        grouped: dict[Labels, list[tuple[float, float]]] = {}
        for key, rate in self.rates(metric.bucket, window, (*by, "le"), where).items():
            rest = tuple(pair for pair in key if pair[0] != "le")
            grouped.setdefault(rest, []).append((float(dict(key)["le"]), rate))
        return {key: _quantile(q, sorted(bounds)) for key, bounds in grouped.items()}

    def inputs(self) -> list[tuple[str, Mapping[str, str], str]]:
        """Each series: its name, its labels, and its values as promtool takes them."""
        return [(one.name, one.labels, self._notation(one)) for one in self.series]

    def samples(self, one: Series, since: int, until: int = 0) -> list[float]:
        """The samples from ``since`` to ``until`` seconds before the end."""
        first = (self.at - since) // self.step + 1 if since else _LAST
        last = (self.at - until) // self.step
        return [_value(one, n) for n in range(max(first, 0), last + 1) if self._is_known(one, n)]

    def at_steps(self, one: Series, window: int, step: int) -> list[float]:
        """The values at whole multiples of ``step`` within the last ``window`` seconds."""
        first = max(self.at - window, -1) // step + 1
        agos = (self.at - time for time in range(first * step, self.at + 1, step))
        return [self.samples(one, ago + self.step, ago)[-1] for ago in agos]

    def _grouped(
        self,
        name: str,
        by: tuple[str, ...],
        where: Where,
        value: Callable[[Series], float],
        combine: Callable[[list[float]], float],
    ) -> Values:
        found: dict[Labels, list[float]] = {}
        for one in self.series:
            if one.name == name and where(one.labels):
                key = tuple((label, one.labels[label]) for label in sorted(by))
                found.setdefault(key, []).append(value(one))
        return {key: combine(values) for key, values in found.items()}

    def _rate(self, one: Series, window: int) -> float:
        """Growth a second between the first and the last sample of the window."""
        first = (self.at - window) // self.step + 1
        return (_value(one, _LAST) - _value(one, first)) / ((_LAST - first) * self.step)

    def _is_known(self, one: Series, sample: int) -> bool:
        return _is_known(one.gaps, self.at - sample * self.step) if one.gaps else True

    def _notation(self, one: Series) -> str:
        written = []
        for known, first, more in _runs(one.gaps, self.step, self.at):
            if not known:
                written.append(f"_x{1 + more}")
            elif one.grows:
                grows = _value(one, first + 1) - _value(one, first) if more else 0
                written.append(f"{_value(one, first):.12g}{grows:+.12g}x{more}")
            else:
                written.append(f"{_value(one, first):.12g}x{more}")
        return " ".join(written)


def _is_known(gaps: tuple[tuple[int, int], ...], ago: int) -> bool:
    return not any(since > ago >= until for since, until in gaps)


@cache
def _runs(gaps: tuple[tuple[int, int], ...], step: int, at: int) -> list[tuple[bool, int, int]]:
    """Stretches of samples of one pace: whether they are there, the first, how many more."""

    def run(sample: int) -> tuple[int, bool]:
        return _piece(sample), _is_known(gaps, at - sample * step)

    found = []
    for (_, known), samples in groupby(range(_LAST + 1), run):
        first, *more = samples
        found.append((known, first, len(more)))
    return found


def share(part: Values, whole: Values) -> Values:
    """Each of ``whole``'s values as the divisor of the same of ``part``, 0 where that has none."""
    return {key: part.get(key, 0.0) / value for key, value in whole.items()}


def or_zero(part: Values, whole: Values) -> Values:
    """``part`` with 0 where only ``whole`` has a value."""
    return {key: part.get(key, 0.0) for key in whole}


def times(values: Values, factor: float) -> Values:
    """Each value times ``factor``."""
    return {key: value * factor for key, value in values.items()}


def labelled(values: Values, **labels: str) -> Values:
    """The values with these labels added."""
    return {key_of({**dict(key), **labels}): value for key, value in values.items()}


def selector(name: str, labels: Mapping[str, str]) -> str:
    """A series as PromQL writes it."""
    pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{pairs}}}"


def _value(one: Series, sample: int) -> float:
    at = _grown if one.grows else _pace
    return one.base + one.weight * at(sample, 0) + one.other * at(sample, _SHIFT)


@cache
def _piece(sample: int) -> int:
    """Which of the paces holds at a sample."""
    ago = [since for since, _ in _PACES]
    return next(n for n, since in enumerate(ago) if sample <= (_LAST * _STEP + 9 - since) // _STEP)


@cache
def _pace(sample: int, shift: int) -> int:
    return _PACES[(_piece(sample) + shift) % len(_PACES)][1]


def _grown(sample: int, shift: int) -> int:
    """How far a counter of weight 1 is at a sample."""
    return _growth(shift)[sample]


@cache
def _growth(shift: int) -> tuple[int, ...]:
    return tuple(accumulate((_pace(n, shift) for n in range(1, _LAST + 1)), initial=0))


def _quantile(q: float, buckets: list[tuple[float, float]]) -> float:
    rank = q * buckets[-1][1]
    lower = below = 0.0
    for upper, up_to in buckets:
        if up_to >= rank:
            if math.isinf(upper):
                return lower
            return lower + (upper - lower) * (rank - below) / (up_to - below)
        lower, below = upper, up_to
    return lower
