"""Answers given again for a moment: one computation for everybody who asks the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response

MAX_ANSWERS = 256
MAX_BYTES = 32 * 1024**2
"""Of all answers that are kept; one alone may have a quarter."""

NOT_KEPT = {"Cache-Control": "no-store"}
"""Headers of an answer that must not be given again: it says what isn't known just now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body as it is sent, and the moment (monotonic seconds) until which it is fresh."""

    body: bytes
    media_type: str
    etag: str
    fresh_until: float


class AnswerCache:
    """Keeps answers for ``seconds``. ``size`` is their bytes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._control = f"private, max-age={int(seconds)}"
        self._answers: dict[str, Answer] = {}
        self.size = 0
        self._computing: dict[str, asyncio.Task[Answer | Response]] = {}

    async def respond(
        self, request: Request, compute: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """The answer that is there, that is being computed, or that ``compute`` gives.

        Only answers with status 200 are kept, and none that says `NOT_KEPT`. What ``compute``
        raises reaches all who wait for it.
        """
        key = _key(request)
        answer = self._answers.get(key)
        if answer is None or time.monotonic() >= answer.fresh_until:
            task = self._computing.get(key)
            if task is None:
                task = asyncio.create_task(self._compute(key, request, compute))
                self._computing[key] = task
                task.add_done_callback(lambda task: self._computed(key, task))
            # A client that leaves does not end what others wait for.
            computed = await asyncio.shield(task)
            if isinstance(computed, Response):
                return computed
            answer = computed
        return self._response(request, answer)

    def _computed(self, key: str, task: asyncio.Task[Answer | Response]) -> None:
        del self._computing[key]
        # Looked at here too: everybody who waited may have left.
        if not task.cancelled():
            task.exception()

    async def _compute(
        self, key: str, request: Request, compute: Callable[[Request], Awaitable[Response]]
    ) -> Answer | Response:
        response = await compute(request)
        if response.status_code != 200 or response.headers.get("Cache-Control") == "no-store":
            return response
        body = bytes(response.body)
        # A large body takes a while; small ones are quicker than a thread.
        digest = await asyncio.to_thread(_digest, body) if len(body) > 2**18 else _digest(body)
        answer = Answer(
            body,
            response.media_type or "application/json",
            f'"{digest}"',
            time.monotonic() + self._seconds,
        )
        self._keep(key, answer)
        return answer

    def _keep(self, key: str, answer: Answer) -> None:
        self._forget(key)
        now = time.monotonic()
        # The oldest come first, as all are kept equally long.
        while self._answers:
            oldest, kept = next(iter(self._answers.items()))
            is_full = len(self._answers) >= MAX_ANSWERS
            if now < kept.fresh_until and not is_full and self.size + len(answer.body) <= MAX_BYTES:
                break
            self._forget(oldest)
        if len(answer.body) <= MAX_BYTES // 4:
            self._answers[key] = answer
            self.size += len(answer.body)

    def _forget(self, key: str) -> None:
        if answer := self._answers.pop(key, None):
            self.size -= len(answer.body)

    def _response(self, request: Request, answer: Answer) -> Response:
        headers = {"ETag": answer.etag, "Cache-Control": self._control, "Vary": "Authorization"}
        known = request.headers.get("if-none-match")
        if known and _matches(known, answer.etag):
            return Response(status_code=304, headers=headers)
        return Response(answer.body, media_type=answer.media_type, headers=headers)


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()[:32]


def _key(request: Request) -> str:
    query = request.scope["query_string"]
    path: str = request.scope["path"]
    if not query:
        return path
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return f"{path}?{urlencode(sorted(pairs))}"


def _matches(known: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/") for tag in known.split(","))
    return known.strip() == "*" or etag in tags
