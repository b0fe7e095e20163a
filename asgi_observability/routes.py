"""The one place that knows where FastAPI and Starlette keep the matched route.

A template is made of the routes as they are declared, mounts and prefixes included, and never of
the path that was asked for: a parameter of a mount is its name, ``/tenants/{tenant}/orders``.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from starlette.routing import Host, Mount
from starlette.types import Scope

UNMATCHED = "unmatched"
"""The template of a path that no route matched: invented paths make no series."""

REST = "/{path}"
"""What stands for all that a mounted application is asked for and has no route of its own."""

MAX_FOUND = 10_000
"""Routes whose template is kept; a service that makes them as it goes is looked up anew."""

MAX_DEPTH = 10

_MADE_BY_ROUTERS = {"HEAD", "OPTIONS"}


class Found(NamedTuple):
    """A route's template. ``route`` keeps its identity from being given to another."""

    template: str
    route: object
    is_mount: bool = False
    is_ambiguous: bool = False


class _Candidate(NamedTuple):
    """A route as it is declared in one place; ``keys`` are what a scope may name it by."""

    route: Any
    keys: tuple[object, ...]
    template: str
    inner: Iterable[Any] | None = None


class Routes:
    """The templates of an application's routes, looked up by the route that served a request."""

    def __init__(self, declared: Callable[[], Iterable[Any]]) -> None:
        self._declared = declared
        self._found: dict[int, Found] = {}
        self._looked = 0

    def add(self, route: object, template: str) -> None:
        """Know a route that the application doesn't have."""
        self._found[id(route)] = Found(template, route)

    def templates(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Every template of the service's own with its methods; pages of documents are not."""
        self._look()
        for found in list(self._found.values()):
            methods = getattr(found.route, "methods", None)
            if methods and getattr(found.route, "include_in_schema", True):
                yield found.template, frozenset(methods) - _MADE_BY_ROUTERS

    def template(self, scope: Scope, path: str, root_path: str) -> tuple[str, bool]:
        """The template of the route that served ``scope``, which came in with these paths.

        And whether each request has it that the same route serves (`matched_by`).
        """
        matched = matched_by(scope)
        if matched is None:
            # No route at all, or a middleware that hands on a copy of the scope.
            return self._by_path(scope, path, root_path) or UNMATCHED, False
        found = self._found.get(id(matched)) or self._looked_up(matched)
        if found.is_mount:
            # An older mark of the mount may hide what its application found.
            inner = self._found.get(id(scope.get("route")))
            if inner and not inner.is_mount:
                found = inner
        if found.is_ambiguous:
            return self._by_path(scope, path, root_path) or found.template, False
        return found.template, id(matched) in self._found and found.route is matched

    def _looked_up(self, route: object) -> Found:
        if self._looked < MAX_DEPTH * MAX_DEPTH:
            self._look()
        if id(route) not in self._found:
            path = getattr(route, "path_format", None) or getattr(route, "path", None)
            found = Found(path if isinstance(path, str) else UNMATCHED, route)
            if len(self._found) >= MAX_FOUND:
                return found
            self._found[id(route)] = found
        return self._found[id(route)]

    def _look(self) -> None:
        self._looked += 1
        for candidate in _all(self._declared(), "", 0):
            is_mount = candidate.inner is not None
            for key in candidate.keys:
                known = self._found.get(id(key))
                if known is None:
                    self._found[id(key)] = Found(candidate.template, key, is_mount)
                elif known.template != candidate.template:
                    self._found[id(key)] = known._replace(is_ambiguous=True)

    def _by_path(self, scope: Scope, path: str, root_path: str) -> str | None:
        rest = path_below(path, root_path)
        return _resolved(self._declared(), rest, scope.get("method", "GET"), 0)


def matched_by(scope: Scope) -> object | None:
    """What the framework left in ``scope`` of the route that it chose; None where it chose none.

    FastAPI from 0.137 on has the prefixes of included routers in the effective route context.
    Starlette before 0.45 names the endpoint only.
    """
    own = scope.get("fastapi")
    context = own.get("effective_route_context") if own else None
    return context or scope.get("route") or scope.get("endpoint")


def path_below(path: str, root_path: str) -> str:
    """``path`` as the application's routes see it."""
    if root_path and path.startswith(root_path) and path[len(root_path) :][:1] in ("", "/"):
        return path[len(root_path) :]
    return path


def _candidates(routes: Iterable[Any]) -> Iterator[_Candidate]:
    """The routes of one level, as they are in effect there."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield _candidate(route, (route,), getattr(route, "path_format", None))
            continue
        for context in included():
            in_effect = context.starlette_route or context.original_route
            template = getattr(context.starlette_route, "path_format", None) or context.path_format
            keys = (context, context.starlette_route) if context.starlette_route else (context,)
            yield _candidate(in_effect, keys, template, context)


def _candidate(
    route: Any, keys: tuple[object, ...], template: str | None, in_effect: Any = None
) -> _Candidate:
    if isinstance(route, Host):
        return _Candidate(route, (*keys, route.app), REST, _routes_of(route.app))
    if isinstance(route, Mount):
        return _Candidate(route, (*keys, route.app), template or REST, _routes_of(route.app))
    if in_effect is None:
        # An endpoint alone, of older versions, may serve several routes.
        keys = (*keys, *filter(None, [getattr(route, "endpoint", None)]))
    found = template or getattr(route, "path", None) or UNMATCHED
    return _Candidate(in_effect if hasattr(in_effect, "path_regex") else route, keys, found)


def _routes_of(app: Any) -> Iterable[Any]:
    """The routes of a mounted application, within whatever middleware it stands."""
    for _ in range(MAX_DEPTH):
        if app is None:
            break
        routes = getattr(app, "routes", None)
        if routes is not None:
            return list(routes)
        app = getattr(app, "app", None)
    return ()


def _all(routes: Iterable[Any], prefix: str, depth: int) -> Iterator[_Candidate]:
    if depth > MAX_DEPTH:
        return
    for candidate in _candidates(routes):
        yield candidate._replace(template=prefix + candidate.template)
        if candidate.inner is not None:
            yield from _all(candidate.inner, prefix + _without_rest(candidate), depth + 1)


def _without_rest(mount: _Candidate) -> str:
    return mount.template.removesuffix(REST)


def _resolved(routes: Iterable[Any], path: str, method: str, depth: int) -> str | None:
    """The template of the route that would serve ``path``, as the router looks for it."""
    partial = None
    for candidate in _candidates(routes) if depth <= MAX_DEPTH else ():
        route = candidate.route
        if isinstance(route, Host):
            inner = _resolved(candidate.inner or (), path, method, depth + 1)
            if inner:
                return inner
            continue
        regex = getattr(route, "path_regex", None)
        match = regex.match(path) if regex else None
        if not match:
            continue
        if candidate.inner is not None:
            inner = _resolved(candidate.inner, f"/{match['path']}", method, depth + 1)
            return _without_rest(candidate) + (inner or REST)
        methods = getattr(route, "methods", None)
        if not methods or method in methods:
            return candidate.template
        partial = partial or candidate.template
    return partial
