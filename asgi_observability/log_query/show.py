"""Lines as people read them: a table, and the time line of one request."""

import shutil
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from asgi_observability.log_query.query import Count, Line

BAR_WIDTH = 24
_SAME = timedelta(milliseconds=0.5)
_COLOURS = {"warning": "33", "error": "31", "critical": "31;1", "debug": "2"}
_HEAD = frozenset({"timestamp", "level", "event", "logger", "service", "version", "environment"})
_IDENTITIES = ("correlation_id", "request_id", "trace_id")
_ENTITIES = ("tenant_id", "conversation_id", "workflow_id")


def width() -> int:
    """Columns of the terminal; unlimited where it isn't one."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 10_000


def table(lines: Iterable[Line]) -> Iterator[str]:
    """A line each: when, how bad, what, its fields, and the ID to go on with."""
    room = width()
    for line in lines:
        level = str(line.get("level", ""))
        text = (
            f"{_time(line)}  {level[:7]:<7}  {line.get('event', '')}  "
            f"{_details(line, but=_HEAD | {'exception'})}"
        )
        yield _coloured(text[: room - 1] if len(text) >= room else text, level)
        for error in line.get("exception", ()):
            frames = error.get("frames", ())
            place = "{file}:{line} in {function}".format(**frames[-1]) if frames else ""
            said = error.get("message", "")
            yield f"{'':28}{error.get('type', '')}: {said}  {place}"[: room - 1]


def counts(field: str, found: list[Count]) -> Iterator[str]:
    """Each value with its lines; with the lines it stands for, where some were left out."""
    if not found:
        return
    sampled = any(count.total != count.lines for count in found)
    most = max(count.lines for count in found)
    longest = min(60, max(len(field), *(len(str(count.value)) for count in found)))
    head = f"{field:<{longest}}  {'lines':>12}"
    yield f"{head}  {'with sampled':>14}" if sampled else head
    for value, lines, total in found:
        shown = "(none)" if value is None else value
        row = f"{shown[:longest]:<{longest}}  {lines:>12,}"
        row += f"  {total:>14,.0f}" if sampled else ""
        yield f"{row}  {'█' * max(1, round(lines / most * BAR_WIDTH))}"


def time_line(identity: str, lines: list[Line]) -> Iterator[str]:
    """What happened, in the order in which it began, each with where it lies in the whole.

    A line is logged when something has ended: it began its duration before.
    """
    spans = [(_began(line), _ended(line), line) for line in lines]
    first = min(began for began, _, _ in spans)
    # What began at the same time contains the shorter ones.
    spans.sort(key=lambda span: (round((span[0] - first) / _SAME), first - span[1]))
    total = max(ended for _, ended, _ in spans) - first
    yield f"{identity}  {_time(lines[0], whole=True)}  {_ms(total)} ms  {len(lines)} lines"
    if known := _known(lines):
        yield known
    yield ""
    yield f"{'at ms':>9}  {'took ms':>9}  {'':{BAR_WIDTH}}  what"
    room = width()
    open_until: list[datetime] = []
    for began, ended, line in spans:
        while open_until and open_until[-1] < ended:
            open_until.pop()
        indent = "  " * len(open_until)
        if ended > began:
            open_until.append(ended)
        took = _ms(ended - began) if ended > began else ""
        details = _details(line, but=_HEAD | {*_IDENTITIES, *_ENTITIES, "duration_ms", "exception"})
        what = f"{indent}{line.get('event', '')}  {details}".rstrip()
        text = (
            f"{_ms(began - first):>9}  {took:>9}  "
            f"{_bar(began - first, ended - first, total)}  {line.get('service', '')}: {what}"
        )
        yield _coloured(text[: room - 1] if len(text) >= room else text, str(line.get("level", "")))


def _known(lines: list[Line]) -> str:
    """Whom it was about."""
    values = {name: line[name] for line in lines for name in _ENTITIES if line.get(name)}
    return "  ".join(f"{name}={values[name]}" for name in _ENTITIES if name in values)


def _details(line: Line, but: frozenset[str] | set[str]) -> str:
    names = [name for name in line if name not in but]
    # What the line is about comes first: a terminal cuts off the end.
    names.sort(key=lambda name: name in _IDENTITIES or name in _ENTITIES)
    return " ".join(f"{name}={_value(line[name])}" for name in names)


def _value(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text else text


def _ended(line: Line) -> datetime:
    return datetime.fromisoformat(str(line["timestamp"]))


def _began(line: Line) -> datetime:
    duration = line.get("duration_ms")
    took = duration if isinstance(duration, int | float) else 0
    return _ended(line) - timedelta(milliseconds=took)


def _time(line: Line, *, whole: bool = False) -> str:
    text = str(line.get("timestamp", ""))
    return text[:23].replace("T", " ") + " UTC" if whole else text[5:23].replace("T", " ")


def _ms(span: timedelta) -> str:
    return f"{span / timedelta(milliseconds=1):,.1f}"


def _bar(began: timedelta, ended: timedelta, total: timedelta) -> str:
    if not total:
        return " " * BAR_WIDTH
    start = min(BAR_WIDTH - 1, int(began / total * BAR_WIDTH))
    length = max(1, round((ended - began) / total * BAR_WIDTH))
    mark = "█" if ended > began else "·"
    return (" " * start + mark * length)[:BAR_WIDTH].ljust(BAR_WIDTH)


def _coloured(text: str, level: str) -> str:
    colour = _COLOURS.get(level) if sys.stdout.isatty() else None
    return f"\x1b[{colour}m{text}\x1b[0m" if colour else text
