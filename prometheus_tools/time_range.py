"""The past that a command looks at: its options, and what they say."""

import argparse
from datetime import UTC, datetime

from prometheus_tools.rulebook import duration


def add_options(parser: argparse.ArgumentParser, last: str | None) -> None:
    """``--from``, ``--to``, and ``--last`` in place of ``--from``, by default ``last``.

    Without a default, the command has to put something in place of None.
    """
    parser.add_argument(
        "--from",
        dest="start",
        type=moment,
        metavar="TIME",
        help="begin, such as 2026-11-24T12:00Z",
    )
    parser.add_argument("--to", dest="end", type=moment, metavar="TIME", help="end (default: now)")
    parser.add_argument(
        "--last",
        type=seconds,
        default=last,
        metavar="DURATION",
        help=f"how far back, instead of --from ({f'default {last}' if last else 'such as 6h'})",
    )


def chosen(options: argparse.Namespace) -> tuple[int, int]:
    """Begin and end, seconds since the epoch. ValueError where the end is not after the begin."""
    end = options.end or int(datetime.now(UTC).timestamp())
    start = options.start or end - options.last
    if start >= end:
        raise ValueError(f"--from {written(start)} is not before --to {written(end)}")
    return start, end


def written(second: float) -> str:
    """A moment as people read it, in UTC."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def seconds(text: str) -> int:
    """The seconds of a duration on the command line."""
    try:
        return int(duration(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a duration; write it as 30m or 7d"
        ) from None


def moment(text: str) -> int:
    """The seconds since the epoch of a time on the command line; UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; write it as 2026-11-24T12:00Z"
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
