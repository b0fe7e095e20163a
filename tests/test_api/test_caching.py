"""The cache of answers: bounded in bytes, whatever is asked for."""

import pytest
from fastapi import Request, Response

from app.api import caching
from app.api.caching import NOT_KEPT, AnswerCache


def request(number: int) -> Request:
    query = f"n={number}".encode()
    return Request({"type": "http", "path": "/", "query_string": query, "headers": []})


async def test_large_answers_don_t_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "MAX_BYTES", 1000)
    cache = AnswerCache(3600)
    computed = []

    async def compute(asked: Request) -> Response:
        number = int(asked.query_params["n"])
        computed.append(number)
        return Response(b"x" * (251 if number == 99 else 240))

    for number in (*range(10), 99, 99, 9):
        answer = await cache.respond(request(number), compute)
        assert answer.headers["ETag"]
        assert cache.size <= 1000
    # The last of those that fit is still there; one that takes too much of the room never is.
    assert computed == [*range(10), 99, 99]


async def test_what_isn_t_known_is_asked_again() -> None:
    cache = AnswerCache(3600)
    computed = []

    async def compute(asked: Request) -> Response:
        computed.append(asked)
        return Response(b"{}", headers=NOT_KEPT)

    for _ in range(2):
        answer = await cache.respond(request(1), compute)
        assert "ETag" not in answer.headers
    assert len(computed) == 2
    assert cache.size == 0
