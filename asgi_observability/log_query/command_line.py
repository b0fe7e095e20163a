"""The command line: find lines, count them, follow one request."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from asgi_observability.command import exit_code
from asgi_observability.levels import level_name
from asgi_observability.log_query import filters, show
from asgi_observability.log_query.files import QueryError, find_files
from asgi_observability.log_query.filters import LEVELS, Filters
from asgi_observability.log_query.query import Line, Query
from asgi_observability.nearest import did_you_mean
from asgi_observability.personal_data import use_key

SHOWN_LINES = 200
_EXAMPLES = """\
Times are UTC: 30m, 2h, 1d before now, or 2026-11-23T14:00. Durations: 500ms, 2s.
Files, plain and compressed, are read in place; --in, or {folder}, says where.

  {program} find --level warning --since 30m
  {program} find --event operation_slow --where component={component}
  {program} count event --since 1d
  {program} trace 01a209b3-f687-7a33-a8b2-a463ea317405
"""


@dataclass(frozen=True, slots=True)
class Service:
    """Whose lines are asked for: how its command is called, and where its logs and key are.

    ``folder``, ``hash_key`` and ``secrets_dir`` are environment variables. ``identifiers`` are
    options of its own and the fields that they ask for. ``events`` gives the names of those that it
    declares; it is asked only where an event is.
    """

    program: str
    folder: str
    hash_key: str
    secrets_dir: str
    default_folder: Path = Path("logs")
    default_hash_key: Path | None = None
    component: str = "database"
    identifiers: Mapping[str, str] = field(default_factory=dict)
    events: Callable[[], Iterable[str]] = tuple


def ask(service: Service, arguments: Sequence[str] | None = None) -> int:
    """Answer one question: 0 when something was found, 1 when nothing was, 2 for a wrong one."""
    options = _parser(service).parse_args(arguments)
    options.asked_service = service
    _use_key(service)
    try:
        return exit_code(lambda: int(options.run(options)))
    except QueryError as error:
        print(error, file=sys.stderr)
        return 2


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
    service: Service = options.asked_service
    asked = {name: getattr(options, option) for option, name in service.identifiers.items()}
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
    options.files = find_files(options.places or [_default_folder(service)], since)
    return Query(options.files, wanted)


def _default_folder(service: Service) -> Path:
    return Path(os.environ.get(service.folder) or service.default_folder)


def _use_key(service: Service) -> None:
    """Hash as the service does, where we have its key."""
    secrets = os.environ.get(service.secrets_dir)
    file = Path(secrets) / "log_hash_key" if secrets else service.default_hash_key
    if key := os.environ.get(service.hash_key):
        use_key(key)
    elif file and file.is_file() and os.access(file, os.R_OK):
        use_key(file.read_text(encoding="utf-8").rstrip("\n"))


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _ndjson(lines: Iterable[Line]) -> Iterable[str]:
    return (orjson.dumps(line).decode() for line in lines)


def _say(query: Query, options: argparse.Namespace, found: str, anything: bool) -> int:
    """On standard error, beside the answer: how much it was, and what was left out."""
    for name in options.event or ():
        _say_if_unknown(query, options.asked_service, name)
    for note in options.files.notes:
        print(note, file=sys.stderr)
    skipped = f"; {_lines(query.skipped)} skipped, unreadable" if query.skipped else ""
    print(f"{found}{skipped}", file=sys.stderr)
    return 0 if anything else 1


def _say_if_unknown(query: Query, service: Service, event: str) -> None:
    """A hint only: files that were not read may have it, from a version that declared it."""
    declared = set(service.events())
    if event in declared or event in (logged := query.events()):
        return
    otherwise = f"`{service.program} count event` lists those that there are"
    hint = did_you_mean(event, declared | logged, otherwise)
    print(f"no event is called {event}; {hint}", file=sys.stderr)


def _lines(number: int) -> str:
    return f"{number:,} line" if number == 1 else f"{number:,} lines"


def _parser(service: Service) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=service.program,
        description="Find lines of the log, count them, follow one request.",
        epilog=_EXAMPLES.format(
            program=service.program, folder=service.folder, component=service.component
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    find = _command(service, commands, "find", _find, "lines that match all conditions")
    find.add_argument("--id", help="correlation, request, trace or workflow ID")
    count = _command(
        service, commands, "count", _count, "how many lines have each value of a field"
    )
    count.add_argument("field", metavar="FIELD", help="such as event, level or route")
    count.add_argument("--id", help="correlation, request, trace or workflow ID")
    trace = _command(
        service, commands, "trace", _trace, "what happened under one ID, on a time line"
    )
    trace.add_argument("id", metavar="ID", help="correlation, request, trace or workflow ID")
    return parser


def _command(
    service: Service,
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
    command.add_argument("--service", metavar="NAME", help="only lines of this service")
    for option in service.identifiers:
        command.add_argument(
            f"--{option}", metavar="ID", help="the real ID; lines with its hash are found too"
        )
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
