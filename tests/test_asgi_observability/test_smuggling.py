"""What clients put into requests is in no line and no label of the service that they ask."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given, settings
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from app.core.instrumentation import orchestrator_instruments
from asgi_observability.instruments import Instruments
from asgi_observability.middleware import ObservabilityMiddleware
from asgi_observability.operation_log import OperationLog
from tests.captured_logs import captured_logs
from tests.length import LONG
from tests.not_empty import not_empty
from tests.test_asgi_observability.smuggled_values import PERSONAL, stands_in

few = settings(max_examples=200 if LONG else 8)


async def answer(_: Any) -> JSONResponse:
    """Fine."""
    return JSONResponse({})


def service() -> FastAPI:
    """A service with values of its clients in every place of its paths."""
    api = FastAPI()

    @api.get("/tenants/{tenant}/texts/{text:path}")
    async def text(tenant: str, text: str) -> dict[str, str]:
        return {}

    @api.get("/raises/{text:path}")
    async def raises(text: str, request: Request) -> None:
        raise ValueError(f"{text} {dict(request.query_params)} {dict(request.headers)}")

    inner = Starlette(routes=[Route("/rooms/{room}", answer), Route("/", answer)])
    deeper = Starlette(routes=[Mount("/floors/{floor}", inner)])
    api.mount("/of/{tenant}", inner)
    api.mount("/houses/{house}", deeper)
    api.mount("/fixed", inner)
    return api


def labels_of(instruments: Instruments) -> Iterator[str]:
    """Every sample that a scrape gets."""
    for family in instruments.registry.collect():
        yield from (f"{sample.name}{sample.labels}" for sample in family.samples)


PATHS = [
    *("/tenants/{}/texts/{}", "/raises/{}", "/{}", "/tenants/{}", "/{}/{}", "/fixed/rooms/{}"),
    *("/of/{}/", "/of/{}/rooms/{}", "/of/{}", "/of/{}/nothing/{}", "/fixed/{}"),
    *("/houses/{}/floors/{}/rooms/{}", "/houses/{}/{}"),
]


@pytest.mark.parametrize("path", PATHS)
@given(value=PERSONAL)
@few
def test_a_part_of_a_path_is_not(path: str, value: str) -> None:
    assert_nothing_is_said(value, path.replace("{}", quote(value.strip("./"), safe="") or "x"))


@given(value=PERSONAL)
@few
def test_a_query_is_not(value: str) -> None:
    assert_nothing_is_said(value, "/raises/x", params={"q": value, value: "x"})


@given(value=PERSONAL)
@few
def test_a_header_is_not(value: str) -> None:
    sent = quote(value, safe=" +()-._:'/$")
    names = ("X-Correlation-ID", "X-Request-ID", "traceparent", "tracestate", "User-Agent", "Host")
    for name in names:
        assert_nothing_is_said(sent, "/raises/x", headers={name: sent})


@given(value=PERSONAL)
@few
def test_a_method_is_not(value: str) -> None:
    left = "".join(each for each in value if each.isascii() and each.isalnum()).upper()
    method = f"OF{left}X"  # what is left may be as short as the digits of a bucket's bound
    assert_nothing_is_said(method, "/fixed/", method=method)


@pytest.mark.parametrize("declared", [True, False])
@given(value=PERSONAL)
@few
def test_the_name_of_an_operation_is_not(declared: bool, value: str) -> None:
    """One word that reads as a name can't be told from one where operations are not declared."""
    value = f"of {value} x"
    instruments = orchestrator_instruments() if declared else Instruments((), OperationLog({}))
    kind = type("".join(filter(str.isprintable, value)), (LookupError,), {"error_type": value})
    with captured_logs() as lines:
        for component, name in (("database", value), (value, "select"), (value, value)):
            with instruments.operation(component, name):
                pass
            with pytest.raises(LookupError), instruments.operation(component, name):
                raise kind(value)
            instruments.operation_failed(component, name, value)
    for said in not_empty([*map(str, lines), *labels_of(instruments)]):
        assert not stands_in(value, said)


def assert_nothing_is_said(value: str, path: str, method: str = "GET", **request: Any) -> None:
    """Ask once, and look at all lines and labels."""
    instruments = orchestrator_instruments()
    app = ObservabilityMiddleware(service(), instruments)

    async def ask() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://smuggled") as client:
            await client.request(method, path, **request)

    with captured_logs() as lines:
        anyio.run(ask)
    assert "request" in {line["event"] for line in not_empty(lines)}
    for said in not_empty([*map(str, lines), *labels_of(instruments)]):
        assert not stands_in(value, said)
        assert not stands_in(quote(value, safe=""), said)
