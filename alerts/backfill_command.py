"""`python -m alerts backfill`: the recording rules over the past."""

import argparse
import sys
from pathlib import Path

from alerts.export import rule_options
from alerts.prometheus_config import evaluation_seconds
from app.core.config import load_settings
from asgi_observability.nearest import did_you_mean
from prometheus_tools import time_range
from prometheus_tools.api import PrometheusAPI, PrometheusError
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.blocks import BlocksError
from prometheus_tools.rulebook import Rulebook, rulebook
from prometheus_tools.scratch import ScratchError

DESCRIPTION = """\
Evaluates the recording rules for the past and writes the results as blocks. Then baselines and
panels over weeks have values for the time before the rules existed:

  python -m alerts backfill --data /var/lib/prometheus --last 35d
  python -m alerts backfill --prometheus http://127.0.0.1:9090 --data blocks --last 35d

Without --prometheus, the metrics are read from the blocks in --data. What is not in a block yet (at
most the last three hours) is left out. A running Prometheus reads new blocks in its data folder
within one or two minutes.
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
        help="read the metrics from this Prometheus, by remote read",
    )
    time_range.add_options(parser, "35d")
    parser.add_argument(
        "--record",
        action="append",
        default=[],
        metavar="NAME",
        help="only this record and the records that it reads; may be repeated",
    )
    parser.add_argument(
        "--interval",
        type=time_range.seconds,
        default="1m",
        metavar="DURATION",
        help="evaluate at most this often (default 1m, longest 5m); 0s: as often as the rules do",
    )
    rule_options.add_options(parser)


def run(options: argparse.Namespace) -> int:
    """Backfill and print; returns the exit code. Raises ValueError for what can't be meant."""
    settings = load_settings()
    start, end = time_range.chosen(options)
    if options.interval > _LOOKBACK_SECONDS:
        raise ValueError(
            f"--interval {options.interval}s: Prometheus looks back 5m for a sample; use 5m or less"
        )
    if not options.prometheus and not options.data.is_dir():
        raise ValueError(
            f"--data {options.data}: no such folder; give the folder of Prometheus's blocks"
        )
    texts = rule_options.texts(settings.thresholds, settings.links, options)
    rules = rulebook(texts, evaluation_seconds())
    _check_names(options.record, rules)
    names = options.record or list(rules.records)
    try:
        if options.prometheus:
            with PrometheusAPI(options.prometheus) as prometheus:
                prometheus.require_answer()
        stretch = Stretch(start, end, options.interval)
        done = backfill(
            rules,
            names,
            options.data,
            stretches=[stretch],
            prometheus_url=options.prometheus,
            progress=_progress,
        )
    except (PrometheusError, ScratchError, BlocksError, OSError) as error:
        _progress("")
        print(f"nothing backfilled: {error}", file=sys.stderr)
        return 1
    _progress("")
    empty = [name for name, samples in done.samples.items() if not samples]
    if len(empty) == len(done.samples):
        print(
            f"{options.data}: nothing backfilled: the records read nothing in this time, or "
            "everything is recorded already",
            file=sys.stderr,
        )
        return 1
    written = sum(done.samples.values())
    print(
        f"{options.data}: {written:,} samples, {len(done.samples) - len(empty)} records, "
        f"{len(done.blocks)} blocks"
    )
    if empty:
        print(f"no data for: {', '.join(empty)}")
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
