"""The stack that is troubled: its parts, stopped, started again and asked."""

import asyncio
import shlex
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Page

from stack.ports import PORTS
from stack.supervisor import Supervisor
from tests.test_stack.native_stack import Stack

LIVE = "/orchestrate/metrics/live"


class Bundle:
    """A native stack with its ports from ``offset`` on, its state in ``folder``, and a live page.

    It runs at real speed, with the committed rules and routes.
    """

    def __init__(self, folder: Path, offset: int, page: Page) -> None:
        ports = {port.variable: str(port.default + offset) for port in PORTS}
        # Nobody texts before the first look: a fresh install knows of nothing.
        self.stack = Stack(folder, ports | {"TRAFFIC_PER_MINUTE": "0"}, lambda text: None)
        self.state = folder
        self.page = page
        """The live page, open as on a wall before, during and after the outage."""
        self.supervisor = Supervisor(folder)
        self._client = httpx.AsyncClient(timeout=30, trust_env=False)

    async def up(self) -> None:
        """Start everything and show the live page. AssertionError where it does not come up."""
        done = await asyncio.to_thread(self.stack.run, "up")
        assert done.returncode == 0, done.stdout + done.stderr
        await self.page.goto(self.stack.addresses.app + LIVE)
        assert await self.until(self._page_shows_something, 60), "the live page shows nothing"

    async def down(self) -> None:
        """Stop everything."""
        await self.page.goto("about:blank")
        await asyncio.to_thread(self.stack.run, "down")
        await self._client.aclose()

    async def _page_shows_something(self) -> bool:
        return await self.page.locator("#figures").get_attribute("aria-busy") == "false"

    # --- the parts ---

    async def stop(self, component: str) -> None:
        """Stop a component, and see that it has ended."""
        await asyncio.to_thread(self.supervisor.stop_program, component)

    async def start(self, component: str) -> None:
        """Start it again."""
        await asyncio.to_thread(self.supervisor.start, component)

    async def run_app_with(self, variables: Mapping[str, str]) -> None:
        """Start the orchestrator anew with these variables of its environment beside its own."""
        await self.stop("app")
        script = self.state / "run" / "start-app.sh"
        exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        script.write_text("\n".join(exports) + "\n" + script.read_text())
        await self.start("app")
        assert await self.until(self.app_answers, 120), "the orchestrator does not come up"

    async def app_answers(self) -> bool:
        """Whether the orchestrator serves. Raises httpx.HTTPError."""
        return (await self._client.get(f"{self.stack.addresses.app}/health")).is_success

    # --- what they are asked; everything raises httpx.HTTPError ---

    async def get(self, path: str, **parameters: str) -> httpx.Response:
        """An answer of the orchestrator to somebody with a token."""
        addresses = self.stack.addresses
        headers = {"Authorization": f"Bearer {addresses.token.strip()}"}
        return await self._client.get(addresses.app + path, params=parameters, headers=headers)

    async def traffic(self, per_minute: float) -> None:
        """So many SMS a minute come from now on, on average."""
        url = f"{self.stack.addresses.receiver}/traffic"
        answer = await self._client.put(url, json={"messages_per_minute": per_minute})
        answer.raise_for_status()

    async def fault(self, name: str) -> None:
        """Switch a fault of the simulator on."""
        url = f"{self.stack.addresses.receiver}/faults/{name}"
        (await self._client.put(url)).raise_for_status()

    async def notifications(self) -> list[dict[str, Any]]:
        """What the receiver was sent, oldest first."""
        answer = await self._client.get(f"{self.stack.addresses.receiver}/alerts")
        found: list[dict[str, Any]] = answer.raise_for_status().json()["notifications"]
        return found

    async def firing(self) -> set[str]:
        """The names of the alerts that fire in Prometheus."""
        url = f"{self.stack.addresses.prometheus}/api/v1/query"
        query = 'ALERTS{alertstate="firing",severity!="info"}'
        answer = (await self._client.get(url, params={"query": query})).raise_for_status().json()
        return {each["metric"]["alertname"] for each in answer["data"]["result"]}

    async def notified(self) -> set[str]:
        """The names of the alerts that the receiver was told of."""
        return {
            alert["labels"]["alertname"]
            for notification in await self.notifications()
            for alert in notification["alerts"]
        }

    async def scraped(self) -> bool:
        """Whether every target was reached by the last scrape."""
        url = f"{self.stack.addresses.prometheus}/api/v1/targets"
        found = (await self._client.get(url)).raise_for_status().json()["data"]["activeTargets"]
        return bool(found) and all(target["health"] == "up" for target in found)

    async def until(self, condition: Callable[[], Awaitable[object]], seconds: float) -> bool:
        """Whether ``condition`` has come true within ``seconds``; what doesn't answer is false."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if await condition():
                    return True
            except (httpx.HTTPError, KeyError, ValueError):
                pass
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(2)
