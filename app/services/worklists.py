"""What waits for people, entry by entry: responses to decide on, escalations to close."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.database import Database
from app.core.errors import UnknownIdError
from app.models import EscalationEvent, QueuedResponse, QueueStatus, WorkflowInstance


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of a list, how many there are, and the ID after which the next part begins."""

    items: Sequence[Row[Any]]
    total: int
    after: str | None


class Worklists:
    """Reads the lists. Entries may come and go between two pages; none is shown twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting_responses(self, limit: int, after: str | None, *, newest_first: bool) -> Part:
        """Responses that wait for a manager. Raises UnknownIdError."""
        entries = select(
            QueuedResponse.id.label("response_queue_id"),
            QueuedResponse.workflow_id,
            WorkflowInstance.conversation_id,
            WorkflowInstance.tenant_id,
            QueuedResponse.text.label("response"),
            QueuedResponse.confidence,
            QueuedResponse.created_at.label("waiting_since"),
        ).join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
        return await self._part(
            entries,
            QueuedResponse.status == QueueStatus.PENDING,
            (QueuedResponse.created_at, QueuedResponse.id),
            limit=limit,
            after=after,
            newest_first=newest_first,
        )

    async def open_escalations(self, limit: int, after: str | None, *, newest_first: bool) -> Part:
        """Escalations that nobody has closed. Raises UnknownIdError."""
        entries = select(
            EscalationEvent.id.label("escalation_id"),
            EscalationEvent.workflow_id,
            EscalationEvent.conversation_id,
            EscalationEvent.type.label("escalation_type"),
            EscalationEvent.severity,
            EscalationEvent.detection,
            EscalationEvent.reason,
            EscalationEvent.created_at.label("open_since"),
        )
        return await self._part(
            entries,
            EscalationEvent.resolved_at.is_(None),
            (EscalationEvent.created_at, EscalationEvent.id),
            limit=limit,
            after=after,
            newest_first=newest_first,
        )

    async def _part(
        self,
        entries: Select[*tuple[Any, ...]],
        is_listed: ColumnElement[bool],
        order: tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[str]],
        *,
        limit: int,
        after: str | None,
        newest_first: bool,
    ) -> Part:
        began, identifier = order
        by = [column.desc() if newest_first else column.asc() for column in order]
        page = entries.where(is_listed).order_by(*by).limit(limit + 1)
        total = select(func.count(identifier)).where(is_listed)
        async with self._database.reading() as session:
            if after is not None:
                # It may be off the list by now; its place in the order stays.
                last = await session.scalar(select(began).where(identifier == after))
                if last is None:
                    raise UnknownIdError(
                        "after: there is no such entry; take `after` of the page before, or leave "
                        "it out to begin",
                        "after",
                    )
                place, here = tuple_(began, identifier), tuple_(last, after)
                page = page.where(place < here if newest_first else place > here)
            found = list(await session.execute(page))
            count = await session.scalar(total)
        items = found[:limit]
        return Part(items, count or 0, items[-1][0] if len(found) > limit else None)
