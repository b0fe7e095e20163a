"""What the OpenAPI document says of access, caching and limits: read off each route's class."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.api.access import LIMIT_HEADER
from app.api.routing import CachedRoute, GuardedRoute, OperatorRoute, TokenRoute
from app.api.tokens import MEANINGS, Scope

_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
_TEXT = {"schema": {"type": "string"}}
_SCHEMES = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "a token of the file that ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE names. "
        "What it is for stands behind it: "
        + "; ".join(f"`{scope}`: {meaning}" for scope, meaning in MEANINGS.items()),
    },
    "operator": {
        "type": "http",
        "scheme": "bearer",
        "description": "a token of the file that ORCHESTRATOR_LOGS__TOKENS_FILE names",
    },
}
_CONTENT = {
    "/metrics": ("text/plain", "application/openmetrics-text"),
    "/orchestrate/metrics/series": ("application/json", "text/csv"),
    "/orchestrate/metrics/export": (
        "text/csv",
        "application/x-ndjson",
        "application/vnd.apache.parquet",
        "application/openmetrics-text",
    ),
    "/orchestrate/metrics/stream": ("text/event-stream",),
}
"""Content types of what isn't made of a model."""


class DocumentedAPI(FastAPI):
    """An application whose document says which token each route needs, and what it may answer."""

    def openapi(self) -> dict[str, Any]:
        """The document; `/docs` can send a token with it."""
        document = super().openapi()
        document.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for context in iter_route_contexts(self.routes):
            route, path = context.original_route, document["paths"].get(context.path_format)
            if not isinstance(route, APIRoute) or path is None:
                continue
            for method in context.methods or ():
                if operation := path.get(method.lower()):
                    _declare(route, context.path_format or "", operation)
        return document


def _declare(route: APIRoute, path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    for status, answer in _answers(route):
        responses[status] = {**responses.get(status, {}), **answer}
    if isinstance(route, OperatorRoute):
        operation["security"] = [{"operator": []}]
    elif isinstance(route, GuardedRoute | TokenRoute):
        scope = route.scope if isinstance(route, TokenRoute) else Scope.METRICS
        operation["security"] = [{"token": []}]
        operation["description"] = (
            f"{operation.get('description', '')}\n\nThe token needs `{scope}`.".strip()
        )
    if path in _CONTENT:
        content = responses["200"].setdefault("content", {})
        for kind in _CONTENT[path]:
            content.setdefault(kind, _TEXT if kind != "application/json" else {})


def _answers(route: APIRoute) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(route, OperatorRoute | GuardedRoute | TokenRoute):
        yield "401", {"description": "No valid token", "content": _ERROR}
    if isinstance(route, GuardedRoute | TokenRoute):
        yield "403", {"description": "The token is not for this", "content": _ERROR}
    if isinstance(route, GuardedRoute):
        yield (
            "429",
            {
                "description": "Asked too often; each worker process counts for itself",
                "content": _ERROR,
                "headers": {
                    "Retry-After": {"description": "seconds", "schema": {"type": "integer"}},
                    LIMIT_HEADER: {"description": "the limit", "schema": {"type": "string"}},
                },
            },
        )
        yield "503", {"description": "The store does not answer", "content": _ERROR}
    if isinstance(route, CachedRoute):
        yield "304", {"description": "Nothing has changed since the ETag in If-None-Match"}
