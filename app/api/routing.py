"""Routes that let clients in, and answer from the cache, before FastAPI looks at parameters."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api.access import Access, Operators
from app.api.caching import AnswerCache

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """For clients with a token, as often as the limit allows."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            _access(request).admit(request)
            return await answer(request)

        return guarded


class ScrapeRoute(APIRoute):
    """For clients with a token, as often as they like."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def identified(request: Request) -> Response:
            _access(request).identify(request)
            return await answer(request)

        return identified


class CachedRoute(APIRoute):
    """Guarded, and the same question is answered once for everybody."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def cached(request: Request) -> Response:
            _access(request).admit(request)
            cache: AnswerCache = request.app.state.answers
            return await cache.respond(request, answer)

        return cached


class OperatorRoute(APIRoute):
    """For operators; ``request.state.operator`` says which."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def identified(request: Request) -> Response:
            operators: Operators = request.app.state.operators
            request.state.operator = operators.identify(request)
            return await answer(request)

        return identified


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
