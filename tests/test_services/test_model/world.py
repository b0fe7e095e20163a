"""The upstreams of the model: they do what they are told, and remember what was asked of them."""

import math
from collections import Counter, deque
from enum import StrEnum

from app.clients.ai_provider import Answer
from app.clients.collections_monitor import Tenant
from app.clients.sms_agent import Conversation
from app.clients.upstream import UpstreamError
from app.core.catalogue import Component, ErrorType, Operation
from tests.test_services.test_model.life import passing


class Reply(StrEnum):
    """What an upstream does with a call."""

    WORKS = "works"
    REPLY_LOST = "reply_lost"
    """It does what it is asked, and nobody learns of it."""
    TIMES_OUT = "times_out"
    """It does nothing."""
    REFUSES = "refuses"
    """It says that it does nothing; of a call before it says nothing."""


class World:
    """Four upstreams. Calls are answered by ``replies``, in order; then all work."""

    calls_let_through = math.inf

    def __init__(self) -> None:
        self.replies: deque[Reply] = deque()
        self.confidence = 0.9
        self.delivered: dict[str, tuple[str, str]] = {}
        """Telephone number and text by idempotency key: what tenants have got."""
        self.changed_texts: list[str] = []
        """Keys under which another text was sent than before."""
        self.notified: Counter[str] = Counter()
        """Notifications that were confirmed, by what they are about."""
        self._answers = 0

    async def tenant(self, tenant_id: str) -> Tenant:
        await self._reply(Component.COLLECTIONS_MONITOR, Operation.GET_TENANT)
        return Tenant(tenant_id=tenant_id, arrears_dollars=1000)

    async def conversation(self, _phone_number: str) -> Conversation:
        await self._reply(Component.SMS_AGENT, Operation.GET_CONVERSATION)
        return Conversation(messages=[])

    async def answer(self, content: str, _tenant: Tenant, _history: Conversation) -> Answer:
        """Another text each time, with the message that it answers."""
        await self._reply(Component.AI_PROVIDER, Operation.CHAT_COMPLETION)
        self._answers += 1
        return Answer(f"{marker(content)} answer {self._answers}", self.confidence)

    async def send(
        self, phone_number: str, content: str, _conversation_id: str, idempotency_key: str
    ) -> str:
        reply = self.replies.popleft() if self.replies else Reply.WORKS
        await passing()
        if reply in (Reply.TIMES_OUT, Reply.REFUSES):
            raise _error(Component.SMS_AGENT, Operation.SEND_SMS, reply)
        known = self.delivered.setdefault(idempotency_key, (phone_number, content))
        if known != (phone_number, content):
            self.changed_texts.append(idempotency_key)
        await passing()
        if reply is Reply.REPLY_LOST:
            raise _error(Component.SMS_AGENT, Operation.SEND_SMS, reply)
        return f"message of {idempotency_key}"

    async def notify(self, _kind: str, reference: str, _conversation_id: str) -> str:
        await self._reply(Component.NOTIFICATION_SERVICE, Operation.SEND_NOTIFICATION)
        self.notified[reference] += 1
        return f"notification of {reference}"

    async def _reply(self, component: Component, operation: Operation) -> None:
        reply = self.replies.popleft() if self.replies else Reply.WORKS
        await passing()
        if reply is not Reply.WORKS:
            raise _error(component, operation, reply)


def marker(content: str) -> str:
    """The part of a message by which its answers are recognised."""
    return content.split(" ", 1)[0]


def _error(component: Component, operation: Operation, reply: Reply) -> UpstreamError:
    if reply is Reply.REFUSES:
        return UpstreamError(component, operation, ErrorType.CLIENT_ERROR, may_be_done=False)
    return UpstreamError(component, operation, ErrorType.TIMEOUT)
