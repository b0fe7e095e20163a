"""SMS Agent: sends texts and knows what was said before."""

from typing import Literal
from urllib.parse import quote

from pydantic import BaseModel

from app.clients.acceptance import accepted_id
from app.clients.upstream import Answered, Upstream
from app.core.catalogue import Operation


class Message(BaseModel):
    """One text of a conversation."""

    direction: Literal["inbound", "outbound"]
    content: str


class Conversation(BaseModel):
    """What was said so far, oldest first."""

    messages: list[Message]


class SMSAgent:
    """Client of the SMS Agent."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.declare(Operation.SEND_SMS)
        upstream.declare(Operation.GET_CONVERSATION)

    async def conversation(self, phone_number: str) -> Conversation:
        """The messages to and from ``phone_number``. Raises UpstreamError."""
        return await self._upstream.call(
            Operation.GET_CONVERSATION,
            "GET",
            f"/conversations/{quote(phone_number, safe='')}",
            lambda answered: Conversation.model_validate_json(answered.body),
            recipient=phone_number,
        )

    async def send(
        self, phone_number: str, content: str, conversation_id: str, idempotency_key: str
    ) -> str | None:
        """Send a text and give its message ID, None if the agent gives none that can be kept.

        A repeated call with the same key does not send the text twice. Raises UpstreamError.
        """

        def message_id(answered: Answered) -> str | None:
            return accepted_id(answered, "message_id")

        body = {
            "phone_number": phone_number,
            "content": content,
            "conversation_id": conversation_id,
        }
        return await self._upstream.call(
            Operation.SEND_SMS,
            "POST",
            "/sms/send",
            message_id,
            recipient=phone_number,
            json=body,
            headers={"Idempotency-Key": idempotency_key},
        )
