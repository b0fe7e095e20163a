"""Tenants get one answer each, whatever fails of several orchestrators behind a balancer.

`LONG_TESTS=1 python -m pytest -s` with this file prints what each fault cost: the table of
docs/several-orchestrators.md.
"""

import asyncio
import json
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import asyncpg
import httpx

from app.core import catalogue
from tests.exposed import summed
from tests.length import only_long
from tests.not_empty import not_empty
from tests.postgresql_pair import PostgreSQLPair, postgresql_pair
from tests.replicas import Balancer, Served, all_served, replica
from tests.serving_process import service_environment
from tests.sms import sms
from tests.test_services.test_exactness import zone_where_it_is_noon
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually, until

TENANTS = 8
"""Who text at the same time, one message after the other."""
PAUSE_SECONDS = 0.2
HOSTILE_EACH = 4
"""Of so many messages, one is not answered but told to a manager."""
BEFORE_AND_AFTER = 20
"""Messages that are answered before a fault, and after it."""
AS_IT = {"asks the AI": "v1", "sends a text": "sms", "tells a manager": "notifications"}.items()
"""When an orchestrator is killed: its messages are at this upstream."""
PROMOTED_AFTER_SECONDS = 3
"""So long PostgreSQL is gone before whoever watches it promotes the standby."""
SETTINGS = {
    "STOP_DRAIN_SECONDS": "4",
    "DATABASE_CONNECTIONS": "6",
    "DATABASE_TIMEOUT_SECONDS": "5",
    "METRICS_ACCESS__CACHE_SECONDS": "0.000001",
    "ROLLUPS__FLUSH_SECONDS": "0.2",
    # What a killed process had begun is soon known to be nobody's.
    "INTERRUPTED_AFTER_SECONDS": "20",
    "SWEEP_INTERVAL_SECONDS": "1",
}


@dataclass
class Provider:
    """Delivers each message again, under the same ID, until it is told that it was taken."""

    client: httpx.AsyncClient
    seconds: list[float] = field(default_factory=list)
    """Of each message, from its first delivery until it was taken."""
    refusals: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """What it was told instead of that it was taken, and how often."""
    stopped: bool = False
    taken: int = 0
    _next: int = 0

    async def deliver(self) -> None:
        """One message after the other."""
        while not self.stopped:
            self._next += 1
            text = "You idiots!" if self._next % HOSTILE_EACH == 0 else "When is my rent due?"
            await self._deliver(sms(self._next, text) | {"message_id": f"SM-{self._next}"})
            await asyncio.sleep(PAUSE_SECONDS)

    async def _deliver(self, message: dict[str, str]) -> None:
        began = monotonic()
        await eventually(lambda: self._is_taken(message), 300)
        self.seconds.append(monotonic() - began)
        self.taken += 1

    async def _is_taken(self, message: dict[str, str]) -> bool:
        try:
            answer = await self.client.post("/orchestrate/sms-received", json=message)
        except httpx.TransportError as error:
            self.refusals[type(error).__name__] += 1
            return False
        if not answer.is_success:
            self.refusals[str(answer.status_code)] += 1
        return answer.is_success


@dataclass
class Scene:
    """All that runs."""

    replicas: list[Served]
    balancer: Balancer
    pair: PostgreSQLPair
    upstreams: ScriptedUpstreams
    provider: Provider

    async def during(self, name: str, fault: Callable[[], Awaitable[None]]) -> None:
        """Let tenants text before, during and after ``fault``; print what it cost.

        Each message has its answer in the end, once; else this fails.
        """
        provider, before = self.provider, await self.states()
        self.upstreams.requests.clear()
        provider.stopped, provider.seconds = False, []
        provider.refusals.clear()
        tenants = [asyncio.create_task(provider.deliver()) for _ in range(TENANTS)]
        await self._taken_more()
        began = monotonic()
        await fault()
        lasted = monotonic() - began
        await self._taken_more()
        provider.stopped = True
        await asyncio.gather(*tenants)
        cut_off = await self._run_again_what_was_cut_off()
        await eventually(self._managers_know, 300)
        states, taken = Counter(await self.states()), len(provider.seconds)
        states.subtract(before)
        keys = self._keys_given("/sms/send", "phone_number")
        told = self._keys_given("/notifications/send", "reference")
        seconds = sorted(provider.seconds)
        _print(
            {
                "fault": name,
                "lasted": f"{lasted:.0f} s",
                "texts": taken,
                "refused deliveries": _listed(provider.refusals),
                "cut off": cut_off,
                "lost": taken - states["sent"] - states["escalated"],
                "sent twice": len([each for each in keys.values() if len(set(each)) > 1]),
                "managers told again": len([each for each in told.values() if len(each) > 1]),
                "taken after: median": f"{_quantile(seconds, 0.5):.2f} s",
                "95 %": f"{_quantile(seconds, 0.95):.2f} s",
                "slowest": f"{seconds[-1]:.1f} s",
            },
            with_head=not before,
        )
        assert states == Counter(sent=len(keys), escalated=len(told))
        assert len(keys) + len(told) == taken
        assert all(len(set(each)) == 1 for each in not_empty([*keys.values(), *told.values()]))
        await self.says_the_same_everywhere()

    @asynccontextmanager
    async def waiting_for(self, segment: str) -> AsyncIterator[None]:
        """As many calls as there are tenants are at an upstream that answers none in the block."""
        upstreams = self.upstreams
        asked_before = self._asked(segment)
        upstreams.hanging.add(segment)
        await until(lambda: self._asked(segment) >= asked_before + TENANTS, 300)
        yield
        upstreams.hanging.clear()
        upstreams.hang.set()
        upstreams.hang = asyncio.Event()

    def _asked(self, segment: str) -> int:
        paths = [path for path, *_ in self.upstreams.requests]
        return len([path for path in paths if path.startswith(f"/{segment}/")])

    async def _taken_more(self) -> None:
        wanted = self.provider.taken + BEFORE_AND_AFTER

        async def taken() -> bool:
            return self.provider.taken >= wanted

        await eventually(taken, 300)

    async def _run_again_what_was_cut_off(self) -> int:
        """How many were."""
        cut_off = await self._settled()
        if cut_off:
            since = {"since": "2000-01-01T00:00:00Z"}
            answer = await self.balancer.client.post("/orchestrate/retry-failed", json=since)
            assert answer.is_success, answer.text
            await eventually(self._nothing_failed)
        return cut_off

    async def _settled(self) -> int:
        """How many workflows were cut off, once it is known of all."""
        states: dict[str, int] = {}

        async def no_more_processing() -> bool:
            states.clear()
            states.update(await self.states())
            return "processing" not in states

        await eventually(no_more_processing)
        return states.get("failed", 0)

    async def _nothing_failed(self) -> bool:
        return set(await self.states()) <= {"sent", "escalated"}

    async def _managers_know(self) -> bool:
        unknown = "SELECT count(*), 0 FROM escalation_events WHERE notified_at IS NULL"
        return await self._rows(unknown) == {0: 0}

    async def states(self) -> dict[str, int]:
        """How many workflows are in which state, by the database."""
        return await self._rows(
            "SELECT lower(status::text), count(*) FROM workflow_instances GROUP BY 1"
        )

    async def _rows(self, query: str) -> dict[Any, int]:
        connection = await asyncpg.connect(self.pair.url_of_writer)
        rows = await connection.fetch(query)
        await connection.close()
        return dict(rows)

    def _keys_given(self, path: str, by: str) -> dict[str, list[str]]:
        """The key of each call with the same value of a field: of one key, one is carried out."""
        given: dict[str, list[str]] = defaultdict(list)
        for asked, headers, body in self.upstreams.requests:
            if asked == path:
                given[str(body[by])].append(headers["idempotency-key"])
        return given

    async def says_the_same_everywhere(self) -> None:
        """Each orchestrator counts exactly, at its endpoint and in what its live page reads."""

        async def all_say_it() -> bool:
            said = [await _said_by(each) for each in self.replicas]
            exact = {"sms_received": self.provider.taken, "total_messages": self.provider.taken}
            return all(
                each == said[0] and exact.items() <= each.items() for each in not_empty(said)
            )

        await eventually(all_say_it)


def _print(row: dict[str, object], *, with_head: bool) -> None:
    lines: list[list[object]] = [[*row.values()]]
    if with_head:
        lines = [[*row], ["---"] * len(row), *lines]
    for line in lines:
        print("", *line, "", sep=" | ")


def _listed(refusals: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(refusals.items())) or "0"


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[math.ceil(share * len(ordered)) - 1]


async def _said_by(orchestrator: Served) -> dict[str, Any]:
    """The counts of the endpoint; they are to be those of the stream."""
    client = orchestrator.client
    asked = (await client.get("/orchestrate/metrics")).raise_for_status().json()
    counts = _counts(asked)
    async with client.stream("GET", "/orchestrate/metrics/stream") as stream:
        is_snapshot = False
        async for line in stream.aiter_lines():
            if is_snapshot and line.startswith("data:"):
                streamed = _counts(json.loads(line.removeprefix("data:")))
                return counts if streamed == counts else {"streamed": streamed, "asked": counts}
            is_snapshot = line == "event: snapshot" or (is_snapshot and line != "")
    return {}


def _counts(overview: dict[str, Any]) -> dict[str, Any]:
    last_hour, today = overview["last_hour"], overview["today"]
    return {**last_hour, **today, "approval_queue": overview["approval_queue"]}


@asynccontextmanager
async def _scene(folder: Path, upstreams: ScriptedUpstreams) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        pair = await asyncio.to_thread(stack.enter_context, postgresql_pair(folder))
        environment = service_environment(
            upstreams.url, pair.url, TIMEZONE=zone_where_it_is_noon(), **SETTINGS
        )
        replicas = [replica(folder, environment) for _ in range(3)]
        front = Balancer(folder, replicas)
        await stack.enter_async_context(all_served(*replicas, front))
        yield Scene(replicas, front, pair, upstreams, Provider(front.client))


@only_long
async def test_no_fault_loses_a_text_or_sends_one_twice(
    tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    async with _scene(tmp_path, upstreams) as scene:

        async def nothing() -> None:
            pass

        async def rolling_restart() -> None:
            for each in scene.replicas:
                await each.stop()
                await each.start()
                await scene.balancer.has_up(3)

        async def one_is_killed_at(segment: str) -> None:
            async with scene.waiting_for(segment):
                await scene.replicas[0].kill()
            await scene.balancer.has_up(2)
            await scene.replicas[0].start()
            await scene.balancer.has_up(3)

        async def balancer_is_restarted() -> None:
            await scene.balancer.kill()
            await scene.balancer.start()

        async def postgresql_fails_over() -> None:
            scene.pair.kill_the_first()
            await asyncio.sleep(PROMOTED_AFTER_SECONDS)
            await asyncio.to_thread(scene.pair.promote_the_second)

        await scene.during("none", nothing)
        assert not scene.provider.refusals
        received = catalogue.SMS_RECEIVED.name

        async def exposed_in_all() -> bool:
            each = [await summed(one.client, received) for one in scene.replicas]
            return min(each) > 0 and sum(each) == scene.provider.taken

        await eventually(exposed_in_all)
        await scene.during("rolling restart", rolling_restart)
        assert not scene.provider.refusals
        for name, segment in AS_IT:
            await scene.during(f"one killed as it {name}", partial(one_is_killed_at, segment))
            # Only what the killed one was at is not taken at once.
            assert sum(scene.provider.refusals.values()) < TENANTS
        await scene.during("balancer killed and started", balancer_is_restarted)
        await scene.during("PostgreSQL failed over", postgresql_fails_over)
