"""`python -m stack capacity`: what the bundle needs at a size, and where it breaks first."""

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from stack.capacity import report
from stack.capacity.limits import GIB, Machine
from stack.capacity.size import Size

_INDENT = 12

DESCRIPTION = (
    "What the whole bundle needs at a size, and where it breaks first. Figures are formulas over "
    "the metrics' catalogue and measured constants (stack/capacity/measured.json)."
)
_EPILOG = """\
examples:
  python -m stack capacity --sms-per-second 1000 --instances 40
  python -m stack capacity --sms-per-second 50 --instances 4 --workers 2 --retention 1y
  python -m stack capacity --table
"""
_Value = TypeVar("_Value")
_DAYS = {"d": 1, "w": 7, "y": 365}
_LONGEST_DAYS = 100 * 365


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.description = DESCRIPTION
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--sms-per-second",
        type=_named("--sms-per-second", _rate),
        help="SMS that come in, all instances",
    )
    parser.add_argument(
        "--instances", type=_named("--instances", _count), help="replicas of the orchestrator"
    )
    parser.add_argument(
        "--workers", type=_named("--workers", _count), default=1, help="processes of each (1)"
    )
    parser.add_argument(
        "--retention",
        type=_named("--retention", _days),
        default=60,
        help="how long samples are kept: 60d, 8w, 1y (60d)",
    )
    parser.add_argument(
        "--keep-info",
        type=_named("--keep-info", _share),
        default=1.0,
        help="ORCHESTRATOR_LOGS__SAMPLE_INFO: the share of info lines kept, 0 to 1 (1)",
    )
    parser.add_argument(
        "--prometheus-gib",
        type=_named("--prometheus-gib", _rate),
        default=32,
        help="memory of one Prometheus, GiB (32)",
    )
    parser.add_argument(
        "--database-cores",
        type=_named("--database-cores", _count),
        default=8,
        help="processors of the database (8)",
    )
    parser.add_argument(
        "--database-connections",
        type=_named("--database-connections", _count),
        default=97,
        help="connections that the database allows the service: max_connections less 3 (97)",
    )
    parser.add_argument(
        "--database-gib",
        type=_named("--database-gib", _rate),
        default=1000,
        help="disk of the database, GiB (1000)",
    )
    parser.add_argument(
        "--table",
        action="store_true",
        help="several sizes beside each other, and limits and logs of one, as Markdown",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it. ValueError says which option is missing."""
    if arguments.table:
        print("\n\n".join((report.table(), report.limits_table(), report.logs_table())))
        return 0
    for option in ("sms_per_second", "instances"):
        if getattr(arguments, option) is None:
            raise ValueError(
                f"give --{option.replace('_', '-')}, or {option.upper()}=… to make; --help shows "
                "an example"
            )
    size = Size(
        sms_per_second=arguments.sms_per_second,
        instances=arguments.instances,
        workers=arguments.workers,
        retention_days=arguments.retention,
        keep_info=arguments.keep_info,
    )
    machine = Machine(
        prometheus_memory=arguments.prometheus_gib * GIB,
        database_cores=arguments.database_cores,
        database_connections=arguments.database_connections,
        database_disk=arguments.database_gib * GIB,
    )
    print("\n".join(_fitted(report.full(size, machine), shutil.get_terminal_size().columns)))
    return 0


def _fitted(lines: Iterable[str], width: int) -> Iterator[str]:
    """``lines``, those that are longer than the terminal is wide in several."""
    for line in lines:
        yield textwrap.fill(
            line,
            max(width, 4 * _INDENT),
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _named(option: str, read: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """``read``, whose errors name the option: make's users see no other sign of it."""

    def named(text: str) -> _Value:
        try:
            return read(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{option}: {error}") from None

    return named


def _rate(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text}: use a number above 0, up to 1,000,000")
    return value


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise argparse.ArgumentTypeError(f"{text}: use a whole number from 1 to 999,999")
    return int(text)


def _share(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: use a share from 0 to 1, such as 0.1")
    return value


def _days(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([dwy])", text)
    days = float(match[1]) * _DAYS[match[2]] if match else 0
    if not 0 < days <= _LONGEST_DAYS:
        raise argparse.ArgumentTypeError(
            f"{text}: use days, weeks or years, such as 60d, 8w or 1y, up to 100y"
        )
    return days


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: this is no number") from None
