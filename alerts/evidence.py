"""Whether an alert waits until something lasts, or fires for a single burst.

A rate over five minutes shows one burst of failures for five minutes, and one over six hours for
six hours. Whoever waits for less than that is called for what was over within one scrape.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from promql_parser import Call, MatrixSelector, VectorSelector

from alerts.model import Group, Severity, Signal, Threshold, Unit
from alerts.promql import seconds
from alerts.rules import expressions
from prometheus_tools.promql_nodes import nodes

_RATES = frozenset({"rate", "increase", "irate"})
_OF_RATES = frozenset({Unit.RATIO, Unit.PER_SECOND})

Recorded = Mapping[str, Sequence[str]]
"""The PromQL of each rule by its name; of several that share one, all."""

# At how many scrapes or evaluations something was seen: a burst is one of them.
_COUNTS_TIMES = re.compile("changes|seen")


def hasty_in(all_groups: tuple[Group, ...]) -> list[str]:
    """Alerts on shares and rates that fire although nothing says that it goes on."""
    recorded: dict[str, list[str]] = {}
    for group in all_groups:
        for name, expr in expressions(group):
            recorded.setdefault(name, []).append(expr)
    return [
        f"group {group.name}: alert {threshold.alert}: {problem}"
        for group in all_groups
        for signal in group.signals
        if signal.unit in _OF_RATES
        for threshold in signal.thresholds
        if threshold.severity is not Severity.INFO
        # Too little of what usually comes is a lull, and no burst.
        if "to_usual" not in str(signal.source)
        for problem in _hasty(signal, threshold, recorded)
    ]


def _hasty(signal: Signal, threshold: Threshold, recorded: Recorded) -> Iterator[str]:
    sources = [str(signal.source), *(str(guard.source) for guard in threshold.guards)]
    windows = [window for source in sources for window in windows_of(source, recorded)]
    shares = [source for source in sources if "ratio" in source.rpartition(":")[2]]
    has_two_windows = len({share.rpartition(":")[2] for share in shares}) > 1
    counts_times = any(_COUNTS_TIMES.search(source.rpartition(":")[2]) for source in sources)
    if not windows or has_two_windows or counts_times:
        return
    if seconds(threshold.pending) < min(windows):
        yield (
            f"pending {threshold.pending} is shorter than the {min(windows):g}s over which its "
            "rates are taken, so one burst makes it fire; make it longer, or ask for two windows"
        )


def windows_of(expr: str, recorded: Recorded) -> set[float]:
    """Seconds over which rates are taken in ``expr`` and in the records that it reads."""
    found: set[float] = set()
    # A record may carry on its own past.
    seen: set[str] = set()

    def look_at(read: str) -> None:
        for node in nodes(read):
            if isinstance(node, Call) and node.func.name in _RATES:
                found.update(
                    argument.range.total_seconds()
                    for argument in node.args
                    if isinstance(argument, MatrixSelector)
                )
            elif isinstance(node, VectorSelector) and node.name and node.name not in seen:
                seen.add(node.name)
                for each in recorded.get(node.name, ()):
                    look_at(each)

    look_at(expr)
    return found
