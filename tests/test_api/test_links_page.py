"""The page at `/`: links for whoever opens the address in a browser."""

import re
from typing import Literal

import httpx
import pytest

from app.core.config import MetricsAccess, Settings
from app.main import create_app
from tests.application import served
from tests.browser import chromium
from tests.not_empty import not_empty
from tests.test_api.test_live_page import CONTRASTS, PHONE

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
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


async def test_everybody_can_read_it_by_day_and_by_night(settings: Settings) -> None:
    async with served(settings) as service, chromium() as browser:
        for scheme in SCHEMES:
            page = await browser.new_page(color_scheme=scheme, viewport=PHONE)
            await page.goto(str(service.base_url))
            contrasts = not_empty(await page.evaluate(CONTRASTS))
            assert [each for each in contrasts if each[1] < 4.5] == [], scheme
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"]
