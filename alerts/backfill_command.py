"""`python -m alerts backfill`: the recording rules over the past."""

import argparse
import sys
from pathlib import Path

from alerts.prometheus_config import evaluation_seconds
from alerts.rules import rule_files
from app.core.config import load_settings
from app.core.nearest import did_you_mean
from prometheus_tools import time_range
from prometheus_tools.api import PrometheusError
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.blocks import BlocksError
from prometheus_tools.rulebook import Rulebook, rulebook
from prometheus_tools.scratch import ScratchError

DESCRIPTION = """\
Evaluates recording rules over the past and writes what they would have recorded as blocks, so that
baselines and long-range panels know the weeks before the rules were there:

  python -m alerts backfill --data /var/lib/prometheus --last 35d
  python -m alerts backfill --prometheus http://127.0.0.1:9090 --data blocks --last 35d

Without --prometheus, the past is that of the blocks in --data; what is not in a block yet, the last
three hours at most, is left out. A running Prometheus takes new blocks in its data folder in within
a minute or two.
"""

_LOOKBACK_SECONDS = 300
"""How far Prometheus looks back for a sample; samples further apart would leave gaps."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="where to write the blocks: Prometheus's data folder, or another folder to move "
        "them from",
    )
    parser.add_argument(
        "--prometheus",
        default="",
        metavar="URL",
        help="read the past from this Prometheus, by remote read",
    )
    time_range.add_options(parser, "35d")
    parser.add_argument(
        "--record",
        action="append",
        default=[],
        metavar="NAME",
        help="only this record and those it reads; may be repeated",
    )
    parser.add_argument(
        "--interval",
        type=time_range.seconds,
        default="1m",
        metavar="DURATION",
        help="evaluate no more often than this (default 1m, 5m at most); 0s: as often as the rules",
    )


def run(options: argparse.Namespace) -> int:
    """Backfill and print; returns the exit code. Raises ValueError for what can't be meant."""
    settings = load_settings()
    start, end = time_range.chosen(options)
    if options.interval > _LOOKBACK_SECONDS:
        raise ValueError(
            f"--interval {options.interval}s: Prometheus looks back 5m for a sample; use 5m or less"
        )
    if not options.prometheus and not options.data.is_dir():
        raise ValueError(f"--data {options.data}: no such folder; name that of Prometheus's blocks")
    texts = rule_files(settings.thresholds, settings.links).values()
    rules = rulebook(texts, evaluation_seconds())
    _check_names(options.record, rules)
    names = options.record or list(rules.records)
    try:
        stretch = Stretch(start, end, options.interval)
        done = backfill(rules, names, options.data, [stretch], options.prometheus, _progress)
    except (PrometheusError, ScratchError, BlocksError, OSError) as error:
        _progress("")
        print(f"nothing backfilled: {error}", file=sys.stderr)
        return 1
    _progress("")
    empty = [name for name, samples in done.samples.items() if not samples]
    if len(empty) == len(done.samples):
        print(
            f"{options.data}: nothing backfilled: there is nothing in this time that the records "
            "read, or all of it is recorded already",
            file=sys.stderr,
        )
        return 1
    written = sum(done.samples.values())
    print(
        f"{options.data}: {written:,} samples, {len(done.samples) - len(empty)} records, "
        f"{len(done.blocks)} blocks"
    )
    if empty:
        print(f"nothing to record: {', '.join(empty)}")
    return 0


def _check_names(names: list[str], rules: Rulebook) -> None:
    for name in names:
        if name not in rules.records:
            hint = did_you_mean(name, rules.records, otherwise="see prometheus/rules")
            raise ValueError(f"--record {name}: no such record; {hint}")


def _progress(record: str) -> None:
    if sys.stderr.isatty():
        end = "" if record else "\r"
        print(f"\r{record:<90}", end=end, file=sys.stderr, flush=True)
