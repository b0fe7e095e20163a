"""`python -m app.logs`: find lines, count them, follow one request."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from app.core.levels import level_name
from app.core.personal_data import use_key
from app.core.utf8 import begin_in_utf8
from app.logs import filters, show
from app.logs.files import QueryError, find_files
from app.logs.filters import LEVELS, Filters
from app.logs.query import Line, Query

FOLDER = "ORCHESTRATOR_LOGS__FOLDER"
HASH_KEY = "ORCHESTRATOR_LOG_HASH_KEY"
SECRETS_DIR = "ORCHESTRATOR_SECRETS_DIR"
LOCAL_FOLDER = Path(".state/logs")
SHOWN_LINES = 200
_EXAMPLES = f"""\
Times are UTC: 30m, 2h, 1d before now, or 2026-11-23T14:00. Durations: 500ms, 2s.
Files, plain and compressed, are read in place; --in, or {FOLDER}, says where.

  python -m app.logs find --level warning --since 30m
  python -m app.logs find --event operation_slow --where component=ai_provider
  python -m app.logs count event --since 1d --tenant tenant-42
  python -m app.logs trace 01a209b3-f687-7a33-a8b2-a463ea317405
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when something was found, 1 when nothing was, 2 for a wrong question."""
    options = _parser().parse_args(arguments)
    _use_key()
    try:
        return int(options.run(options))
    except QueryError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever reads has seen enough, `| head` for instance.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _find(options: argparse.Namespace) -> int:
    limit = options.limit or (None if options.ndjson else SHOWN_LINES)
    with _query(options) as query:
        lines = query.lines(limit)
        if not lines:
            query.check_fields()
        _print(_ndjson(lines) if options.ndjson else show.table(lines))
        more = "; --limit shows more" if len(lines) == limit and not options.limit else ""
        return _say(query, options, f"{_lines(len(lines))}{more}", bool(lines))


def _count(options: argparse.Namespace) -> int:
    with _query(options) as query:
        found = query.counts(options.field, options.limit or SHOWN_LINES)
        if not found:
            query.check_fields()
        if options.ndjson:
            _print(_ndjson({options.field: v, "lines": n, "total": t} for v, n, t in found))
        else:
            _print(show.counts(options.field, found))
        return _say(query, options, _lines(sum(count.lines for count in found)), bool(found))


def _trace(options: argparse.Namespace) -> int:
    with _query(options) as query:
        lines = query.lines(None)
        if lines:
            _print(_ndjson(lines) if options.ndjson else show.time_line(options.id, lines))
        return _say(query, options, _lines(len(lines)), bool(lines))


def _query(options: argparse.Namespace) -> Query:
    now = datetime.now(UTC)
    since = filters.instant(options.since, "--since", now) if options.since else None
    asked = {
        "tenant_id": options.tenant,
        "conversation_id": options.conversation,
        "workflow_id": options.workflow,
        "service": options.service,
    }
    identifiers = {name: filters.as_logged(value) for name, value in asked.items() if value}
    if options.service:
        identifiers["service"] = options.service
    wanted = Filters(
        identity=options.id,
        level=options.level,
        events=tuple(options.event or ()),
        logger=options.logger,
        since=since,
        until=filters.instant(options.until, "--until", now) if options.until else None,
        slower_than=filters.milliseconds(options.slower_than, "--slower-than")
        if options.slower_than
        else None,
        fields=identifiers | dict(map(filters.condition, options.where or ())),
    )
    options.files = find_files(options.places or [_default_folder()], since)
    return Query(options.files, wanted)


def _default_folder() -> Path:
    return Path(os.environ.get(FOLDER) or LOCAL_FOLDER)


def _use_key() -> None:
    """Hash as the service does, where we have its key."""
    secrets = os.environ.get(SECRETS_DIR)
    file = Path(secrets) / "log_hash_key" if secrets else Path(".state/secrets/log_hash_key")
    if key := os.environ.get(HASH_KEY):
        use_key(key)
    elif file.is_file() and os.access(file, os.R_OK):
        use_key(file.read_text(encoding="utf-8").rstrip("\n"))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _ndjson(lines: Iterable[Line]) -> Iterable[str]:
    return (orjson.dumps(line).decode() for line in lines)


def _say(query: Query, options: argparse.Namespace, found: str, anything: bool) -> int:
    """On standard error, beside the answer: how much it was, and what was left out."""
    for note in options.files.notes:
        print(note, file=sys.stderr)
    skipped = f"; {_lines(query.skipped)} skipped, unreadable" if query.skipped else ""
    print(f"{found}{skipped}", file=sys.stderr)
    return 0 if anything else 1


def _lines(number: int) -> str:
    return f"{number:,} line" if number == 1 else f"{number:,} lines"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app.logs",
        description=__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    find = _command(commands, "find", _find, "lines that match all conditions")
    find.add_argument("--id", help="correlation, request, trace or workflow ID")
    count = _command(commands, "count", _count, "how many lines have each value of a field")
    count.add_argument("field", metavar="FIELD", help="such as event, level or route")
    count.add_argument("--id", help="correlation, request, trace or workflow ID")
    trace = _command(commands, "trace", _trace, "what happened under one ID, on a time line")
    trace.add_argument("id", metavar="ID", help="correlation, request, trace or workflow ID")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    about: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=about, description=about)
    command.set_defaults(run=run)
    command.add_argument(
        "--since", metavar="TIME", help="only lines since then: 30m, 2h, or a time in UTC"
    )
    command.add_argument("--until", metavar="TIME", help="only lines before then")
    command.add_argument(
        "--level",
        type=level_name,
        choices=LEVELS,
        help="this level and higher ones; warn is warning",
    )
    command.add_argument("--event", action="append", help="only this event; may be repeated")
    command.add_argument("--logger", help="only this logger and those below it")
    command.add_argument("--service", help="orchestrator or simulator")
    command.add_argument("--tenant", metavar="ID")
    command.add_argument(
        "--conversation", metavar="ID", help="the real ID; lines with its hash are found too"
    )
    command.add_argument("--workflow", metavar="ID")
    command.add_argument(
        "--slower-than",
        metavar="DURATION",
        help="only lines with a longer duration, such as 500ms or 2s",
    )
    command.add_argument(
        "--where",
        action="append",
        metavar="FIELD=VALUE",
        help="only lines in which a field has this value; may be repeated",
    )
    command.add_argument(
        "--limit",
        type=_positive,
        help="at most this many: the newest lines, or the most frequent values",
    )
    command.add_argument(
        "--ndjson", action="store_true", help="print JSON lines, for other programs"
    )
    command.add_argument(
        "--in", dest="places", action="append", type=Path, metavar="PATH", help="folder or file"
    )
    return command


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(main())
