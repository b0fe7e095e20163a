"""Query parameters that a route does not know are refused: overlooked, they would change answers.

``?form=-6h`` would answer for the last hour, as if nothing had been asked.
"""

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.core.errors import InvalidRequestError
from asgi_observability.nearest import did_you_mean


async def only_known_parameters(request: Request) -> None:
    """A dependency. Raises InvalidRequestError naming the parameter, and the nearest right one."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given:
        return
    route = request.scope.get("route")
    known = [*_names(route.dependant)] if isinstance(route, APIRoute) else []
    for name, times in given.items():
        if name not in known:
            there_are = f"there are {', '.join(known)}" if known else "this address has none"
            hint = did_you_mean(name[:60], known, otherwise=there_are)
            called = name[:60] or "a parameter without a name"
            raise InvalidRequestError(f"{called}: unknown parameter; {hint}", name[:60])
        if times > 1:
            raise InvalidRequestError(f"{name}: it is given {times} times; give it once", name)


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (str(parameter.alias) for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)
