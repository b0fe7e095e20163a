"""AI provider: any service with OpenAI's chat completions."""

import math
from dataclasses import dataclass
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from app.clients.collections_monitor import Tenant
from app.clients.sms_agent import Conversation
from app.clients.upstream import Upstream
from app.core.catalogue import Operation
from app.core.config import PaymentPlanLimits
from app.core.sms_text import LONGEST, has_control_characters, is_blank

TEMPERATURE = 0.7
MAX_TOKENS = 200
HISTORY_MESSAGES = 10
"""How many earlier messages the model is shown, each up to the length of an SMS."""

_LEAST_LOGPROB = -1e6
"""What is less than any provider sends for a token it has chosen."""

_MOST_TOKENS = 10**9
"""More than any model takes at once."""

_WHOLE = "stop"
"""Why a text ended that is neither cut off nor filtered."""


def _to_be_sent(text: str) -> str:
    if is_blank(text) or has_control_characters(text):
        raise ValueError("must be a text that a tenant can read")
    return text


def _probability(value: object) -> object:
    # What is no number has no probability; the text is read by a person then.
    return value if type(value) in (int, float) else math.nan


@dataclass(frozen=True, slots=True)
class Tokens:
    """How many tokens the AI read and wrote, as its provider counts them."""

    input: int
    output: int


class _Token(BaseModel):
    logprob: Annotated[float, BeforeValidator(_probability)]


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Reply(BaseModel):
    content: Annotated[str, Field(max_length=LONGEST), AfterValidator(_to_be_sent)]


class _Choice(BaseModel):
    message: _Reply
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None

    @property
    def logprobs_of_tokens(self) -> list[float]:
        """The natural logarithm of each token's probability, as the provider sends it."""
        tokens = self.logprobs and self.logprobs.content
        return [token.logprob for token in tokens or ()]

    @property
    def is_whole(self) -> bool:
        """Whether the model has said all that it would.

        Where the provider does not say why it ended, a text of all allowed tokens was cut off.
        """
        if self.finish_reason is None:
            return len(self.logprobs_of_tokens) < MAX_TOKENS
        return self.finish_reason == _WHOLE


class _Usage(BaseModel):
    prompt_tokens: Annotated[int, Field(strict=True, ge=0, le=_MOST_TOKENS)]
    completion_tokens: Annotated[int, Field(strict=True, ge=0, le=_MOST_TOKENS)]


def _usage(value: object, whole: ValidatorFunctionWrapHandler) -> _Usage | None:
    # An answer is as good without it.
    try:
        usage: _Usage = whole(value)
    except ValidationError:
        return None
    return usage


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Annotated[_Usage | None, WrapValidator(_usage)] = None

    @property
    def tokens(self) -> Tokens | None:
        """What the answer costs; None where the provider doesn't say."""
        if self.usage is None:
            return None
        return Tokens(self.usage.prompt_tokens, self.usage.completion_tokens)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the AI would send; ``confidence`` is 0 to 1.

    ``tokens`` is None where the provider doesn't say how many it took.
    """

    text: str
    confidence: float
    tokens: Tokens | None = None


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
            lambda answered: _Completion.model_validate_json(answered.body),
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
        return Answer(choice.message.content, _confidence(choice), completion.tokens)


def _prompt(
    content: str, tenant: Tenant, history: Conversation, limits: PaymentPlanLimits
) -> list[dict[str, str]]:
    situation = (
        "You answer text messages about overdue rent: friendly, short, in plain words. "
        f"The tenant owes {_amount(tenant.arrears_dollars)} and is "
        f"{_number(tenant.weeks_overdue)} weeks overdue. "
        f"A payment plan may run for at most {limits.max_weeks} weeks "
        f"at ${limits.min_weekly_dollars:g} a week or more."
    )
    roles = {"inbound": "user", "outbound": "assistant"}
    earlier = history.messages[-HISTORY_MESSAGES:]
    return [
        {"role": "system", "content": situation},
        *(
            {"role": roles[message.direction], "content": message.content[:LONGEST]}
            for message in earlier
        ),
        {"role": "user", "content": content},
    ]


def _amount(dollars: float | None) -> str:
    return "an unknown amount" if dollars is None else f"${dollars:.2f}".removesuffix(".00")


def _number(number: int | None) -> str:
    return "an unknown number of" if number is None else str(number)


def _confidence(choice: _Choice) -> float:
    """The geometric mean of the token probabilities.

    It is 0, so that a person looks, where there is no reason to trust the answer: the provider
    sends no probabilities or what are none, or the text is not whole.
    """
    logprobs = choice.logprobs_of_tokens
    # Not a number compares with nothing.
    if not all(_LEAST_LOGPROB <= logprob <= 0 for logprob in logprobs):
        return 0.0
    if not logprobs or not choice.is_whole:
        return 0.0
    return math.exp(math.fsum(logprobs) / len(logprobs))
