"""Facts of the business: told in the transaction that makes them true, counted with it.

A transaction that tells facts inserts one row into the outbox at its end, so that a process that
is killed loses no fact and counts none twice. What Prometheus sees and what the log says follow
the commit. The rows are added up later (`app.services.rollups.facts`); none is ever changed, so
transactions don't wait for each other to count.
"""

from collections.abc import Iterable
from contextvars import Context, copy_context
from dataclasses import dataclass
from math import isfinite
from time import time

import orjson
from sqlalchemy import BigInteger, Column, Insert, Integer, MetaData, Table, Text, insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.events import Count, Fact
from app.core.last_writes import Write
from asgi_observability.cells import Recorded
from asgi_observability.event import Event
from asgi_observability.instruments import Instruments
from asgi_observability.logging import Logger
from asgi_observability.metric import Kind

metadata = MetaData()
"""The tables of the business database."""

outbox = Table(
    "facts",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("told_at", BigInteger, nullable=False, comment="Unix time"),
    Column("counts", Text, nullable=False, comment='JSON: [["metric{label=\\"value\\"}", 1.0]]'),
)
"""What was counted and is not added up yet: a row a transaction."""


@dataclass(frozen=True, slots=True)
class Told:
    """A fact, whose logger says it, and the context that it belongs to."""

    log: Logger
    event: Event
    context: Context


class Transaction(AsyncSession):
    """A session that also takes what its transaction does at its end: writes and facts."""

    told: list[Told]
    writes: list[Write]

    def tell(self, log: Logger, event: Event) -> None:
        """Count ``event`` with this transaction; note and log it once that has been committed.

        It belongs to the SMS that is served now, whatever is served at the commit.
        """
        self.told.append(Told(log, event, copy_context()))

    def write_last(self, write: Write) -> None:
        """Do ``write`` at the end of this transaction, in one statement with the others.

        No query of the transaction sees it. Two of them must not change the same row.
        """
        self.writes.append(write)


def _counts(event: Event) -> tuple[Count, ...]:
    return event.counts() if isinstance(event, Fact) else ()


class FactCounters:
    """Counts what transactions tell: in their outbox, then in the instruments and the log."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._recorded: dict[tuple[str, tuple[str, ...]], Recorded] = {}

    def counted(self, told: Iterable[Told]) -> Insert | None:
        """The statement that counts what is told; None when there is nothing to count."""
        counts = [
            (self._series(count).series.name, count.value)
            for fact in told
            for count in _counts(fact.event)
            if isfinite(count.value)
        ]
        if not counts:
            return None
        # Without RETURNING: nobody asks for the row's number.
        return (
            insert(outbox)
            .inline()
            .values(told_at=int(time()), counts=orjson.dumps(counts).decode())
        )

    def committed(self, told: Iterable[Told]) -> None:
        """Note and log what is true now."""
        for fact in told:
            fact.context.run(self._note, fact)

    def _note(self, fact: Told) -> None:
        with self._instruments.contained():
            for count in _counts(fact.event):
                self._series(count).note(count.value)
        fact.log.event(fact.event)

    def _series(self, count: Count) -> Recorded:
        key = (count.metric.name, count.labels)
        try:
            return self._recorded[key]
        except KeyError:
            instruments = self._instruments
            is_counter = count.metric.kind is Kind.COUNTER
            family = (instruments.counter if is_counter else instruments.histogram)(count.metric)
            recorded = self._recorded[key] = family.series(*count.labels)
            return recorded
