"""What a tenant and an on-call engineer are promised when an upstream misbehaves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from time import monotonic, time

import pytest
from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse

from app.clients.breaker import CircuitBreaker
from app.clients.sms_agent import SMSAgent
from app.clients.upstream import LARGEST_ANSWER_BYTES, Breakers, Upstream, UpstreamError
from app.core.catalogue import BreakerState, Component, ErrorType
from app.core.config import Calls
from app.core.instrumentation import orchestrator_instruments
from tests.not_empty import not_empty
from tests.upstreams import serving
from tests.waiting import until

NUMBERS = [f"+155500{number:05}" for number in range(60)]


class Agent:
    """An SMS Agent that answers as the test says, and what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[str], Response] = lambda _: _history()
        self.asked: list[str] = []
        self.times: list[float] = []
        self.let_go = asyncio.Event()
        self.let_go.set()

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/conversations/{number}")
        async def conversation(number: str) -> Response:
            self.asked.append(number)
            self.times.append(monotonic())
            await self.let_go.wait()
            return self.answer(number)

        return app


def _history() -> Response:
    return Response('{"messages": []}')


def _failing(status: int, **headers: str) -> Callable[[str], Response]:
    return lambda _: Response(
        status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


@asynccontextmanager
async def calling(url: str, calls: Calls) -> AsyncIterator[tuple[SMSAgent, Breakers]]:
    instruments = orchestrator_instruments()
    breakers = Breakers(calls, instruments)
    upstream = Upstream(Component.SMS_AGENT, url, calls, breakers, instruments)
    try:
        yield SMSAgent(upstream), breakers
    finally:
        await upstream.close()


async def _outcome(agent: SMSAgent, number: str) -> ErrorType | None:
    try:
        await agent.conversation(number)
    except UpstreamError as error:
        return error.error_type
    return None


def _calls(**changes: object) -> Calls:
    return Calls.model_validate(
        {"retry_waits_seconds": (), "timeout_seconds": 60, "breaker_reset_seconds": 600} | changes
    )


async def test_an_upstream_that_trickles_is_given_up_at_the_time_out() -> None:
    attempts = 0

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        try:
            while True:  # never silent for as long as the time-out
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    calls = _calls(timeout_seconds=0.3, retry_waits_seconds=(0, 0, 0))
    async with server, calling(f"http://127.0.0.1:{port}", calls) as (agent, _):
        # Without the deadline this never ends.
        async with asyncio.timeout(30):
            assert await _outcome(agent, NUMBERS[0]) is ErrorType.TIMEOUT
    assert attempts == 1  # the time is used up, so nothing is left for a retry


async def test_retries_end_before_the_time_of_the_whole_call_is_over() -> None:
    upstream = Agent()
    upstream.answer = _failing(500)
    calls = _calls(timeout_seconds=30, retry_waits_seconds=(0, 60))
    async with (
        serving(upstream.app()) as url,
        calling(url, calls) as (agent, _),
    ):
        assert await _outcome(agent, NUMBERS[0]) is ErrorType.SERVER_ERROR
    assert len(upstream.asked) == 2  # a third one would begin after the deadline


async def test_while_half_open_one_call_at_a_time_is_let_through() -> None:
    upstream = Agent()
    upstream.answer = _failing(500)
    calls = _calls(breaker_reset_seconds=0.05)
    async with (
        serving(upstream.app()) as url,
        calling(url, calls) as (agent, breakers),
    ):
        for number in NUMBERS[:3]:
            await _outcome(agent, number)
        await until(lambda: breakers.state(Component.SMS_AGENT) is BreakerState.HALF_OPEN)
        upstream.asked.clear()
        upstream.let_go.clear()
        upstream.answer = lambda _: _history()
        fifty = [asyncio.create_task(_outcome(agent, number)) for number in NUMBERS[3:53]]
        await until(lambda: sum(task.done() for task in fifty) == 49)
        await until(lambda: upstream.asked)
        assert len(upstream.asked) == 1
        upstream.let_go.set()
        outcomes = Counter(await asyncio.gather(*fifty))
        assert outcomes == {None: 1, ErrorType.CIRCUIT_OPEN: 49}
        assert breakers.state(Component.SMS_AGENT) is BreakerState.CLOSED


async def test_a_bad_number_leaves_every_other_tenant_served() -> None:
    upstream = Agent()
    bad = NUMBERS[0]
    upstream.answer = lambda number: Response(status_code=500) if number == bad else _history()
    async with (
        serving(upstream.app()) as url,
        calling(url, _calls(retry_waits_seconds=(0, 0, 0))) as (agent, breakers),
    ):
        for _ in range(5):
            assert await _outcome(agent, bad) is ErrorType.SERVER_ERROR
        assert breakers.state(Component.SMS_AGENT) is BreakerState.CLOSED
        assert await _outcome(agent, NUMBERS[1]) is None


def _hung_up(number: str) -> Response:
    async def half() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionAbortedError

    return StreamingResponse(half()) if number == NUMBERS[0] else _history()


async def test_a_number_at_which_the_upstream_hangs_up_is_not_everybody_s_trouble() -> None:
    upstream = Agent()
    upstream.answer = _hung_up
    async with (
        serving(upstream.app()) as url,
        calling(url, _calls()) as (agent, breakers),
    ):
        for _ in range(5):
            assert await _outcome(agent, NUMBERS[0]) is ErrorType.CONNECTION
        assert breakers.state(Component.SMS_AGENT) is BreakerState.CLOSED
        assert await _outcome(agent, NUMBERS[1]) is None


async def test_an_upstream_that_fails_for_several_tenants_is_left_alone() -> None:
    upstream = Agent()
    upstream.answer = _failing(500)
    async with (
        serving(upstream.app()) as url,
        calling(url, _calls()) as (agent, breakers),
    ):
        for number in not_empty(NUMBERS[:3]):
            assert await _outcome(agent, number) is ErrorType.SERVER_ERROR
        assert breakers.state(Component.SMS_AGENT) is BreakerState.OPEN
        assert await _outcome(agent, NUMBERS[3]) is ErrorType.CIRCUIT_OPEN


async def test_without_traffic_an_open_breaker_is_shown_half_open_after_its_reset() -> None:
    async with calling("http://127.0.0.1:1", _calls(breaker_reset_seconds=0.05)) as (agent, all_):
        shown = all_.state
        for number in NUMBERS[:3]:
            await _outcome(agent, number)
        # No call from here on.
        await until(lambda: shown(Component.SMS_AGENT) is BreakerState.HALF_OPEN)
        await until(lambda: all_.shown(Component.SMS_AGENT) is BreakerState.HALF_OPEN)


async def test_an_upstream_that_asks_for_patience_is_not_taken_for_broken() -> None:
    upstream = Agent()
    upstream.answer = _failing(429)
    async with (
        serving(upstream.app()) as url,
        calling(url, _calls()) as (agent, breakers),
    ):
        for number in not_empty(NUMBERS[:10]):
            assert await _outcome(agent, number) is ErrorType.RATE_LIMITED
        assert breakers.state(Component.SMS_AGENT) is BreakerState.CLOSED


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_retry_comes_no_sooner_than_asked_for(form: str) -> None:
    upstream = Agent()
    wait = "1" if form == "seconds" else formatdate(time() + 2, usegmt=True)

    def once(_: str) -> Response:
        if len(upstream.asked) > 1:
            return _history()
        return Response(status_code=503, headers={"Retry-After": wait})

    upstream.answer = once
    async with (
        serving(upstream.app()) as url,
        calling(url, _calls(retry_waits_seconds=(0,))) as (agent, _),
    ):
        assert await _outcome(agent, NUMBERS[0]) is None
    assert upstream.times[1] - upstream.times[0] >= 0.9


async def test_a_retry_asked_for_after_the_deadline_is_not_waited_for() -> None:
    upstream = Agent()
    upstream.answer = _failing(429, Retry_After="3600")
    calls = _calls(retry_waits_seconds=(0, 0, 0), timeout_seconds=30)
    async with (
        serving(upstream.app()) as url,
        calling(url, calls) as (agent, _),
    ):
        assert await _outcome(agent, NUMBERS[0]) is ErrorType.RATE_LIMITED
        # It may be a limit of this number only.
        assert await _outcome(agent, NUMBERS[1]) is ErrorType.RATE_LIMITED
        # The others are spared the call: the upstream has said when to come back.
        assert await _outcome(agent, NUMBERS[2]) is ErrorType.RATE_LIMITED
    assert upstream.asked == NUMBERS[:2]


async def test_a_wrong_retry_after_is_as_none() -> None:
    upstream = Agent()
    upstream.answer = lambda _: (
        _history() if len(upstream.asked) > 2 else _failing(429, Retry_After="soon")("")
    )
    async with (
        serving(upstream.app()) as url,
        calling(url, _calls(retry_waits_seconds=(0, 0))) as (agent, _),
    ):
        assert await _outcome(agent, NUMBERS[0]) is None


async def test_a_hundred_tenants_do_not_come_back_at_the_same_moment() -> None:
    upstream = Agent()
    upstream.answer = _failing(500)
    waits: list[float] = []
    calls = _calls(retry_waits_seconds=(1.0,), sms_agent_breaker_failures=1000)
    async with calling("http://127.0.0.1:1", calls) as (agent, _):
        policy = agent._upstream.retry_wait
        waits = [policy(1, None) for _ in range(100)]
    assert len(set(waits)) > 90
    assert all(0.75 <= wait <= 1.25 for wait in not_empty(waits))


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _opened(failures: int = 3) -> tuple[CircuitBreaker, Clock]:
    clock = Clock()
    breaker = CircuitBreaker(failures, reset_seconds=60, clock=clock)
    for _ in range(failures):
        permit = breaker.enter(None)
        assert permit
        breaker.failed(permit)
    assert breaker.state is BreakerState.OPEN
    return breaker, clock


def test_a_call_begun_before_the_breaker_opened_does_not_close_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker(1, reset_seconds=60, clock=clock)
    slow, quick = breaker.enter(None), breaker.enter(None)
    assert slow
    assert quick
    breaker.failed(quick)
    breaker.succeeded(slow)
    assert breaker.state is BreakerState.OPEN
    clock.now = 60
    breaker.failed(slow)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_that_fails_opens_it_for_another_minute() -> None:
    breaker, clock = _opened()
    clock.now = 60
    probe = breaker.enter(None)
    assert probe
    breaker.failed(probe)
    assert breaker.state is BreakerState.OPEN
    clock.now = 119
    assert breaker.enter(None) is None
    clock.now = 120
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_that_is_given_up_makes_room_for_the_next() -> None:
    breaker, clock = _opened()
    clock.now = 60
    probe = breaker.enter(None)
    assert probe
    assert breaker.enter(None) is None
    breaker.gave_up(probe)
    assert breaker.enter(None)


def test_a_bad_number_as_the_probe_does_not_keep_the_others_out() -> None:
    breaker, clock = _opened()
    clock.now = 60
    bad = breaker.enter("bad")
    assert bad
    breaker.failed_for_one(bad)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.enter("bad") is None  # it has had its turn
    good = breaker.enter("good")
    assert good
    breaker.succeeded(good)
    assert breaker.state is BreakerState.CLOSED


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b" " * 65_536)
                sent += 65_536
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(pour, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, calling(f"http://127.0.0.1:{port}", _calls()) as (agent, _):
        assert await _outcome(agent, NUMBERS[0]) is ErrorType.INVALID_RESPONSE
    # What lies in the buffers of the sockets comes on top.
    assert sent < LARGEST_ANSWER_BYTES + 32 * 1024 * 1024
