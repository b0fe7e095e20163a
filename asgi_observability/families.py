"""A metric and its series in this process: found by the values of their labels, and bounded."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Generic, Protocol, TypeVar

from asgi_observability.cells import Cell, CounterCell, GaugeCell, HistogramCell
from asgi_observability.metric import OTHER, Kind, Metric
from asgi_observability.pacing import Pace
from asgi_observability.recorder import Recorder
from asgi_observability.snapshot import FamilySnapshot, HistogramRow, Key

MAX_SERIES = 2000
"""Series of one metric with which new values of its open labels are still taken."""

RESERVED_VALUES = 64
"""Values that each open label may have even so: many routes leave room for every status."""

MAX_COMBINATIONS = 4 * MAX_SERIES
"""Series of one metric after which a label with more values than that is folded."""

MAX_CHARACTERS = 128
"""A longer label value is folded."""

_C = TypeVar("_C", bound=Cell[float] | Cell[HistogramRow])


class Reports(Protocol):
    """Who is told what a family refuses. It must not raise."""

    def overflowed(self, metric: Metric, label: str) -> None:
        """A value of ``label`` was folded."""

    def misused(self, metric: Metric, error: Exception) -> None:
        """A note is lost, because ``error`` says that it can't be one of ``metric``."""


class Family(Generic[_C]):
    """A metric's series by label values, in the order in which it declares its labels.

    What a label may be is decided for each label apart, never for the combination: a value outside
    a closed set, and a new value of an open label that has too many, becomes ``other`` in this
    label only, and is counted.
    """

    __slots__ = (
        "_allowed",
        "_companions",
        "_known",
        "_make",
        "_names",
        "_recorder",
        "_reports",
        "_series",
        "_zeros",
        "metric",
    )

    def __init__(
        self,
        metric: Metric,
        make: Callable[[Recorder, Metric, Key], _C],
        recorder: Recorder,
        reports: Reports,
    ) -> None:
        self.metric = metric
        self._make = make
        self._names = metric.label_names
        self._recorder = recorder
        self._reports = reports
        self._allowed = tuple(
            None if label.values is None else frozenset(label.values) for label in metric.labels
        )
        self._known: tuple[set[str], ...] = tuple(set() for _ in metric.labels)
        self._companions = [
            (position, companion)
            for position, label in enumerate(metric.labels)
            for companion in label.companions
        ]
        self._series: dict[Key, _C] = {}
        self._zeros = 0
        if not metric.labels:
            self._create(())

    def series(self, *values: str) -> _C:
        """The series with these label values, to note events of; it is exposed from now on.

        Raises ValueError when the number of values is not the number of labels.
        """
        try:
            return self._series[values]
        # A value that is no string, and no key either: its words are the label.
        except (KeyError, TypeError):
            folded = self._folded(values)
            return self._series.get(folded) or self._created(folded)

    child = series
    """The same, by its old name."""

    def expose(self, *values: str) -> None:
        """Expose the series with these label values at zero, so that increases are seen from 0.

        A counter or gauge costs a line of each scrape, a histogram three and one for each bucket.
        """
        self.series(*values)

    def bind_all(self) -> None:
        """`expose` every combination of closed labels."""
        for values in product(*(label.values or () for label in self.metric.labels)):
            self.expose(*values)

    def labelled(self, labels: Mapping[str, object]) -> _C:
        """The series with these values by the labels' names. ValueError says which are wrong."""
        if tuple(labels) != self._names:
            if labels.keys() != set(self._names):
                raise ValueError(
                    f"{self.metric.name} takes {_listed(self._names)}, not {_listed(labels)}"
                )
            labels = {name: labels[name] for name in self._names}
        return self.series(*labels.values())  # type: ignore[arg-type]

    def snapshot(self) -> FamilySnapshot:
        """Every series as it is now."""
        metric = self.metric
        pace = Pace()
        rows: dict[Key, float | HistogramRow] = {}
        # A copy, for another thread may make a series meanwhile.
        for values, cell in self._series.copy().items():
            pace.step()
            row = cell.row()
            if row == row:  # not a number is what nobody has set
                rows[values] = row
        return FamilySnapshot(
            *(metric.name, metric.kind.value, metric.help, metric.unit),
            *(self._names, metric.buckets, metric.merge, rows),
        )

    def clear(self) -> None:
        """Set every series back to zero."""
        for cell in self._series.values():
            cell.clear()

    def _folded(self, values: tuple[object, ...]) -> Key:
        if len(values) != len(self._allowed):
            raise ValueError(
                f"{self.metric.name} takes {len(self._allowed)} label values "
                f"({_listed(self._names)}), not {len(values)}"
            )
        folded = tuple([self._fold(*pair) for pair in enumerate(values)])
        if len(self._series) < MAX_COMBINATIONS or folded in self._series:
            return folded
        return tuple(
            [
                OTHER if len(known) > RESERVED_VALUES or self._is_twice_full() else value
                for value, known in zip(folded, self._known, strict=True)
            ]
        )

    def _is_twice_full(self) -> bool:
        return len(self._series) >= 2 * MAX_COMBINATIONS

    def _fold(self, position: int, value: object) -> str:
        text = _text(value)
        allowed, known = self._allowed[position], self._known[position]
        if text in known:
            return text
        if self._is_taken(text, allowed, known):
            known.add(text)
            return text
        self._reports.overflowed(self.metric, self.metric.labels[position].name)
        return OTHER

    def _is_taken(self, text: str, allowed: frozenset[str] | None, known: set[str]) -> bool:
        if allowed is not None:
            return text in allowed
        if text == OTHER:
            return True
        if len(text) > MAX_CHARACTERS or not _is_unicode(text):
            return False
        return len(known) < RESERVED_VALUES or len(self._series) - self._zeros < MAX_SERIES

    def _created(self, values: Key) -> _C:
        created = self._create(values)
        for position, companion in self._companions:
            beside = (*values[:position], companion, *values[position + 1 :])
            if beside not in self._series and len(self._series) < MAX_COMBINATIONS:
                self._zeros += 1
                self._create(tuple([self._fold(*pair) for pair in enumerate(beside)]))
        return created

    def _create(self, values: Key) -> _C:
        made = self._make(self._recorder, self.metric, values)
        # Another thread may have made it meanwhile: both then note to the same one.
        created = self._series.setdefault(values, made)
        if created is made:
            self._recorder.add(made)
        return created


def _text(value: object) -> str:
    """A value as a label shows it; of one that has no words, ``other``."""
    try:
        # A plain string: an enum member would be exposed under its Python name.
        return str.__str__(value) if isinstance(value, str) else str(value)
    except Exception:
        return OTHER


def _is_unicode(text: str) -> bool:
    """Whether it can be written: half of a surrogate pair can't."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _listed(names: "tuple[str, ...] | Mapping[str, object]") -> str:
    return ", ".join(names) or "no labels"


class CounterFamily(Family[CounterCell]):
    """A counter."""

    __slots__ = ()

    def inc(self, amount: float = 1.0, /, **labels: object) -> None:
        """Add ``amount`` to the series with these labels. It never raises: a mistake is told."""
        try:
            self.labelled(labels).note(amount)
        except Exception as error:
            self._reports.misused(self.metric, error)


class GaugeFamily(Family[GaugeCell]):
    """A gauge."""

    __slots__ = ()

    def set(self, value: float, /, **labels: object) -> None:
        """Set the series with these labels. It never raises: a mistake is told."""
        try:
            self.labelled(labels).note(value)
        except Exception as error:
            self._reports.misused(self.metric, error)

    def inc(self, amount: float = 1.0, /, **labels: object) -> None:
        """Add ``amount``, which may be negative. It never raises: a mistake is told."""
        try:
            self.labelled(labels).add(amount)
        except Exception as error:
            self._reports.misused(self.metric, error)


class HistogramFamily(Family[HistogramCell]):
    """A histogram."""

    __slots__ = ()

    def observe(self, value: float, /, **labels: object) -> None:
        """Observe ``value`` in the series with these labels. It never raises: a mistake is told."""
        try:
            self.labelled(labels).note(value)
        except Exception as error:
            self._reports.misused(self.metric, error)


AnyFamily = CounterFamily | GaugeFamily | HistogramFamily


def family_of(metric: Metric, recorder: Recorder, reports: Reports) -> AnyFamily:
    """The family of a metric, as its kind has it."""
    match metric.kind:
        case Kind.COUNTER:
            return CounterFamily(metric, CounterCell, recorder, reports)
        case Kind.GAUGE:
            return GaugeFamily(metric, GaugeCell, recorder, reports)
        case Kind.HISTOGRAM:
            return HistogramFamily(metric, HistogramCell, recorder, reports)
