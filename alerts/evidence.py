"""Whether an alert waits until something lasts, or fires for a single burst.

A rate over five minutes shows one burst of failures for five minutes. Whoever waits for less than
that is called for what was over within one scrape.
"""

from collections.abc import Iterator, Mapping

import promql_parser
from promql_parser import Call, MatrixSelector, VectorSelector

from alerts.model import Group, Severity, Signal, Threshold, Unit
from alerts.promql import seconds
from alerts.rules import expressions

_RATES = frozenset({"rate", "increase", "irate"})
_OF_RATES = frozenset({Unit.RATIO, Unit.PER_SECOND})

LONG_SECONDS = 1800
"""A share of what happened in so long a time, or longer, is no burst."""


def hasty_in(all_groups: tuple[Group, ...]) -> list[str]:
    """Alerts on shares and rates that fire although nothing says that it goes on."""
    recorded = {
        name: expr for group in all_groups for name, expr in expressions(group) if ":" in name
    }
    return [
        f"group {group.name}: alert {threshold.alert}: {problem}"
        for group in all_groups
        for signal in group.signals
        if signal.unit in _OF_RATES
        for threshold in signal.thresholds
        if threshold.severity is not Severity.INFO
        for problem in _hasty(signal, threshold, recorded)
    ]


def _hasty(signal: Signal, threshold: Threshold, recorded: Mapping[str, str]) -> Iterator[str]:
    sources = [str(signal.source), *(str(guard.source) for guard in threshold.guards)]
    windows = [window for source in sources for window in windows_of(source, recorded)]
    shares = [source for source in sources if "ratio" in source.rpartition(":")[2]]
    has_two_windows = len({share.rpartition(":")[2] for share in shares}) > 1
    counts_times = any("changes" in source.rpartition(":")[2] for source in sources)
    if not windows or min(windows) >= LONG_SECONDS or has_two_windows or counts_times:
        return
    if seconds(threshold.pending) <= min(windows):
        yield (
            f"pending {threshold.pending} is no longer than the {min(windows):g}s over which its "
            "rates are taken, so one burst makes it fire; make it longer, or ask for two windows"
        )


def windows_of(expr: str, recorded: Mapping[str, str]) -> set[float]:
    """Seconds over which rates are taken in ``expr`` and in the records that it reads."""
    found: set[float] = set()

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, Call) and node.func.name in _RATES:
            found.update(
                argument.range.total_seconds()
                for argument in node.args
                if isinstance(argument, MatrixSelector)
            )
        elif isinstance(node, VectorSelector) and node.name in recorded:
            found.update(windows_of(recorded[node.name], recorded))

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found
