"""The live page in a real Chromium: on a wall and on a phone, by day and by night.

And the page of links.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Literal

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, ViewportSize, expect

from app.core.config import Settings
from tests.application import served
from tests.browser import chromium
from tests.not_empty import not_empty
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams, serving

# Machines may be slow: only what never comes is a failure.
expect.set_options(timeout=60_000)

UPSTREAMS = ("collections_monitor", "sms_agent", "notification_service", "ai_provider")
LIVE = "/orchestrate/metrics/live"
WALL: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# The contrast of every visible text with what is behind it, as WCAG 2 computes it.
CONTRASTS = """() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => {
      c /= 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("h1, h2, p, dt, dd, label, button, small")) {
    if (!element.textContent.trim() || !element.checkVisibility()) continue;
    const a = luminance(channels(getComputedStyle(element).color)), b = luminance(behind(element));
    found.push([element.id || element.tagName, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}"""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all: to start it takes longer than any of the tests."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page that shares nothing with any other, as of a browser that was just started."""
    async with await browser.new_context() as context:
        yield await context.new_page()


@asynccontextmanager
async def service_in(
    folder: Path,
    *,
    provider_token: str = "",
    text: str = "You idiots!",
    **access: object,
) -> AsyncIterator[httpx.AsyncClient]:
    """A service that has received this SMS, or none, from a provider that has this token.

    ``access`` is what its settings have in place of an access for everybody here.
    """
    access = {"open_on_loopback": True, "stream_interval_seconds": 0.2, **access}
    upstreams = ScriptedUpstreams()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(upstreams.app()))
        settings = Settings.model_validate(
            {
                "database_url": f"sqlite:///{folder}/orchestrator.db",
                "database_timeout_seconds": 60,
                "metrics_access": access,
                **{f"{name}_url": url for name in UPSTREAMS},
            }
        )
        client = await stack.enter_async_context(served(settings))
        headers = {"Authorization": f"Bearer {provider_token}"} if provider_token else {}
        if text:
            received = await client.post(
                "/orchestrate/sms-received", json=sms(1, text), headers=headers
            )
            assert received.is_success, received.text
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """For tests that read."""
    async with service_in(tmp_path_factory.mktemp("service")) as client:
        yield client


async def opened(page: Page, service: httpx.AsyncClient) -> list[str]:
    """Open the live page; gives what it complains of to its console, then and later."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(f"{service.base_url}{LIVE}")
    await expect(page.locator("#figures")).to_have_attribute("aria-busy", "false")
    return complaints


async def assert_can_be_read(page: Page, width: int) -> None:
    contrasts = await page.evaluate(CONTRASTS)
    assert [found for found in not_empty(contrasts) if found[1] < 4.5] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_everybody_can_read_it(page: Page, service: httpx.AsyncClient) -> None:
    complaints = await opened(page, service)
    await expect(page.locator("#chart rect")).to_have_count(60)
    for size, scheme in product((WALL, PHONE), SCHEMES):
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=scheme)
        await assert_can_be_read(page, size["width"])
    # What it complains of would have been heard.
    await page.evaluate("console.error('heard')")
    assert complaints == ["heard"]


async def test_everybody_can_read_the_page_of_links(page: Page, service: httpx.AsyncClient) -> None:
    await page.set_viewport_size(PHONE)
    await page.goto(str(service.base_url))
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        await assert_can_be_read(page, PHONE["width"])


async def test_what_it_says_is_what_was_counted_and_moves_on(page: Page, tmp_path: Path) -> None:
    async with service_in(tmp_path) as service:
        await opened(page, service)
        await expect(page.locator("#volume")).to_have_text("1")
        await expect(page.locator("#escalations")).to_have_text("1")
        await expect(page.locator("#approval")).to_have_text("0 %")
        await expect(page.locator("#time")).to_have_text(re.compile(r"\d+ ms|\d+\.\d s"))
        await expect(page.locator("#health")).to_have_text("Fine")
        await expect(page.locator("#connection")).to_have_text("live")
        assert (await service.post("/orchestrate/sms-received", json=sms(2))).is_success
        await expect(page.locator("#volume")).to_have_text("2")
        await expect(page.locator("#approval")).to_have_text("50 %")


async def test_a_fresh_install_is_not_called_fine_nor_is_its_past_called_empty(
    page: Page, tmp_path: Path
) -> None:
    async with service_in(tmp_path, text="") as service:
        await opened(page, service)
        await expect(page.locator("#health")).to_have_text("Nothing wrong seen")
        await expect(page.locator("#health-note")).to_contain_text("Not known")
        await expect(page.locator("#health-note")).to_contain_text("ai error ratio")
        await expect(page.locator("#approval-list")).to_contain_text("nobody waits")
        # A moment ago is all that it can tell of.
        note = re.compile(r"not known now; counted for (less than )?1 % of the last hour")
        await expect(page.locator("#volume-note")).to_have_text(note)
        assert await page.locator("#chart rect.unknown").count() >= 58
        chart = page.get_by_role("img", name=re.compile("Messages a minute"))
        await expect(chart).to_have_attribute("aria-label", re.compile("not known of 5[89] of 60"))


async def test_the_chart_of_what_can_t_be_read_is_not_the_one_of_before(
    page: Page, service: httpx.AsyncClient
) -> None:
    await opened(page, service)
    await expect(page.locator("#chart rect")).to_have_count(60)
    await page.route("**/series*", lambda route: route.fulfill(status=503))
    await page.evaluate("chart()")
    await expect(page.locator("#chart rect")).to_have_count(0)
    await expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("not known"))


async def test_it_has_names_for_those_who_do_not_see_it_and_no_motion_for_those_it_disturbs(
    page: Page, service: httpx.AsyncClient
) -> None:
    await page.emulate_media(reduced_motion="reduce")
    await opened(page, service)
    bar = page.locator("#approval-bar")
    assert await bar.evaluate("e => getComputedStyle(e).transitionDuration") == "0s"
    assert await page.locator("main").count() == 1
    for section in not_empty(await page.get_by_role("region").all()):
        assert await section.get_by_role("heading").count() == 1
    assert await page.get_by_role("region").count() == 6
    chart = page.get_by_role("img", name=re.compile("Messages a minute"))
    await expect(chart).to_be_visible()
    await expect(page.get_by_role("status").first).to_have_text("live")
    # Never colour alone: each state is a word.
    for state in not_empty(await page.locator("dd.ok, dd.warning, dd.critical").all()):
        assert (await state.text_content() or "").strip()


async def test_a_broken_connection_is_said_and_mended(
    page: Page, service: httpx.AsyncClient
) -> None:
    broken = True

    async def answer(route: Route) -> None:
        await (route.abort() if broken else route.continue_())

    await page.route("**/stream", answer)
    await page.goto(f"{service.base_url}{LIVE}")
    await expect(page.locator("#connection")).to_contain_text("trying again")
    broken = False
    await expect(page.locator("#connection")).to_have_text("live")
    await expect(page.locator("#volume")).to_have_text("1")


@asynccontextmanager
async def line_to(service: httpx.AsyncClient, is_dead: asyncio.Event) -> AsyncIterator[str]:
    """A connection to the service that delivers nothing, and says nothing, once it is dead."""

    async def passed_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not is_dead.is_set():
                target.write(data)
                await target.drain()
        target.close()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection("127.0.0.1", service.base_url.port)
        ways = (passed_on(reader, upstream[1]), passed_on(upstream[0], writer))
        await asyncio.gather(*ways, return_exceptions=True)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_line_that_dies_without_a_word_is_noticed_and_the_figures_are_called_old(
    page: Page, tmp_path: Path
) -> None:
    is_dead = asyncio.Event()
    async with (
        service_in(tmp_path, stream_heartbeat_seconds=0.2, stream_interval_seconds=1) as service,
        line_to(service, is_dead) as url,
    ):
        await page.goto(f"{url}{LIVE}")
        connection = page.locator("#connection")
        await expect(connection).to_have_text("live")
        await expect(page.locator("#health")).to_have_text("Fine")
        is_dead.set()
        await expect(connection).to_contain_text("nothing was heard from the service")
        await expect(connection).to_contain_text(re.compile(r"the figures are of \d\d:\d\d:\d\d"))
        await expect(page.locator("main")).to_have_class("old")
        # What was well when the figures came says nothing of now.
        await expect(page.locator("#health")).to_have_text("not known")
        await expect(page.locator("#health-note")).to_contain_text("Nothing is known now")
        await expect(page.locator("#health")).not_to_have_class(re.compile("ok"))
        is_dead.clear()
        await expect(connection).to_have_text("live")
        await expect(page.locator("#health")).to_have_text("Fine")
        await expect(page.locator("main")).not_to_have_class("old")


async def test_a_token_is_asked_for_and_kept_for_the_session(page: Page, tmp_path: Path) -> None:
    (tokens := tmp_path / "tokens").write_text(
        "people:a-token-0123456789\nprovider:another-token-0123456789 receive\n"
    )
    async with service_in(
        tmp_path,
        provider_token="another-token-0123456789",
        open_on_loopback=False,
        tokens_file=tokens,
    ) as service:
        await page.goto(f"{service.base_url}{LIVE}")
        field = page.get_by_label("Access token")
        for given, expected in (("wrong", "refused"), ("a-token-0123456789", "")):
            await field.fill(given)
            await page.get_by_role("button").click()
            if expected:
                await expect(page.get_by_role("alert")).to_contain_text(expected)
        await expect(page.locator("#connection")).to_have_text("live")
        await expect(field).to_be_hidden()
        await page.reload()
        await expect(page.locator("#connection")).to_have_text("live")


async def test_the_page_brings_all_it_needs_and_may_fetch_nothing_else(
    service: httpx.AsyncClient,
) -> None:
    response = await service.get(LIVE)
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    assert "<main" in response.text
    assert not re.search(r"(src|href)\s*=", response.text)
