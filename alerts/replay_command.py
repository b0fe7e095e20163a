"""`python -m alerts replay`: would this have fired?"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from textwrap import wrap
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from alerts.export import rule_options
from alerts.expressions import TARGET_LABELS
from alerts.prometheus_config import evaluation_seconds
from alerts.rules import SET_BY_RULES
from app.core.config import load_settings
from asgi_observability.nearest import did_you_mean
from prometheus_tools import time_range
from prometheus_tools.api import PrometheusAPI, PrometheusError
from prometheus_tools.replay import Difference, Fired, NoDataError, Replay, Replayed, differences
from prometheus_tools.rulebook import Rulebook, rulebook

DESCRIPTION = """\
Prints when each alert would have fired in the past with other thresholds, and how this differs from
the present thresholds. It reads the past from a Prometheus:

  python -m alerts replay --last 7d --set sms_latency_objective=0.98 --alert SMSLatencyBudgetBurn
"""

Section = TypeVar("Section", bound=BaseModel)

_MARKS = {(True, True): " ", (False, True): "+", (True, False): "-"}
_WARM_UP_SECONDS = 3600
"""How long before its begin a replay looks, at most."""
_COLUMNS = 80
_FOR_LABELS = 20
"""Columns without which labels go below their row."""
_SAID_BY_NAME = SET_BY_RULES | {"alertname"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--prometheus",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="address of Prometheus (default %(default)s)",
    )
    time_range.add_options(parser, "1d")
    parser.add_argument(
        "--set",
        dest="changes",
        type=_change,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a threshold and its new value; may be repeated",
    )
    parser.add_argument(
        "--environment",
        metavar="NAME",
        help="use the thresholds of this environment, such as staging",
    )
    parser.add_argument(
        "--alert",
        action="append",
        default=[],
        metavar="NAME",
        help="only this alert; may be repeated",
    )
    parser.add_argument(
        "--interval",
        type=time_range.seconds,
        default=0,
        metavar="DURATION",
        help="evaluate at most this often: faster for weeks, but short firings are missed",
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="name the alerts that can't be replayed, or only in part, and say why",
    )
    parser.add_argument(
        "--timeout",
        type=time_range.seconds,
        default="1m",
        metavar="DURATION",
        help="most time that one query may take (default 1m); Prometheus stops it after 2m",
    )
    rule_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Replay and print; returns the exit code. Raises ValueError for what can't be meant."""
    settings = load_settings()
    start, end = time_range.chosen(options)
    present = settings.thresholds
    others = load_settings(options.environment).thresholds if options.environment else present
    changed = with_changes(others, dict(options.changes))
    is_changed = changed != present
    before, after = (
        rulebook(
            rule_options.texts(each, settings.links, options),
            evaluation_seconds(),
            options.interval,
        )
        for each in (present, changed)
    )
    _check_names(options.alert, after)
    try:
        with PrometheusAPI(options.prometheus, options.timeout) as prometheus:
            # Before the first scrape, each target would look down.
            known_from = prometheus.first_sample(start - _WARM_UP_SECONDS, end) or 0
            if known_from > start:
                start = known_from
                said = f"nothing is known before {_short(start)}; it begins there"
                print(said, file=sys.stderr)
            replay = Replay(
                prometheus,
                start,
                end=end,
                recorded=before,
                progress=_progress,
                known_from=known_from,
            )
            replayed = replay.run(after, options.alert)
            usual = replay.run(before, options.alert) if is_changed else replayed
    except (PrometheusError, NoDataError, ValueError) as error:
        _clear_progress()
        print(f"{time_range.written(start)} to {time_range.written(end)}: {error}", file=sys.stderr)
        return 1
    _clear_progress()
    # Whoever names alerts wants to know all about them.
    is_verbose = options.verbose or bool(options.alert)
    print(report(usual, replayed, end, is_changed=is_changed, is_verbose=is_verbose))
    return 0


def with_changes(present: Section, changes: Mapping[str, str]) -> Section:
    """``present`` with other values. Raises ValueError that names what is wrong, and the fix."""
    known = type(present).model_fields
    for name in changes:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}")
            raise ValueError(f"--set {name}: no such threshold; {hint}")
    try:
        return type(present).model_validate({**present.model_dump(), **changes})
    except ValidationError as error:
        problems = [
            f"--set {'.'.join(map(str, problem['loc'])) or ' '.join(changes)}: "
            f"{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise ValueError("\n".join(problems)) from None


def report(
    before: Replayed, after: Replayed, end: int, *, is_changed: bool, is_verbose: bool = False
) -> str:
    """The firings as a table, and what the change makes of them; at most 80 columns."""
    found = differences(before.fired, after.fired)
    lines = list(_table(found, end)) if found else ["nothing would have fired"]
    if is_changed:
        more = sum(d.before is None for d in found)
        gone = sum(d.after is None for d in found)
        lines.append(f"with the change: {more} more (+), {gone} no more (-)")
    notes = [f"{alert}: can't be replayed: {reason}" for alert, reason in after.untold.items()]
    if len(notes) > 1 and not is_verbose:
        notes = [f"alerts that can't be replayed: {len(notes)} (VERBOSE=1 or --verbose says why)"]
    if after.partly:
        which = (
            ", ".join(sorted(after.partly))
            if is_verbose
            else f"{len(after.partly)} (VERBOSE=1 or --verbose names them)"
        )
        notes.append(f"alerts of which only the last part of this time is known: {which}")
    for note in notes:
        lines += wrap(note, _COLUMNS, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def _table(found: Sequence[Difference], end: int) -> Iterator[str]:
    telling = _telling_labels([fired for d in found for fired in (d.before, d.after) if fired])
    header = ("", "alert", "from (UTC)", "to", "for", "peak")
    rows = [_cells(difference, end) for difference in found]
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str], labels: str = "") -> str:
        mark, *others = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"{mark} {'  '.join((*others, labels))}".rstrip()

    before_labels = sum(widths) + 2 * len(widths) - 1
    is_beside = _COLUMNS - before_labels >= _FOR_LABELS
    indent = before_labels if is_beside else 6
    yield line(header, "labels" if is_beside else "")
    for difference, row in zip(found, rows, strict=True):
        about = [
            " " * indent + part
            for text in _labels(difference, telling)
            for part in wrap(text, _COLUMNS - indent, break_on_hyphens=False)
        ]
        if is_beside and about:
            about[0] = line(row, about[0].lstrip())
        else:
            about.insert(0, line(row))
        yield from about


def _cells(difference: Difference, end: int) -> tuple[str, ...]:
    before, after = difference.before, difference.after
    fired = after or before
    assert fired is not None
    return (
        _MARKS[before is not None, after is not None],
        fired.alert,
        _short(fired.start),
        "still" if fired.end >= end - 60 else _short(fired.end),
        _length(fired.end - fired.start),
        f"{fired.peak:.4g}",
    )


def _labels(difference: Difference, telling: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """What tells the alert from others, then how it was before the change."""
    before, after = difference.before, difference.after
    fired = after or before
    assert fired is not None
    shown = telling[fired.alert]
    yield ", ".join(f"{k}={v}" for k, v in sorted(fired.labels.items()) if k in shown)
    if before and after and (before.start, before.end) != (after.start, after.end):
        yield f"was {_short(before.start)} for {_length(before.end - before.start)}"


def _telling_labels(fired: Sequence[Fired]) -> dict[str, frozenset[str]]:
    """By alert, the labels to be shown: those of a target only where they differ."""
    telling: dict[str, frozenset[str]] = {}
    for alert in {each.alert for each in fired}:
        labels = [each.labels for each in fired if each.alert == alert]
        names = frozenset(name for each in labels for name in each) - _SAID_BY_NAME
        same = {n for n in TARGET_LABELS if len({each.get(n) for each in labels}) == 1}
        telling[alert] = names - same
    return telling


def _check_names(names: Sequence[str], rules: Rulebook) -> None:
    known = {rule.name for rule in rules.alerts}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known, otherwise=f"there are {', '.join(sorted(known))}")
            raise ValueError(f"--alert {name}: no such alert; {hint}")


def _change(text: str) -> tuple[str, str]:
    name, equal, value = text.partition("=")
    if not (name and equal and value):
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VALUE")
    return name.strip(), value.strip()


def _short(second: float) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%m-%d %H:%M}"


def _length(length: float) -> str:
    hours, rest = divmod(int(length), 3600)
    minutes, left = divmod(rest, 60)
    # Beside hours, seconds tell nothing.
    parts = ((hours, "h"), (minutes, "m"), (0 if hours else left, "s"))
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


def _progress(alert: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{alert:<60}", end="", file=sys.stderr, flush=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)
