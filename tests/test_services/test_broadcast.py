"""The stream's inside: snapshots, readers that come, stay behind and leave."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import catalogue
from app.core.instrumentation import orchestrator_instruments
from app.services.broadcast import Broadcast
from asgi_observability.instruments import Instruments
from tests.not_empty import not_empty
from tests.waiting import until

JSON = st.recursive(
    st.none()
    | st.integers()
    | st.text(max_size=3)
    | st.lists(st.none() | st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
INSTRUMENTS = orchestrator_instruments()
"""To make them for each example would take longer than all else."""
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def anybody() -> bool:
    """Whoever asks may read."""
    return True


class Source:
    """An overview that is one more at each look."""

    def __init__(self) -> None:
        self.looks = 0
        self.is_broken = False

    async def snapshot(self) -> bytes:
        self.looks += 1
        if self.is_broken:
            raise RuntimeError("a bug")
        return orjson.dumps({"n": self.looks, "same": "x"})


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def instruments() -> Instruments:
    return orchestrator_instruments()


@pytest.fixture
async def broadcast(source: Source, instruments: Instruments) -> AsyncIterator[Broadcast]:
    broadcast = Broadcast(source.snapshot, instruments, 0.005, 30)
    yield broadcast
    broadcast.close()


def parsed(data: bytes) -> list[tuple[str, str, Any]]:
    """The events in what was sent: id, name, data."""
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "id" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


def heartbeat(data: bytes) -> dict[str, Any] | None:
    """What a heartbeat says; None where it is something else."""
    _, is_there, said = data.partition(b"event: heartbeat\ndata: ")
    found: dict[str, Any] | None = json.loads(said) if is_there else None
    return found


async def read(events: AsyncIterator[bytes], count: int) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += parsed(await anext(events))
    return found


@given(states=st.lists(OBJECTS, min_size=1, max_size=6), data=st.data())
def test_what_a_client_shows_is_what_the_server_says_null_included(
    states: list[Any], data: st.DataObject
) -> None:
    """Whatever the states, wherever it leaves and comes back."""
    broadcast = Broadcast(Source().snapshot, INSTRUMENTS, 3600, 3600)

    async def follow() -> None:
        shown, last_id = None, None
        events = broadcast.events(last_id, anybody)
        for state in not_empty(states):
            await anext(events)
            broadcast._take(json.dumps(state).encode())
            if data.draw(st.booleans()):
                await events.aclose()
                events = broadcast.events(last_id, anybody)
                await anext(events)
            while last_id != f"{broadcast._epoch}-{broadcast._number}":
                for event_id, name, sent in not_empty(parsed(await anext(events))):
                    assert name == "snapshot"
                    last_id, shown = event_id, sent
            assert shown == state
            await events.aclose()
            events = broadcast.events(last_id, anybody)
        broadcast.close()

    asyncio.run(follow())


async def test_each_change_is_the_whole_state(broadcast: Broadcast) -> None:
    found = await read(broadcast.events(None, anybody), 4)
    assert {name for _, name, _ in found} == {"snapshot"}
    numbers = [state["n"] for _, _, state in found]
    assert numbers == sorted(set(numbers))
    assert {state["same"] for _, _, state in found} == {"x"}


async def test_a_reader_who_has_the_newest_gets_nothing_again(instruments: Instruments) -> None:
    async def same() -> bytes:
        return b'{"n":1}'

    broadcast = Broadcast(same, instruments, 0.005, 0.05)
    staying = broadcast.events(None, anybody)
    (last_id, _, _), *_ = await read(staying, 1)
    back = broadcast.events(last_id, anybody)
    async with asyncio.timeout(20):
        for _ in range(3):
            assert b"snapshot" not in await anext(back)
    broadcast.close()


@pytest.mark.parametrize("stale", ["another-5", "nonsense", "", "-", "x-99999999999999999999"])
async def test_a_place_that_is_not_there_gets_a_snapshot(broadcast: Broadcast, stale: str) -> None:
    (_, name, _), *_ = await read(broadcast.events(stale, anybody), 1)
    assert name == "snapshot"


async def test_a_slow_reader_holds_nobody_up_and_gets_the_newest(
    broadcast: Broadcast, source: Source
) -> None:
    slow, fast = broadcast.events(None, anybody), broadcast.events(None, anybody)
    await read(slow, 1)
    *_, (_, _, newest) = await read(fast, 100)
    (_, name, state), *_ = await read(slow, 1)
    assert name == "snapshot"
    assert newest["n"] <= state["n"] <= source.looks


async def test_a_reader_who_may_read_no_more_gets_nothing_more(broadcast: Broadcast) -> None:
    is_valid = True
    events = broadcast.events(None, lambda: is_valid)
    await read(events, 2)
    is_valid = False
    async with asyncio.timeout(20):
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_silence_does_not_keep_a_stream_open_that_may_not_be_read(
    instruments: Instruments,
) -> None:
    async def same() -> bytes:
        return b'{"n":1}'

    is_valid = True
    broadcast = Broadcast(same, instruments, 0.005, 3600)
    events = broadcast.events(None, lambda: is_valid)
    await read(events, 1)
    is_valid = False
    async with asyncio.timeout(20):
        with pytest.raises(StopAsyncIteration):
            await anext(events)
    broadcast.close()


async def test_nothing_is_computed_when_nobody_reads(
    broadcast: Broadcast, source: Source, instruments: Instruments
) -> None:
    def readers() -> float | None:
        instruments.sample()
        return instruments.registry.get_sample_value(catalogue.METRICS_STREAM_READERS.name)

    assert source.looks == 0
    events = broadcast.events(None, anybody)
    await read(events, 2)
    assert readers() == 1
    await events.aclose()
    assert readers() == 0
    assert broadcast._computing is not None
    await until(broadcast._computing.done)
    looks = source.looks
    # Somebody comes back.
    (_, name, state), *_ = await read(broadcast.events(None, anybody), 1)
    assert name == "snapshot"
    assert state["n"] > looks


async def test_figures_that_can_t_be_had_end_no_stream_and_are_said_to_be_old(
    broadcast: Broadcast, source: Source
) -> None:
    events = broadcast.events(None, anybody)
    await read(events, 2)
    source.is_broken = True
    async with asyncio.timeout(20):
        while (beat := heartbeat(await anext(events))) is None:
            pass
        assert beat["is_current"] is False
        assert beat["computed_at"]
        source.is_broken = False
    assert (await read(events, 1))[0][1] == "snapshot"


async def test_old_figures_that_prove_right_are_said_to_hold_again(
    instruments: Instruments,
) -> None:
    is_broken = False

    async def same() -> bytes:
        if is_broken:
            raise RuntimeError("the store is away")
        return b'{"n":null}'

    broadcast = Broadcast(same, instruments, 0.005, 3600)
    events = broadcast.events(None, anybody)
    assert (await read(events, 1))[0][2] == {"n": None}
    for is_broken in (True, False):
        async with asyncio.timeout(20):
            beat = heartbeat(await anext(events))
        assert beat is not None
        assert beat["is_current"] is not is_broken
    broadcast.close()


async def test_silence_is_broken_by_heartbeats_that_say_when_the_next_one_comes(
    instruments: Instruments,
) -> None:
    async def same() -> bytes:
        return b'{"n":1}'

    broadcast = Broadcast(same, instruments, 0.005, 0.02)
    events = broadcast.events(None, anybody)
    await read(events, 1)
    async with asyncio.timeout(20):
        beat = heartbeat(await anext(events))
    assert beat is not None
    assert (beat["is_current"], beat["next_within_seconds"]) == (True, 0.02)
    broadcast.close()


async def test_closing_ends_every_stream(broadcast: Broadcast) -> None:
    streams = [broadcast.events(None, anybody) for _ in range(3)]
    for events in streams:
        await read(events, 1)
    broadcast.close()
    async with asyncio.timeout(20):
        for events in streams:
            async for _ in events:
                pass
