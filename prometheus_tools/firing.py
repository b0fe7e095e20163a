"""When an alert fires, given when its expression is true: the state machine of Prometheus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Firing:
    """A time in which an alert fires, from its first to its last evaluation as such, seconds.

    ``values`` are those of the expression in this time; there is none where it is only kept firing.
    """

    start: float
    end: float
    values: tuple[float, ...]


def firings(
    evaluations: Iterable[float],
    values: Mapping[float, float],
    pending: float,
    keep_firing: float,
) -> list[Firing]:
    """The times in which an alert fires whose expression has ``values`` at some ``evaluations``.

    It is pending from the first evaluation that has a value, fires with the first one at least
    ``pending`` seconds later, without a gap between, and goes on for ``keep_firing`` seconds after
    the first without a value.
    """
    found: list[Firing] = []
    active_since: float | None = None
    fired: list[float] = []
    seen: list[float] = []
    missing_since: float | None = None
    for now in evaluations:
        value = values.get(now)
        if value is None:
            missing_since = now if missing_since is None else missing_since
            if fired and now - missing_since < keep_firing:
                fired.append(now)
                continue
            if fired:
                found.append(Firing(fired[0], fired[-1], tuple(seen)))
            active_since, fired, seen = None, [], []
            continue
        missing_since = None
        active_since = now if active_since is None else active_since
        if fired or now - active_since >= pending:
            fired.append(now)
            seen.append(value)
    if fired:
        found.append(Firing(fired[0], fired[-1], tuple(seen)))
    return found
