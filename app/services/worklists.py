"""What waits for people, entry by entry: responses to decide on, escalations, failed workflows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.catalogue import Detection, EscalationType, Severity
from app.core.database import Database
from app.core.errors import UnknownIdError
from app.models import (
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
)

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class WaitingResponse:
    """An answer of the AI that waits for a manager."""

    response_queue_id: str
    workflow_id: str
    conversation_id: str
    tenant_id: str
    response: str
    confidence: float
    waiting_since: datetime


@dataclass(frozen=True, slots=True)
class OpenEscalation:
    """A conversation that a person must handle."""

    escalation_id: str
    workflow_id: str | None
    conversation_id: str
    escalation_type: EscalationType
    severity: Severity
    detection: Detection
    reason: str | None
    open_since: datetime


@dataclass(frozen=True, slots=True)
class FailedWorkflow:
    """A workflow that failed, when, and why."""

    workflow_id: str
    conversation_id: str
    tenant_id: str
    error: str | None
    attempts: int
    received_at: datetime
    failed_at: datetime
    retry_requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Part(Generic[E]):
    """Some entries of a list, how many there are, and the ID after which the next part begins."""

    items: Sequence[E]
    total: int
    after: str | None


class Worklists:
    """Reads the lists. Entries may come and go between two pages; none is shown twice."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def waiting_responses(
        self, limit: int, after: str | None, *, newest_first: bool
    ) -> Part[WaitingResponse]:
        """Responses that wait for a manager. Raises UnknownIdError."""
        entries = select(
            QueuedResponse.id,
            QueuedResponse.workflow_id,
            WorkflowInstance.conversation_id,
            WorkflowInstance.tenant_id,
            QueuedResponse.text,
            QueuedResponse.confidence,
            QueuedResponse.created_at,
        ).join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
        return await self._part(
            WaitingResponse,
            entries,
            QueuedResponse.status == QueueStatus.PENDING,
            (QueuedResponse.created_at, QueuedResponse.id),
            limit=limit,
            after=after,
            newest_first=newest_first,
        )

    async def open_escalations(
        self, limit: int, after: str | None, *, newest_first: bool
    ) -> Part[OpenEscalation]:
        """Escalations that nobody has closed. Raises UnknownIdError."""
        entries = select(
            EscalationEvent.id,
            EscalationEvent.workflow_id,
            EscalationEvent.conversation_id,
            EscalationEvent.type,
            EscalationEvent.severity,
            EscalationEvent.detection,
            EscalationEvent.reason,
            EscalationEvent.created_at,
        )
        return await self._part(
            OpenEscalation,
            entries,
            EscalationEvent.resolved_at.is_(None),
            (EscalationEvent.created_at, EscalationEvent.id),
            limit=limit,
            after=after,
            newest_first=newest_first,
        )

    async def failed_workflows(
        self, limit: int, after: str | None, *, newest_first: bool
    ) -> Part[FailedWorkflow]:
        """Workflows that failed and that nobody has run again yet. Raises UnknownIdError."""
        entries = select(
            WorkflowInstance.id,
            WorkflowInstance.conversation_id,
            WorkflowInstance.tenant_id,
            WorkflowInstance.error,
            WorkflowInstance.attempt,
            WorkflowInstance.created_at,
            WorkflowInstance.updated_at,
            WorkflowInstance.retry_requested_at,
        )
        return await self._part(
            FailedWorkflow,
            entries,
            # What is erased can't be run again.
            (WorkflowInstance.status == WorkflowStatus.FAILED)
            & WorkflowInstance.erased_at.is_(None),
            (WorkflowInstance.updated_at, WorkflowInstance.id),
            limit=limit,
            after=after,
            newest_first=newest_first,
        )

    async def _part(
        self,
        entry: Callable[..., E],
        entries: Select[*tuple[Any, ...]],
        is_listed: ColumnElement[bool],
        order: tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[str]],
        *,
        limit: int,
        after: str | None,
        newest_first: bool,
    ) -> Part[E]:
        """The part, its columns made into entries; the first is the ID."""
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
            found = [tuple(row) for row in await session.execute(page)]
            count = await session.scalar(total)
        shown = found[:limit]
        next_after = shown[-1][0] if len(found) > limit else None
        return Part([entry(*row) for row in shown], count or 0, next_after)
