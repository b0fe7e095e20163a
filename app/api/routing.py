"""Routes that let clients in, and answer from the cache, before FastAPI looks at parameters.

A route's class is also what the OpenAPI document says of its access (`app.api.openapi`).
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from app.api.access import LIMIT_HEADER, Access, Operators
from app.api.caching import AnswerCache
from app.api.tokens import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class TokenRoute(APIRoute):
    """For clients with a token that is for ``scope``; ``request.state.caller`` says whose."""

    scope: Scope

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def identified(request: Request) -> Response:
            request.state.caller = access_of(request).identify(request, self.scope)
            return await answer(request)

        return identified


class ScrapeRoute(TokenRoute):
    """Metrics, as often as the client likes."""

    scope = Scope.METRICS


class ReceivingRoute(TokenRoute):
    """For who hands in the texts of tenants."""

    scope = Scope.RECEIVE


class ActingRoute(TokenRoute):
    """For managers, and for what acts for them."""

    scope = Scope.ACT


class GuardedRoute(APIRoute):
    """Metrics, as often as the limit allows."""

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            access = access_of(request)
            access.admit(request)
            response = await answer(request)
            response.headers[LIMIT_HEADER] = access.limit_policy
            return response

        return guarded


class CachedRoute(GuardedRoute):
    """Guarded, and the same question is answered once for everybody."""

    def get_route_handler(self) -> Handler:
        answer = APIRoute.get_route_handler(self)

        async def cached(request: Request) -> Response:
            access = access_of(request)
            access.admit(request)
            cache: AnswerCache = request.app.state.answers
            response = await cache.respond(request, answer)
            response.headers[LIMIT_HEADER] = access.limit_policy
            return response

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


def access_of(request: Request) -> Access:
    """What lets clients of this application in."""
    access: Access = request.app.state.access
    return access
