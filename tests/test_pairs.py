"""Pairs tell each incident once, whatever is lost; what the page says of it was seen."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.length import only_long
from tests.not_empty import not_empty
from tests.pairs import document
from tests.pairs.__main__ import run
from tests.pairs.faults import FAULTS, TWICE
from tests.pairs.outcome import Outcome, problems
from tests.pairs.relay import both_free, relaying
from tests.waiting import until

SIDE_BY_SIDE = 8
"""They wait most of the time."""

TOLD_ONCE = Outcome(
    fault="none",
    begins=[16.2],
    ends=[20.0],
    tellers=[1, 1],
    held_back=[],
    repeated=[],
    others=[],
)


@only_long
async def test_each_incident_is_told_as_often_as_promised(tmp_path: Path) -> None:
    await run(FAULTS, tmp_path, SIDE_BY_SIDE)
    for fault in not_empty(FAULTS):
        kept = json.loads((tmp_path / f"{fault.name}.json").read_text())
        assert not problems(fault, Outcome(**kept["outcome"])), fault.name


def test_each_fault_was_seen() -> None:
    text = document.PAGE.read_text()
    for fault in not_empty(FAULTS):
        (row,) = (line for line in text.splitlines() if line.startswith(f"| {fault.title} |"))
        assert not re.search(f"not seen|{document.NOT_PROMISED}", row), (
            f"python -m tests.pairs {fault.name}: {row}"
        )


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({}, []),
        ({"begins": []}, ["told 0 times that it began"]),
        ({"begins": [16.2, 31.2]}, ["told 2 times that it began"]),
        ({"ends": []}, ["told 0 times that it is over"]),
        ({"held_back": ["Symptom"]}, ["told although held back: Symptom"]),
        ({"repeated": ["TargetDown node"]}, ["told again: TargetDown node"]),
        ({"others": ["NotIngesting prometheus"]}, ["told of nothing: NotIngesting prometheus"]),
    ],
)
def test_what_is_not_as_promised_is_said(seen: dict[str, Any], said: list[str]) -> None:
    (nothing,) = (fault for fault in FAULTS if fault.name == "none")
    assert problems(nothing, replace(TOLD_ONCE, **seen)) == said


def test_once_is_not_what_a_partition_is_expected_to_do() -> None:
    (fault,) = (each for each in FAULTS if each.name == "in_partition")
    assert fault.begins == TWICE
    assert problems(fault, TOLD_ONCE) == ["told 1 times that it began"]


async def test_a_relay_lets_nothing_through_while_it_is_cut() -> None:
    came: list[bytes] = []

    class Taking(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            came.append(data)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    async def said(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"state")
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    loop = asyncio.get_running_loop()
    target = both_free()
    taking, _ = await loop.create_datagram_endpoint(Taking, local_addr=("127.0.0.1", target))
    async with await asyncio.start_server(echo, "127.0.0.1", target), relaying(target) as relay:
        sending, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", relay.port)
        )
        sending.sendto(b"before")
        await until(lambda: came == [b"before"])
        assert await said(relay.port) == b"state"
        relay.cut(lambda sender: True)
        sending.sendto(b"meanwhile")
        assert await said(relay.port) == b""
        relay.mend()
        sending.sendto(b"after")
        await until(lambda: came == [b"before", b"after"])
        sending.close()
    taking.close()
