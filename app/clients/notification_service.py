"""Notification Service: tells managers that somebody waits for them."""

from typing import Literal

from app.clients.acceptance import accepted_id
from app.clients.upstream import Answered, Upstream
from app.core.catalogue import Operation


class NotificationService:
    """Client of the Notification Service."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.declare(Operation.SEND_NOTIFICATION)

    async def notify(
        self, kind: Literal["approval", "escalation"], reference: str, conversation_id: str
    ) -> str | None:
        """Tell the managers about a queued response or an escalation. Raises UpstreamError.

        Gives the ID of the notification, None if the service gives none that can be kept.
        """

        def notification_id(answered: Answered) -> str | None:
            return accepted_id(answered, "notification_id")

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
        return await self._upstream.call(
            Operation.SEND_NOTIFICATION,
            "POST",
            "/notifications/send",
            notification_id,
            recipient=conversation_id,
            json=body,
            # Who was killed before its answer came is followed by somebody who tells it again.
            headers={"Idempotency-Key": f"{kind}-{reference}"},
        )
