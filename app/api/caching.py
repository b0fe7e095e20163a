"""Answers given again for a moment: one computation for everybody who asks the same."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import parse_qsl, urlencode

from fastapi import Request, Response

MAX_ANSWERS = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """A body as it is sent, and the moment (monotonic seconds) until which it is fresh."""

    body: bytes
    media_type: str
    etag: str
    fresh_until: float


class AnswerCache:
    """Keeps answers for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._control = f"private, max-age={int(seconds)}"
        self._answers: dict[str, Answer] = {}
        self._computing: dict[str, asyncio.Task[Answer | Response]] = {}

    async def respond(
        self, request: Request, compute: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """The answer that is there, that is being computed, or that ``compute`` gives.

        Only answers with status 200 are kept. What ``compute`` raises reaches all who wait for it.
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
        if response.status_code != 200:
            return response
        body = bytes(response.body)
        answer = Answer(
            body,
            response.media_type or "application/json",
            f'"{sha256(body).hexdigest()[:32]}"',
            time.monotonic() + self._seconds,
        )
        self._answers.pop(key, None)
        self._answers[key] = answer
        while len(self._answers) > MAX_ANSWERS:
            del self._answers[next(iter(self._answers))]
        return answer

    def _response(self, request: Request, answer: Answer) -> Response:
        headers = {"ETag": answer.etag, "Cache-Control": self._control, "Vary": "Authorization"}
        known = request.headers.get("if-none-match")
        if known and _matches(known, answer.etag):
            return Response(status_code=304, headers=headers)
        return Response(answer.body, media_type=answer.media_type, headers=headers)


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
