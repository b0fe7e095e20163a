"""What `/docs` knows, and HEAD: with real HTTP, as a probe and a browser ask."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.core.config import Settings
from tests.application import served
from tests.not_empty import not_empty
from tests.project import ROOT


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """The document does not depend on the database."""
    return sqlite_url


def test_docs_can_send_the_token_that_each_route_needs(app: FastAPI) -> None:
    document = app.openapi()
    schemes = document["components"]["securitySchemes"]
    assert {scheme["scheme"] for scheme in schemes.values()} == {"bearer"}
    needed: dict[str, Any] = {}
    for path, methods in not_empty(document["paths"].items()):
        for operation in not_empty(methods.values()):
            needed[path] = operation.get("security")
            if operation.get("security"):
                assert "401" in operation["responses"], path
    assert [path for path, security in needed.items() if security is None] == [
        "/health",
        "/health/dependencies",
    ]
    assert needed["/orchestrate/log-levels"] == [{"operator": []}]
    assert needed["/orchestrate/approve-response"] == [{"token": []}]


def test_what_is_refused_known_or_too_much_is_declared(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    overview = paths["/orchestrate/metrics"]["get"]["responses"]
    assert {"200", "304", "401", "403", "422", "429"} <= set(overview)
    assert "worker process" in overview["429"]["description"]
    assert set(overview["429"]["headers"]) == {"Retry-After", "RateLimit-Policy"}
    for path, kinds in {
        "/metrics": {"text/plain", "application/openmetrics-text"},
        "/orchestrate/metrics/series": {"application/json", "text/csv"},
        "/orchestrate/metrics/stream": {"text/event-stream"},
    }.items():
        assert kinds <= set(paths[path]["get"]["responses"]["200"]["content"]), path
    waiting = paths["/orchestrate/responses/waiting"]["get"]
    assert "needs `act`" in waiting["description"]


def test_every_endpoint_that_takes_a_body_says_how_one_is_refused(app: FastAPI) -> None:
    taking = {
        f"{method} {path}": {"400", "413", "422"} - set(operation["responses"])
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
        if "requestBody" in operation
    }
    assert {each: missing for each, missing in not_empty(taking.items()) if missing} == {}


def test_each_endpoint_is_in_the_list_of_endpoints(app: FastAPI) -> None:
    listed = (ROOT / "docs/domain.md").read_text(encoding="utf-8")
    endpoints = [
        f"| `{method.upper()} {path}` |"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    ]
    assert [endpoint for endpoint in not_empty(endpoints) if endpoint not in listed] == []


async def test_head_is_answered_as_get_without_a_body(settings: Settings) -> None:
    async with served(settings) as client:
        for path in (
            "/health",
            "/metrics",
            "/health/dependencies",
            "/orchestrate/metrics",
            "/orchestrate/metrics/export",
            "/orchestrate/metrics/stream",
            "/orchestrate/metrics/live",
            "/orchestrate/workflow/unknown/status",
            "/orchestrate/escalate",
            "/docs",
            "/",
        ):
            head = await client.head(path)
            async with client.stream("GET", path) as get:
                assert head.status_code == get.status_code, path
                assert head.headers.get("Content-Type") == get.headers.get("Content-Type"), path
            assert head.content == b""
        counted = (await client.get("/metrics")).text
        of_probe = '"HEAD",http_response_status_code="200",http_route="/health"'
        assert of_probe in counted
        assert '"HEAD",http_response_status_code="404",http_route="unmatched"' not in counted


async def test_the_limit_is_said_to_be_of_one_worker(client: httpx.AsyncClient) -> None:
    answer = await client.get("/orchestrate/metrics")
    assert answer.headers["RateLimit-Policy"] == '"per-worker-process";q=100000;w=60'
