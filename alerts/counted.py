"""How many events counters saw: rates that hold the first ones too, and windows made of them.

A window is added up from rates over two minutes with a subquery, so that its result does not depend
on how often the rates are recorded, and time of which nothing is known adds nothing.
"""

from alerts.exporters import UP
from alerts.promql import seconds

RATE = "2m"
"""What each rate looks back: eight scrapes, so that a few may fail."""

_FIRST = "first"
"""A label that keeps first counts beside rates while they are added up."""


def events(series: str, by: str) -> str:
    """Events a second of the counters ``series``, added up by labels.

    ``rate`` sees nothing of the value with which a series begins, and of what fails rarely that is
    all there is. It counts here where the target was scraped before without having the series, so
    neither where an instance is new nor after a gap.
    """
    first = (
        f"({series} unless {series} offset {RATE} "
        f"and on (job, instance) {UP.name} offset {RATE} == 1) / {seconds(RATE)}"
    )
    return (
        f'sum by ({by}) (rate({series}[{RATE}]) or label_replace({first}, "{_FIRST}", "1", "", ""))'
    )


def step(window: str) -> int:
    """Seconds between the rates that are added up over ``window``, an hour or less.

    No more than are needed: a subquery holds all of its samples at the same time, and promtool
    takes 10,000 of them.
    """
    return 15 if seconds(window) <= 300 else 60


def added(rate: str, window: str) -> str:
    """How many events of the recorded ``rate`` there were within ``window``."""
    return f"sum_over_time({rate}[{window}:{step(window)}s]) * {step(window)}"


def share(part: str, whole: str, window: str) -> str:
    """The share of the recorded rate ``part`` of the rate ``whole`` over ``window``.

    None where there was nothing of the whole.
    """
    range_ = f"[{window}:{step(window)}s]"
    return f"sum_over_time({part}{range_}) / (sum_over_time({whole}{range_}) > 0)"


LASTING = seconds(RATE) + 15
"""Seconds for which failures are seen that are more than a burst within two scrapes."""


def seen(rate: str, window: str, every: int | None = None) -> str:
    """For how many seconds of ``window`` the recorded ``rate`` was above 0.

    It is looked at ``every`` so many seconds, else as often as what is added up.
    A burst within one scrape stays in the rate for less than two minutes, and one within two for
    just that. What is seen for ``LASTING`` has gone on: to tell that takes a look every 15 seconds.
    """
    every = every or step(window)
    return f"count_over_time(({rate} > 0)[{window}:{every}s]) * {every}"
