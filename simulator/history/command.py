"""`python -m simulator history`: write a synthetic past."""

import argparse
import re
import sys
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.core.catalogue import Metric
from app.core.nearest import did_you_mean
from simulator.history.openmetrics import Detail, write
from simulator.history.past import five_weeks
from simulator.history.series import KNOWN

DESCRIPTION = """\
Writes five weeks of the orchestrator's metrics as OpenMetrics text: daily and weekly rhythm, growth
of 3 % a week, a public holiday, two restarts, and in the fifth week three incidents: SMS missing,
few approvals, slow processing. Prometheus takes it in as blocks:

  promtool tsdb create-blocks-from openmetrics --max-block-duration=40000h FILE DATA_FOLDER
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write; standard output if not given"
    )
    parser.add_argument(
        "--end", type=_moment, metavar="TIME", help="last sample, such as 2026-11-24T12:00Z; now"
    )
    parser.add_argument(
        "--step", type=_duration, default="30s", metavar="DURATION", help="time between samples"
    )
    parser.add_argument(
        "--recent",
        type=_duration,
        default="1d",
        metavar="DURATION",
        help="with all metrics and each step; before it only what is looked at over weeks, with "
        "the samples that records every 5m need (default 1d)",
    )
    parser.add_argument(
        "--metric",
        type=_metric,
        action="append",
        metavar="NAME",
        help="only this metric, over all the time; may be repeated",
    )
    parser.add_argument(
        "--per-minute", type=float, default=60, metavar="N", help="mean rate of SMS at the end (60)"
    )
    parser.add_argument("--instance", default="127.0.0.1:8000", help="label of every series")
    parser.add_argument("--seed", type=int, default=0, help="the same seed, the same past")


def run(options: argparse.Namespace) -> int:
    """Write the past; returns the exit code."""
    end = options.end or datetime.now(UTC).replace(second=0, microsecond=0)
    detail = Detail(recent=options.recent)
    if options.metric:
        detail = Detail.of_all_time(dict.fromkeys(options.metric, 1))
    try:
        past = five_weeks(
            end,
            seed=options.seed,
            step=options.step,
            instance=options.instance,
            messages_per_minute=options.per_minute,
        )
        target = (
            options.output.open("w", encoding="utf-8")
            if options.output
            else nullcontext(sys.stdout)
        )
        with target as output:
            samples = write(past, output, detail, _progress)
    except (OSError, ValueError) as error:
        print(f"\rNo history written: {error}", file=sys.stderr)
        return 1
    _clear_progress()
    for incident in past.incidents:
        print(
            f"{incident.kind} x{incident.factor:g} from {incident.start:%Y-%m-%d %H:%M} UTC"
            f" to {incident.end:%H:%M}",
            file=sys.stderr,
        )
    print(f"{samples:,} samples, {past.start:%Y-%m-%d} to {past.end:%Y-%m-%d}", file=sys.stderr)
    return 0


def _progress(metric: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{metric:<79}", end="", file=sys.stderr, flush=True)


def _clear_progress() -> None:
    if sys.stderr.isatty():
        print(f"\r{'':<79}\r", end="", file=sys.stderr, flush=True)


def _duration(text: str) -> timedelta:
    if not (match := re.fullmatch(r"(\d+)([smhdw])", text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write 60s, 5m, 1d or the like")
    unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[match[2]]
    return timedelta(**{unit: int(match[1])})


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write it as 2026-11-24T12:00Z"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _metric(name: str) -> Metric:
    by_name = {metric.name: metric for metric in KNOWN}
    if name not in by_name:
        hint = did_you_mean(name, by_name, otherwise="the catalogue has the names")
        raise argparse.ArgumentTypeError(f"{name!r}: no history is made of that; {hint}")
    return by_name[name]
