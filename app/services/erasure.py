"""Erasure: texts and numbers of conversations that have been over for the retention.

Rows, identifiers, results and times stay, so every count does. Each worker looks; on PostgreSQL one
at a time erases, and on SQLite there is one writer at a time as it is.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    case,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.core.catalogue import BackgroundTask
from app.core.config import Settings
from app.core.database import Database
from app.core.events import PersonalDataErased
from app.models import (
    Base,
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.personal_columns import KEYS, TEXTS
from asgi_observability.background import Background
from asgi_observability.logging import get_logger

log = get_logger(__name__)

ERASED = "[erased]"
"""What stands where a text or a number was. Where nothing was, nothing stands."""

BATCH = 200
"""How many workflows or escalations one transaction erases."""

_LOOKED_UP = 50 * BATCH
"""How many are looked up at once, without a lock: looking takes longer than erasing."""

_ENDED = (WorkflowStatus.COMPLETED, WorkflowStatus.FAILED)
_CHECKPOINT_WAIT_SECONDS = 1.0

Root = type[WorkflowInstance] | type[EscalationEvent]
"""What is erased one by one; what refers to it goes with it."""

_LAST_CHANGE: dict[Root, InstrumentedAttribute[Any]] = {
    WorkflowInstance: WorkflowInstance.updated_at,
    # A conversation that was escalated by hand may have no workflow.
    EscalationEvent: EscalationEvent.resolved_at,
}

Roots = Mapping[FromClause, Collection[str]]


class Erasure:
    """Looks at an interval for what is to be erased."""

    def __init__(self, settings: Settings, database: Database, background: Background) -> None:
        self._retention_days = settings.personal_data_retention_days
        self._interval_seconds = settings.erasure_interval_seconds
        self._database = database
        self._background = background

    async def run(self) -> None:
        """Erase until cancelled."""
        await self._background.every_beginning_later(
            BackgroundTask.ERASURE, self._interval_seconds, self.erase
        )

    async def erase(self) -> int:
        """Do it once; gives how many rows of workflows and escalations were erased.

        Raises SQLAlchemyError or OSError; what was erased until then stays so.
        """
        if self._retention_days is None:
            return 0
        cutoff = now() - timedelta(days=self._retention_days)
        erased = dict.fromkeys(_LAST_CHANGE, 0)
        try:
            for root in erased:
                async for count in self._erase_all(root, cutoff):
                    erased[root] += count
        finally:
            if any(erased.values()):
                log.event(
                    PersonalDataErased(
                        workflows=erased[WorkflowInstance], escalations=erased[EscalationEvent]
                    )
                )
        if any(erased.values()):
            await self._empty_write_ahead_log()
        return sum(erased.values())

    async def _erase_all(self, root: Root, cutoff: datetime) -> AsyncIterator[int]:
        """Erase in batches; gives how many each time."""
        due = _due(root, cutoff).order_by(_LAST_CHANGE[root]).limit(_LOOKED_UP)
        while True:
            async with self._database.reading() as session:
                ids = (await session.scalars(due)).all()
            for first in range(0, len(ids), BATCH):
                count = await self._erase_batch(root, ids[first : first + BATCH], cutoff)
                if not count:
                    # Another worker erases just now, or somebody changes all of these.
                    return
                yield count
            if len(ids) < _LOOKED_UP:
                return

    async def _erase_batch(self, root: Root, ids: Sequence[str], cutoff: datetime) -> int:
        async with self._database.writing() as session:
            if not await self._database.try_lock(session, "erasure"):
                return 0
            # Once more, because it was looked up without a lock. What somebody changes just now
            # isn't over.
            still_due = _due(root, cutoff).where(root.id.in_(ids))
            found = (await session.scalars(still_due.with_for_update(skip_locked=True))).all()
            if found:
                nothing = {each.__table__: list[str]() for each in _LAST_CHANGE}
                for table in Base.metadata.sorted_tables:
                    await _erase_rows(session, table, nothing | {root.__table__: found})
        return len(found)

    async def _empty_write_ahead_log(self) -> None:
        """SQLite's log still holds the pages as they were."""
        url = self._database.engine.url
        if url.get_backend_name() == "sqlite":
            await asyncio.to_thread(_checkpoint, url.database or "")


def _checkpoint(file: str) -> None:
    with closing(sqlite3.connect(file, timeout=_CHECKPOINT_WAIT_SECONDS)) as connection:
        # Where a reader is in the way it does less, and the next time does the rest.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _due(root: Root, cutoff: datetime) -> Select[str]:
    return select(root.id).where(
        root.erased_at.is_(None),
        _LAST_CHANGE[root] < cutoff,
        _is_over(root.conversation_id, cutoff),
    )


def _is_over(conversation_id: Any, cutoff: datetime) -> ColumnElement[bool]:
    """Nothing of the conversation is open, and nothing has changed since ``cutoff``."""
    workflow = WorkflowInstance.__table__.alias()
    escalation = EscalationEvent.__table__.alias()
    response = QueuedResponse.__table__.alias()
    open_workflow = select(workflow.c.id).where(
        workflow.c.conversation_id == conversation_id,
        # A status that is new here is open until it is listed as ended.
        workflow.c.status.not_in(_ENDED) | (workflow.c.updated_at >= cutoff),
    )
    open_escalation = select(escalation.c.id).where(
        escalation.c.conversation_id == conversation_id,
        escalation.c.resolved_at.is_(None) | (escalation.c.resolved_at >= cutoff),
    )
    undecided = (
        select(response.c.id)
        .join(workflow, workflow.c.id == response.c.workflow_id)
        .where(
            workflow.c.conversation_id == conversation_id, response.c.status == QueueStatus.PENDING
        )
    )
    return ~open_workflow.exists() & ~open_escalation.exists() & ~undecided.exists()


async def _erase_rows(session: AsyncSession, table: Table, roots: Roots) -> None:
    values: dict[Any, Any] = {
        table.c[column.key]: case((table.c[column.key].is_not(None), ERASED))
        for column in TEXTS
        if column.class_.__table__ is table
    }
    values |= {
        table.c[column.key]: literal(ERASED) + table.c.id
        for column in KEYS
        if column.class_.__table__ is table
    }
    if table in roots:
        values[table.c.erased_at] = now()
    if values:
        await session.execute(update(table).where(belongs_to(table, roots)).values(values))


def belongs_to(table: FromClause, roots: Roots) -> ColumnElement[bool]:
    """The rows of ``roots``, given by their ids, and those that refer to them.

    Raises LookupError for a table that leads to none of the roots.
    """
    if table in roots:
        return table.c.id.in_(roots[table])
    ways = [
        key.parent.in_(select(key.column).where(belongs_to(key.column.table, roots)))
        for key in table.foreign_keys
    ]
    if not ways:
        raise LookupError(f"{table} has personal data, but no foreign key says whose")
    return or_(*ways)
