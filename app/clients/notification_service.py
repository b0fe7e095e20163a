"""Notification Service: tells managers that somebody waits for them."""

from typing import Literal

from pydantic import BaseModel

from app.clients.upstream import Upstream
from app.core.catalogue import Operation


class Notified(BaseModel):
    """A notification that the service has taken over."""

    notification_id: str


class NotificationService:
    """Client of the Notification Service."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.declare(Operation.SEND_NOTIFICATION)

    async def notify(
        self, kind: Literal["approval", "escalation"], reference: str, conversation_id: str
    ) -> str:
        """Tell the managers about a queued response or an escalation. Raises UpstreamError."""
        subject = {
            "approval": "A response waits for your approval",
            "escalation": "A conversation was escalated",
        }[kind]
        body = {
            "recipient": "managers",
            "subject": subject,
            "body": f"{subject}: conversation {conversation_id}.",
            "conversation_id": conversation_id,
            "kind": kind,
            "reference": reference,
        }
        notified = await self._upstream.call(
            Operation.SEND_NOTIFICATION,
            "POST",
            "/notifications/send",
            Notified.model_validate_json,
            recipient=conversation_id,
            json=body,
        )
        return notified.notification_id
