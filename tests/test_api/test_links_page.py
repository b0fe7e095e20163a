"""The page at `/`: links for whoever opens the address in a browser."""

import re
from pathlib import Path
from typing import Literal

import httpx
import pytest

from app.core.config import MetricsAccess, Settings
from app.main import create_app
from tests.browser import chromium
from tests.not_empty import not_empty
from tests.serving_process import serving_process
from tests.test_api.test_live_page import CONTRASTS, PHONE
from tests.upstreams import ScriptedUpstreams

Scheme = Literal["light", "dark"]
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_every_link_leads_somewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'<a href="([^"]+)"', page.text)
    assert {"docs", "health", "metrics", "orchestrate/metrics/live"} < set(links)
    for link in not_empty(links):
        assert (await client.get(f"/{link}")).status_code == 200, link


async def test_it_needs_no_token_and_nothing_from_elsewhere(
    settings: Settings,
) -> None:
    app = create_app(settings.model_copy(update={"metrics_access": MetricsAccess()}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        assert (await client.get("/metrics")).status_code == 401
        page = await client.get("/")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_read_it(
    tmp_path: Path,
    upstreams: ScriptedUpstreams,
    database_url: str,
    scheme: Scheme,
) -> None:
    async with (
        serving_process(tmp_path / "log", upstreams.url, database_url) as service,
        chromium() as browser,
    ):
        page = await browser.new_page(color_scheme=scheme, viewport=PHONE)
        await page.goto(str(service.base_url))
        assert [each for each in not_empty(await page.evaluate(CONTRASTS)) if each[1] < 4.5] == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert await page.get_by_role("link").count() >= 6
        assert await page.get_by_role("heading", level=1).text_content() == "SMS orchestrator"


async def test_head_is_answered_and_nothing_else(client: httpx.AsyncClient) -> None:
    head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) == len((await client.get("/")).content)
    assert (await client.post("/")).status_code == 405


async def test_it_is_one_route_in_the_metrics_and_none_in_the_schema(
    client: httpx.AsyncClient,
) -> None:
    await client.get("/?a=1")
    await client.get("/no/such/page")
    exposed = (await client.get("/metrics")).text
    routes = set(re.findall(r'route="([^"]*)"', exposed))
    assert "/" in routes
    assert not {route for route in not_empty(routes) if "?" in route or "page" in route}
    assert "/" not in (await client.get("/openapi.json")).json()["paths"]
