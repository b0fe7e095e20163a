"""The AI provider: OpenAI's chat completions, with a confidence in its log probabilities."""

import math
import time
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field

from simulator.faults import ActiveFaults, Effect, Upstream
from simulator.latency import Latency
from simulator.service import behaviour, create_service
from simulator.texts import ai_answer

LATENCY = Latency(median=0.550, spread=1.33)
REQUESTS_PER_MINUTE = 3500
TOKENS = 8

CONFIDENCES = ((0.70, 0.86, 0.99), (0.22, 0.61, 0.84), (0.08, 0.25, 0.59))
"""Shares of the answers, with the lowest and highest confidence that they have.

They are sent at once, seen by a manager, escalated.
"""
_LOW_CONFIDENCES = ((1.0, 0.15, 0.59),)


class ChatMessage(BaseModel):
    """One message of a chat."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


class ChatRequest(BaseModel):
    """The part of OpenAI's request that matters here."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    logprobs: bool = False


class RateLimit:
    """At most ``requests`` in any minute. ``clock`` gives seconds."""

    def __init__(self, requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._taken: deque[float] = deque(maxlen=requests)
        self._clock = clock

    def take(self) -> None:
        """Let one request through. Raises HTTPException 429 with ``Retry-After`` in seconds."""
        now = self._clock()
        if len(self._taken) == self._taken.maxlen and now - self._taken[0] < 60:
            wait = math.ceil(60 - (now - self._taken[0]))
            raise HTTPException(
                429,
                f"more than {self._taken.maxlen} requests a minute",
                {"Retry-After": str(wait)},
            )
        self._taken.append(now)


def create_ai_provider(
    faults: ActiveFaults, rng: Random, requests_per_minute: int = REQUESTS_PER_MINUTE
) -> FastAPI:
    """Answers the last message of each chat."""
    limit = RateLimit(requests_per_minute)

    async def limited() -> None:
        limit.take()

    behave = behaviour(Upstream.AI, LATENCY, faults, rng)
    router = APIRouter(dependencies=[Depends(limited), Depends(behave)])

    @router.post("/v1/chat/completions")
    async def complete(request: ChatRequest) -> dict[str, Any]:
        text = ai_answer(rng, request.messages[-1].content)
        tokens = _tokens(text)
        confidence = draw_confidence(rng, low=faults.hit(Upstream.AI, Effect.LOW_CONFIDENCE))
        content = [
            {"token": token, "logprob": logprob}
            for token, logprob in zip(
                tokens, draw_logprobs(rng, confidence, len(tokens)), strict=True
            )
        ]
        prompt_tokens = sum(_token_estimate(message.content) for message in request.messages)
        completion_tokens = _token_estimate(text)
        return {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": request.model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "logprobs": {"content": content} if request.logprobs else None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }

    app = create_service("AI provider (simulated)")
    app.include_router(router)
    return app


def draw_confidence(rng: Random, *, low: bool) -> float:
    """A confidence, 0 to 1, as often in each range as `CONFIDENCES` says."""
    ranges = _LOW_CONFIDENCES if low else CONFIDENCES
    _, lowest, highest = rng.choices(ranges, [share for share, _, _ in ranges])[0]
    return rng.uniform(lowest, highest)


def draw_logprobs(rng: Random, confidence: float, count: int) -> list[float]:
    """``count`` log probabilities whose mean is the logarithm of ``confidence``."""
    weights = [rng.uniform(0.2, 1.8) for _ in range(count)]
    scale = math.log(confidence) * count / sum(weights)
    return [weight * scale for weight in weights]


def _tokens(text: str) -> list[str]:
    """``text`` in at most TOKENS pieces: the sum matters here, not the vocabulary."""
    size = math.ceil(len(text) / TOKENS)
    return [text[start : start + size] for start in range(0, len(text), size)]


def _token_estimate(text: str) -> int:
    # English runs to about four characters a token.
    return math.ceil(len(text) / 4)
