"""The page at `/`: links for whoever opens the address; test_live_page.py opens it in a browser."""

import re

import httpx
import pytest

from app.core.config import MetricsAccess, Settings
from app.main import create_app
from tests.not_empty import not_empty

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
