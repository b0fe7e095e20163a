"""Options that say how a team's jobs, labels and scrapes differ from ours.

Whoever gives them to an export gives the same to replay and backfill, which read what is scraped.
"""

import argparse
from collections.abc import Collection

from alerts import identity_option
from alerts.export.engines import Engine
from alerts.export.files import exported
from alerts.export.options import SLOWEST_SCRAPE_SECONDS, Options
from alerts.rules import rule_files
from alerts.signals.scraping import PLATFORM_JOBS
from app.core.config import Links
from app.core.thresholds import Thresholds
from prometheus_tools import time_range


def add_options(parser: argparse.ArgumentParser) -> None:
    """Describe them to ``parser``."""
    parser.add_argument(
        "--job",
        dest="jobs",
        type=pair,
        action="append",
        default=[],
        metavar="OURS=YOURS",
        help="what a job is called at yours, such as orchestrator=sms; may be repeated",
    )
    identity_option.add_option(parser)
    parser.add_argument(
        "--scrape-interval",
        type=_scrape_seconds,
        default=15,
        metavar="DURATION",
        help="how often you scrape, 30s at most; ranges become at least four times as long, and "
        "alerts wait as much longer (default 15s)",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="GROUP",
        help="leave out this group, such as node; may be repeated",
    )
    parser.add_argument(
        "--no-job",
        dest="absent_jobs",
        action="append",
        default=[],
        metavar="JOB",
        help="leave out the alerts that miss this job, by our name, because nothing of yours "
        f"scrapes it: {', '.join(PLATFORM_JOBS)}; may be repeated",
    )


def texts(thresholds: Thresholds, links: Links, arguments: argparse.Namespace) -> Collection[str]:
    """The rule files as a Prometheus of that team has them. Raises ValueError."""
    options = Options(
        engine=Engine.PROMETHEUS,
        jobs=once("--job", arguments.jobs),
        scrape_seconds=int(arguments.scrape_interval),
        without=frozenset(arguments.without),
        absent_jobs=frozenset(arguments.absent_jobs),
        identity=identity_option.identity(arguments),
    )
    return exported(rule_files(thresholds, links, options.identity), options).values()


def once(option: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """``pairs`` by name. ValueError where ``option`` gives one name two values, or one twice."""
    for name, _ in pairs:
        values = [value for other, value in pairs if other == name]
        if len(values) > 1:
            raise ValueError(f"{option} {name} is given twice: {', '.join(values)}; give it once")
    return dict(pairs)


def pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` as a pair."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text}: write it as NAME=VALUE")
    return name, value


def _scrape_seconds(text: str) -> float:
    value = time_range.seconds(text)
    if not 1 <= value <= SLOWEST_SCRAPE_SECONDS:
        raise argparse.ArgumentTypeError(
            f"{text}: 1s to {SLOWEST_SCRAPE_SECONDS}s; rates over two minutes need four scrapes"
        )
    return float(value)
