"""AI provider: any service with OpenAI's chat completions."""

import math
from dataclasses import dataclass

from pydantic import BaseModel, Field, SecretStr

from app.clients.collections_monitor import Tenant
from app.clients.sms_agent import Conversation
from app.clients.upstream import Upstream
from app.core.catalogue import Operation
from app.core.config import PaymentPlanLimits

TEMPERATURE = 0.7
MAX_TOKENS = 200
HISTORY_MESSAGES = 10
"""How many earlier messages the model is shown."""


class _Token(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Reply(BaseModel):
    content: str = Field(min_length=1)


class _Choice(BaseModel):
    message: _Reply
    logprobs: _Logprobs | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the AI would send; ``confidence`` is 0 to 1."""

    text: str
    confidence: float


class AIProvider:
    """Client of the AI provider."""

    def __init__(
        self,
        upstream: Upstream,
        model: str,
        api_key: SecretStr | None,
        limits: PaymentPlanLimits,
    ) -> None:
        self._upstream = upstream
        self._model = model
        self._limits = limits
        self._headers = {"Authorization": f"Bearer {api_key.get_secret_value()}"} if api_key else {}
        upstream.declare(Operation.CHAT_COMPLETION)

    async def answer(self, content: str, tenant: Tenant, history: Conversation) -> Answer:
        """An answer to ``content`` and how sure the model is of it. Raises UpstreamError."""
        completion = await self._upstream.call(
            Operation.CHAT_COMPLETION,
            "POST",
            "/v1/chat/completions",
            _Completion.model_validate_json,
            recipient=tenant.tenant_id,
            json={
                "model": self._model,
                "temperature": TEMPERATURE,
                "max_tokens": MAX_TOKENS,
                "logprobs": True,
                "messages": _prompt(content, tenant, history, self._limits),
            },
            headers=self._headers,
        )
        choice = completion.choices[0]
        return Answer(choice.message.content, _confidence(choice.logprobs))


def _prompt(
    content: str, tenant: Tenant, history: Conversation, limits: PaymentPlanLimits
) -> list[dict[str, str]]:
    situation = (
        "You answer text messages about overdue rent: friendly, short, in plain words. "
        f"The tenant owes {_known(tenant.arrears_dollars, '$')} and is "
        f"{_known(tenant.weeks_overdue)} weeks overdue. "
        f"A payment plan may run for at most {limits.max_weeks} weeks "
        f"at ${limits.min_weekly_dollars:g} a week or more."
    )
    roles = {"inbound": "user", "outbound": "assistant"}
    earlier = history.messages[-HISTORY_MESSAGES:]
    return [
        {"role": "system", "content": situation},
        *({"role": roles[message.direction], "content": message.content} for message in earlier),
        {"role": "user", "content": content},
    ]


def _known(value: float | None, unit: str = "") -> str:
    return "an unknown number of" if value is None else f"{unit}{value:g}"


def _confidence(logprobs: _Logprobs | None) -> float:
    """The geometric mean of the token probabilities.

    A provider that sends none gives no reason to trust its answer: 0, so that a person looks.
    """
    if logprobs is None or not logprobs.content:
        return 0.0
    mean = math.fsum(token.logprob for token in logprobs.content) / len(logprobs.content)
    return min(1.0, math.exp(min(mean, 0.0)))
