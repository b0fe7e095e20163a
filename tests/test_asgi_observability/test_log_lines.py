"""A line is a line: one JSON object of at most 4 KiB, whatever is logged."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_observability import correlation
from asgi_observability.event import Event, FromCode
from asgi_observability.events import Request
from asgi_observability.hashed_fields import explain
from asgi_observability.log_sampling import Sampling
from asgi_observability.log_writer import Writer
from asgi_observability.logger import Logger, NamedLogger, log_through, named, pipeline
from asgi_observability.pipeline import MAX_HEADS, MAX_LINE_BYTES, Pipeline
from asgi_observability.privacy import MODES, Mode, Privacy
from asgi_observability.request_line import RequestLine
from asgi_observability.stdlib_logs import StandardLibrary
from tests.captured_logs import Memory, captured_logs


class Raising:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Endless:
    def __str__(self) -> str:
        return f"{self}"

    __repr__ = __str__


class Odd(Enum):
    RAISING = Raising()
    LONG = "x" * 10_000


def nested(depth: int) -> list[Any]:
    return [nested(depth - 1)] if depth else []


def recursive() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["it"] = [found]
    return found


VALUES = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.text(),
    st.sampled_from(
        [
            *("\n", "\x00" * 5000, "\ud800", "\u2028", "x" * 100_000, "{", '"}\n{"'),
            *(10**5000, 2**64, -(2**63) - 1, float("nan"), float("-inf"), complex(1, 2)),
            *(
                b"\xff\n",
                bytearray(b"x"),
                memoryview(b"x"),
                datetime.now(UTC),
                Odd.RAISING,
                Odd.LONG,
            ),
            *(Raising(), Endless(), recursive(), nested(500), list(range(5000)), {1: 2, None: 3}),
            *({"\ud800": 1}, {Raising: 1}, object(), type, print, Ellipsis, RuntimeError("\n")),
        ]
    ),
)
NAMES = st.text(max_size=20) | st.sampled_from(["\ud800", "x" * 5000, "level", "\n", "exception"])
LEVELS = st.integers(-5, 60) | st.sampled_from([10**30, -(10**30)])


class Anything(Event):
    """Is given what its declaration doesn't allow."""

    it: int


@contextmanager
def written(mode: Mode = "strict") -> Iterator[list[bytes]]:
    memory, lines = Memory(), list[bytes]()
    writer = Writer(memory, 64 * 1024 * 1024)
    made = Pipeline({"service": "t" * 5000}, Sampling(), [writer], privacy=Privacy(mode))
    before = log_through(made)
    try:
        yield lines
        assert pipeline().counts.broken == 0
    finally:
        log_through(before)
        writer.close()
        lines += bytes(memory.written).split(b"\n")


def by_fields(level: int, name: str, value: Any) -> None:
    Logger(always(name), {name: value})._undeclared(level, "said", (), {"it": value, "said": 1})


def by_an_event(level: int, name: str, value: Any) -> None:
    Logger(always(name)).event(Anything(it=value), RuntimeError(value))


def by_the_standard_library(level: int, name: str, value: Any) -> None:
    logger = logging.Logger(name)
    logger.addHandler(StandardLibrary())
    record = logger.makeRecord(
        name, abs(level), "x", 1, value, (value, value), None, extra={"it": value}
    )
    record.__dict__[name] = value
    logger.handle(record)


def by_the_message(level: int, name: str, value: Any) -> None:
    Logger(always(name))._undeclared(level, value, (value,), {"exc_info": value})


def always(name: str) -> NamedLogger:
    logger = NamedLogger(name)
    logger.threshold = -(10**40)
    named("library")
    return logger


WAYS: list[Callable[[int, str, Any], None]] = [
    *(by_fields, by_an_event, by_the_standard_library, by_the_message),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@given(level=LEVELS, name=NAMES, value=VALUES, mode=st.sampled_from(MODES))
def test_whatever_is_logged_is_one_line_of_json(
    way: Callable[[int, str, Any], None], level: int, name: str, value: Any, mode: Mode
) -> None:
    with written(mode) as lines:
        way(level, name, value)
    assert lines.pop() == b"", "each line ends"
    assert len(lines) == 1
    for line in lines:
        assert len(line) < MAX_LINE_BYTES
        fields = json.loads(line.decode("utf-8"))
        assert {"timestamp", "level", "event", "logger", "service"} <= fields.keys()
        assert "unwritable" not in fields, "every line says what can be said"
        assert fields["level"] in ("debug", "info", "warning", "error", "critical")


def test_a_long_context_leaves_the_line_its_size() -> None:
    def logged() -> None:
        correlation.bind("correlation-1")
        correlation.identify(**{f"id_{n}": f"value-{n}-{'x' * 100}" for n in range(60)})
        Logger(always("x")).info("said")
        Logger(always("x")).event(Anything(it=1))
        for route in ("/short", "/long" * 2000):
            fields = {"method": FromCode("GET"), "route": FromCode(route), "status": 200}
            RequestLine(always("access"), Request, logging.INFO, **fields).write(0.001)

    with captured_logs() as lines:
        copy_context().run(logged)
    assert [line["event"] for line in lines] == ["said", "anything", "request", "request"]
    assert [line["shortened"] for line in lines] == [True] * 4
    assert [line.get("route") for line in lines] == [None, None, "/short", None]
    assert max(len(json.dumps(line)) for line in lines) < MAX_LINE_BYTES
    assert {line["correlation_id"] for line in lines} == {"correlation-1"}


def test_invented_events_loggers_and_values_take_no_memory_for_ever() -> None:
    class Sampled(Event, sampled_by="component"):
        """Sampled by what a host may invent."""

        component: FromCode

    with captured_logs():
        used = pipeline()
        for number in range(MAX_HEADS + 50):
            Logger(always("x")).event(Sampled(component=FromCode(f"invented-{number}")))
            Logger(always(f"invented.{number}")).info("said")
    assert len(used._heads) <= MAX_HEADS
    assert len(used._undeclared_heads) <= MAX_HEADS


def test_nothing_of_a_warning_or_worse_is_sampled_away() -> None:
    nothing = Sampling(info=0, debug=0, events={"said": 0, "anything": 0, "request": 0})
    with captured_logs(nothing) as lines:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, 35, logging.ERROR, 50):
            Logger(always("x"))._undeclared(level, "said", (), {})
            pipeline().write(b'{"event":"ready"}\n', level)
    assert [line["level"] for line in lines if line["event"] != "ready"] == [
        *("warning", "warning", "error", "critical"),
    ]
    # What is handed over ready-made has been sampled by whoever made it.
    assert [line["event"] for line in lines].count("ready") == 6


def test_what_is_hashed_is_said_once_for_each_field_with_the_reason() -> None:
    memory = Memory()
    writer = Writer(memory, 1024 * 1024)
    before = log_through(Pipeline({}, Sampling(), [writer], explain=explain))
    named("asgi_observability.hashed_fields").threshold = logging.DEBUG
    try:
        for number in range(3):
            log = Logger(always("shop.explained"))
            log.info("paid", customer=f"Aroha Ngata {number}", amount=5_000_000, order=number)
            log.info(f"paid {number}")
    finally:
        log_through(before)
        writer.close()
    said = [line for line in memory.lines if line["event"] == "field_hashed"]
    assert {line["hashed_logger"] for line in said} == {"shop.explained"}
    reasons = {line["hashed_field"]: line["reason"] for line in said}
    assert {*reasons} == {"customer", "amount", "message"}
    assert "telephone number" in reasons["amount"]
    assert "safe_fields" in reasons["customer"]
    assert len(said) == 3
