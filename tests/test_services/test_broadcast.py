"""The stream's inside: patches, places in the ring, readers that come, stay behind and leave."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from app.core import catalogue
from app.core.instrumentation import Instruments
from app.services.broadcast import KEPT_CHANGES, Broadcast, merge_patch
from tests.not_empty import not_empty
from tests.waiting import until

JSON = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


def patched(target: Any, patch: Any) -> Any:
    """RFC 7386, as its section 2 has it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


@given(OBJECTS, OBJECTS)
def test_a_patch_leads_from_before_to_after(before: Any, after: Any) -> None:
    patch = merge_patch(before, after)
    assert patched(before, patch) == after
    assert merge_patch(after, after) == {}


class State(BaseModel):
    """Whatever the test says."""

    model_config = ConfigDict(extra="allow")


class Source:
    """An overview that is one more at each look."""

    def __init__(self) -> None:
        self.looks = 0
        self.is_broken = False

    async def overview(self) -> State:
        self.looks += 1
        if self.is_broken:
            raise RuntimeError("a bug")
        return State(n=self.looks, same="x")


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


@pytest.fixture
async def broadcast(source: Source, instruments: Instruments) -> AsyncIterator[Broadcast]:
    broadcast = Broadcast(source.overview, instruments, 0.005, 30)
    yield broadcast
    broadcast.close()


def parsed(data: bytes) -> list[tuple[str, str, Any]]:
    """The events in what was sent: id, name, data."""
    found = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["id"], fields["event"], json.loads(fields["data"])))
    return found


async def read(events: AsyncIterator[bytes], count: int) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += parsed(await anext(events))
    return found


async def test_a_snapshot_first_then_what_changed(broadcast: Broadcast) -> None:
    events = broadcast.events(None)
    (_, name, state), *changes = await read(events, 4)
    assert name == "snapshot"
    for _, name, change in not_empty(changes):
        assert name == "change"
        assert set(change) == {"n"}
        assert change["n"] == state["n"] + 1
        state |= change
    assert state["same"] == "x"


async def test_a_reader_goes_on_where_it_was(broadcast: Broadcast) -> None:
    staying, leaving = broadcast.events(None), broadcast.events(None)
    await read(staying, 1)
    *_, (last_id, _, last) = await read(leaving, 2)
    await leaving.aclose()
    await read(staying, 3)
    (_, name, change), *_ = await read(broadcast.events(last_id), 1)
    assert (name, change) == ("change", {"n": last["n"] + 1})


@pytest.mark.parametrize("stale", ["another-5", "nonsense", "", "-", "x-99999999999999999999"])
async def test_a_place_that_is_not_there_gets_a_snapshot(broadcast: Broadcast, stale: str) -> None:
    (_, name, _), *_ = await read(broadcast.events(stale), 1)
    assert name == "snapshot"


async def test_a_slow_reader_holds_nobody_up_and_nothing_grows(
    broadcast: Broadcast, source: Source
) -> None:
    slow, fast = broadcast.events(None), broadcast.events(None)
    await read(slow, 1)
    await read(fast, KEPT_CHANGES * 2)
    assert len(broadcast._changes) == KEPT_CHANGES
    (_, name, state), *_ = await read(slow, 1)
    assert (name, state["n"]) == ("snapshot", source.looks)


async def test_nothing_is_computed_when_nobody_reads(
    broadcast: Broadcast, source: Source, instruments: Instruments
) -> None:
    def readers() -> float | None:
        instruments.sample()
        return instruments.registry.get_sample_value(catalogue.METRICS_STREAM_READERS.name)

    assert source.looks == 0
    events = broadcast.events(None)
    await read(events, 2)
    assert readers() == 1
    await events.aclose()
    assert readers() == 0
    assert broadcast._computing is not None
    await until(broadcast._computing.done)
    looks = source.looks
    # Somebody comes back.
    (_, name, state), *_ = await read(broadcast.events(None), 1)
    assert name == "snapshot"
    assert state["n"] > looks


async def test_a_state_that_can_t_be_had_for_a_moment_ends_no_stream(
    broadcast: Broadcast, source: Source
) -> None:
    events = broadcast.events(None)
    await read(events, 2)
    source.is_broken = True
    looks = source.looks
    await until(lambda: source.looks > looks + 2)
    source.is_broken = False
    assert (await read(events, 1))[0][1] == "change"


async def test_silence_is_broken_by_heartbeats(instruments: Instruments) -> None:
    async def same() -> State:
        return State(n=1)

    broadcast = Broadcast(same, instruments, 0.005, 0.02)
    events = broadcast.events(None)
    async with asyncio.timeout(20):
        while not (await anext(events)).startswith(b": "):
            pass
    broadcast.close()


async def test_closing_ends_every_stream(broadcast: Broadcast) -> None:
    streams = [broadcast.events(None) for _ in range(3)]
    for events in streams:
        await read(events, 1)
    broadcast.close()
    async with asyncio.timeout(20):
        for events in streams:
            async for _ in events:
                pass
