"""What the log does, as metrics: lines by level, and what was dropped and why."""

import time
from weakref import WeakKeyDictionary

from asgi_observability import catalogue
from asgi_observability.event import FromCode
from asgi_observability.events import LinesDropped
from asgi_observability.instruments import Instruments
from asgi_observability.log_writer import DropReason
from asgi_observability.logger import get_logger, pipeline
from asgi_observability.logging import look_after_sources

log = get_logger(__name__)

REPORT_SECONDS = 60.0
"""How often at most a line says that lines were dropped."""


class LogMetrics:
    """Counts what has happened to lines since it last looked."""

    def __init__(self, instruments: Instruments) -> None:
        self._lines = instruments.counter(catalogue.LOG_LINES)
        self._dropped = instruments.counter(catalogue.LOG_LINES_DROPPED)
        self._errors = instruments.counter(catalogue.LOG_WRITE_ERRORS)
        for family in (self._lines, self._dropped, self._errors):
            family.bind_all()
        instruments.sampled(
            catalogue.LOG_QUEUE_BYTES,
            read=lambda: float(sum(writer.queued_bytes for writer in pipeline().writers)),
        )
        # A pipeline that is replaced takes its numbers along.
        self._seen: WeakKeyDictionary[object, dict[str, int]] = WeakKeyDictionary()
        self._reported_at = -REPORT_SECONDS
        self._unreported = 0

    def look(self) -> None:
        """Note what is new. Done once a second."""
        look_after_sources()
        counts = pipeline().counts
        for level, lines in counts.lines.items():
            self._lines.series(level).note(self._new(lines.count, counts, level))
        sampled = self._new(counts.sampled, counts, DropReason.SAMPLED)
        self._dropped.series(DropReason.SAMPLED).note(sampled)
        broken = self._new(counts.broken, counts, DropReason.BROKEN)
        self._dropped.series(DropReason.BROKEN).note(broken)
        for writer in pipeline().writers:
            lost = self._new(writer.dropped, writer, "dropped")
            self._dropped.series(DropReason.QUEUE_FULL).note(lost)
            self._errors.series(writer.sink.name).note(
                self._new(writer.write_errors, writer, "errors")
            )
            self._unreported += lost
            if self._unreported and time.monotonic() - self._reported_at >= REPORT_SECONDS:
                log.event(
                    LinesDropped(
                        lines=self._unreported,
                        sink=FromCode(writer.sink.name),
                        reason=FromCode(writer.problem or "slow"),
                    )
                )
                self._reported_at, self._unreported = time.monotonic(), 0

    def _new(self, total: int, counted_by: object, name: str) -> int:
        seen = self._seen.setdefault(counted_by, {})
        new = total - seen.get(name, 0)
        seen[name] = total
        return max(new, 0)
