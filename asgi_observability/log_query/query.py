"""Questions to log files, answered by DuckDB: no index, every file read as it is."""

import sys
import time
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import orjson

from asgi_observability.log_query.files import LogFiles, QueryError, readable_part
from asgi_observability.log_query.filters import Filters, field_sql
from asgi_observability.nearest import did_you_mean

PROGRESS_AFTER_SECONDS = 1.0
MAX_LINE_BYTES = 1024 * 1024
_SAMPLED_LINES = 5000
_TIMESTAMP = field_sql("timestamp")
_WEIGHT = f"COALESCE(TRY_CAST({field_sql('weight')} AS DOUBLE), 1)"
# Of a line that was cut off, by a crash or because it is being written, one of the two is missing.
_WHOLE = "(starts_with(line, '{') AND suffix(line, '}'))"

Line = dict[str, Any]


class Count(NamedTuple):
    """How many lines have a value; ``total`` also counts those that sampling left out."""

    value: str | None
    lines: int
    total: float


class Query:
    """The lines of ``files`` to which ``filters`` apply."""

    def __init__(self, files: LogFiles, filters: Filters) -> None:
        self._files = files
        self._filters = filters
        self._connection = duckdb.connect()
        self._parts: list[Path] = []
        self._rejected = 0
        self.skipped = 0
        """Lines that could not be read: half written, or no JSON."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()
        for part in self._parts:
            part.unlink(missing_ok=True)

    def lines(self, limit: int | None) -> list[Line]:
        """The lines, oldest first; with ``limit`` only so many of the newest."""
        whole = "FILTER (WHERE whole)"
        aggregate = (
            f"max_by(line, COALESCE({_TIMESTAMP}, ''), {limit}) {whole}"
            if limit
            else f"list(line) {whole}"
        )
        ((found, broken),) = self._run(
            f"SELECT {aggregate}, count(*) FILTER (WHERE NOT whole) FROM ({self._candidates()})",
            self._parameters(),
        )
        self.skipped += broken
        lines = [self._parsed(line) for line in found or []]
        return sorted(filter(None, lines), key=lambda line: str(line.get("timestamp", "")))

    def counts(self, field: str, limit: int) -> list[Count]:
        """How many lines have each value of ``field``, the most frequent first."""
        rows = self._run(
            f"SELECT whole, CASE WHEN whole THEN {field_sql(field)} END, count(*), sum({_WEIGHT}) "
            f"FROM ({self._candidates()}) GROUP BY 1, 2 ORDER BY 3 DESC",
            self._parameters(),
        )
        self.skipped += sum(lines for whole, _, lines, _ in rows if not whole)
        found = [Count(value, lines, total) for whole, value, lines, total in rows if whole]
        if found and all(count.value is None for count in found):
            raise QueryError(self._no_such(field))
        return found[:limit]

    def check_fields(self) -> None:
        """Raise QueryError when a field that is asked for is in no line at all."""
        for name in self._filters.fields:
            if not self._run(
                f"SELECT 1 FROM SOURCE WHERE {field_sql(name)} IS NOT NULL LIMIT 1", []
            ):
                raise QueryError(self._no_such(name))

    def events(self) -> set[str]:
        """Those of all lines, whatever is asked for."""
        name = field_sql("event")
        rows = self._run(f"SELECT DISTINCT {name} FROM SOURCE WHERE {_WHOLE}", [])
        return {event for (event,) in rows if event is not None}

    def _candidates(self) -> str:
        conditions = [sql for sql, _ in self._filters.conditions()]
        wanted = f"WHERE NOT {_WHOLE} OR ({' AND '.join(conditions)})" if conditions else ""
        return f"SELECT line, {_WHOLE} AS whole FROM SOURCE {wanted}"

    def _parameters(self) -> list[object]:
        return [value for _, values in self._filters.conditions() for value in values]

    def _no_such(self, field: str) -> str:
        sample = self._run(f"SELECT line FROM SOURCE WHERE {_WHOLE} LIMIT {_SAMPLED_LINES}", [])
        lines = [self._parsed(row[0]) for row in sample]
        known = sorted({name for line in lines if line for name in line})
        hint = did_you_mean(field, known, otherwise=f"there are {', '.join(known) or 'none'}")
        return f"no line has a field {field}; {hint}"

    def _parsed(self, line: str) -> Line | None:
        try:
            parsed = orjson.loads(line)
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            self.skipped += 1
            return None
        return parsed

    def _run(self, query: str, parameters: list[object]) -> list[tuple[Any, ...]]:
        """The rows of ``query``, in which SOURCE stands for the files."""
        if not self._files.paths:
            return [] if "count" not in query or "GROUP BY" in query else [([], 0)]
        try:
            rows = self._execute(query, parameters)
        except duckdb.IOException:
            # A compressed file that was cut off fails all: its readable part takes its place.
            self._mend()
            rows = self._execute(query, parameters)
        self._count_rejected()
        return rows

    def _count_rejected(self) -> None:
        """Lines too long to be read; each reading of the files meets the same ones."""
        scans = self._connection.execute("SELECT count(*) FROM reject_errors GROUP BY scan_id")
        rejected = max((lines for (lines,) in scans.fetchall()), default=0)
        self.skipped += max(0, rejected - self._rejected)
        self._rejected = max(rejected, self._rejected)

    def _mend(self) -> None:
        paths = []
        for path in self._files.paths:
            part = readable_part(path)
            if part:
                self._parts.append(part)
                self._files.notes.append(f"{path}: cut off, read as far as it goes")
            if not part or part.stat().st_size:
                paths.append(part or path)
        self._files.paths = paths

    def _execute(self, query: str, parameters: list[object]) -> list[tuple[Any, ...]]:
        source = query.replace("SOURCE", _source(self._files.paths))
        rows: list[list[tuple[Any, ...]]] = []
        errors: list[Exception] = []

        def work() -> None:
            try:
                rows.append(self._connection.execute(source, parameters).fetchall())
            except Exception as error:
                errors.append(error)

        thread = Thread(target=work, daemon=True)
        thread.start()
        self._wait_for(thread)
        if errors:
            raise errors[0]
        return rows[0]

    def _wait_for(self, thread: Thread) -> None:
        """Show how far it is, on a terminal, when it takes its time."""
        began, shown = time.monotonic(), False
        size = self._files.bytes / 1e6
        while thread.is_alive():
            thread.join(0.1)
            if sys.stderr.isatty() and time.monotonic() - began > PROGRESS_AFTER_SECONDS:
                progress = max(0.0, self._connection.query_progress())
                print(f"\rreading {size:,.0f} MB: {progress:3.0f} %", end="", file=sys.stderr)
                shown = True
        if shown:
            print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)


def _source(paths: list[Path]) -> str:
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    # One column that holds the whole line: JSON has no such separator, and no quotes are wanted.
    return (
        f"read_csv([{names}], columns={{'line': 'VARCHAR'}}, delim='\x01', quote='', escape='', "
        f"header=false, auto_detect=false, max_line_size={MAX_LINE_BYTES}, store_rejects=true)"
    )
