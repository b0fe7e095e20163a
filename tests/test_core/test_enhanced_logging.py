"""Logs: one JSON object a line, correlated, whoever logs, however it is called.

With levels that change at run time, exceptions without anybody's data, and sampling. More of the
same: test_correlation.py, test_personal_data.py, and the API's side in test_api/test_log_levels.py.
"""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from asgi_observability import correlation, log_exceptions
from asgi_observability import logging as logs
from asgi_observability.event import Event, FromCode, Identifier
from asgi_observability.events import OperationCompleted, Request, UnhandledError
from asgi_observability.log_sampling import Sampling, weight
from asgi_observability.logging import (
    LogOptions,
    configure_logging,
    get_logger,
    level_of,
    set_levels,
)
from asgi_observability.resource import Resource
from tests.captured_logs import captured_logs
from tests.conftest import configure_test_logs
from tests.not_empty import not_empty

log = get_logger("tests.logging")


@pytest.fixture
def _configured_again() -> Iterator[None]:
    """Logging as it was, after a test that configured it otherwise."""
    yield
    configure_test_logs()


def printed(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a process of its own prints that has configured logging."""
    before = """
import asyncio, logging, sys, threading, warnings
from pathlib import Path
from asgi_observability import logging as logs
from asgi_observability.events import *
from asgi_observability.log_sampling import Sampling
from asgi_observability.logging import LogOptions, configure_logging, get_logger
from asgi_observability.resource import Resource
"""
    return subprocess.run(
        [sys.executable, "-c", before + script, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def lines_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_line_has_the_same_first_fields() -> None:
    correlation.bind("correlation-1", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    correlation.identify(tenant_id="tenant-1", conversation_id="c1", workflow_id="w1")
    with captured_logs() as lines:
        log.event(Request(method=FromCode("GET"), route=FromCode("/x"), status=200, duration_ms=1))
        structlog.get_logger("theirs").info("said", count=1)
        logging.getLogger("library").warning("plain words")
    for line in not_empty(lines):
        assert line["correlation_id"] == "correlation-1"
        assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert (line["tenant_id"], line["conversation_id"], line["workflow_id"]) == (
            *("tenant-1", "c1", "w1"),
        )
        assert line["service"] == "tests"
        moment = datetime.fromisoformat(line["timestamp"])
        assert moment.utcoffset() is not None
        assert len(line["timestamp"]) == len("2026-11-23T18:38:38.727932Z")
    names = [(line["event"], line["logger"], line["level"]) for line in lines]
    assert names == [
        ("request", "tests.logging", "info"),
        ("said", "theirs", "info"),
        ("plain words", "library", "warning"),
    ]


def test_fields_can_not_pose_as_the_lines_own() -> None:
    with captured_logs() as lines:
        log.info("said", timestamp="1", level="x1", service="y1", logger="z1")
    (line,) = lines
    assert (line["level"], line["service"], line["logger"]) == ("info", "tests", "tests.logging")


def test_nothing_bypasses_the_pipe() -> None:
    """Libraries, their own handlers, warnings, threads, tasks and the end of the process."""
    done = printed("""
logging.getLogger("greedy").addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("greedy").propagate = False
configure_logging(Resource("billing", environment="test"), LogOptions(replace_handlers=True))
logging.getLogger("greedy").warning("a library with a handler of its own")
warnings.warn("deprecated", DeprecationWarning, stacklevel=1)
warnings.simplefilter("always")
warnings.warn("odd", stacklevel=1)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
async def forgotten():
    asyncio.create_task(fails())
    await asyncio.sleep(0)
async def fails():
    raise KeyError("a task")
asyncio.run(forgotten())
print("text of a tenant" if False else "", end="")
raise RuntimeError(f"the end of {__name__}")
""")
    assert done.stderr == ""
    assert done.returncode == 1
    found = [(line["event"], line["logger"]) for line in lines_of(done)]
    assert found[0] == ("a library with a handler of its own", "greedy")
    assert ("message_withheld", "asyncio") in found or ("%s", "asyncio") in found
    assert any(logger == "py.warnings" for _, logger in found)
    assert [event for event, _ in found].count("uncaught_exception") == 2
    last = lines_of(done)[-1]["exception"][0]
    assert last["type"] == "RuntimeError"
    assert last["message"].startswith("hmac:")


def test_uvicorn_logs_through_it_and_not_its_access_lines() -> None:
    done = printed("""
import uvicorn
async def app(scope, receive, send):
    pass
configure_logging(Resource("billing", environment="test"), LogOptions(replace_handlers=True))
server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
async def serve():
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    server.should_exit = True
    await task
asyncio.run(serve())
""")
    lines = lines_of(done)
    assert {line["logger"] for line in lines} == {"uvicorn.error"}
    assert any(line["event"].startswith("Started server process [") for line in lines)
    assert any(line["event"].startswith("Uvicorn running on http://127.0.0.1:") for line in lines)
    assert "message_withheld" not in {line["event"] for line in lines}
    assert done.stderr == ""


def test_an_exception_is_structured_frames_without_values() -> None:
    secret = "a value that only the frame knows"

    def fails(argument: str) -> None:
        raise LookupError("not there") from ValueError(argument)

    with captured_logs() as lines:
        try:
            fails(secret)
        except LookupError as error:
            log.event(UnhandledError(), error)
    (line,) = lines
    raised, cause = line["exception"]
    assert (raised["type"], raised["message"]) == ("LookupError", "not there")
    assert cause["type"] == "ValueError"
    assert cause["message"].startswith("hmac:")
    innermost = raised["frames"][-1]
    assert innermost["file"].endswith("tests/test_core/test_enhanced_logging.py")
    assert innermost["function"].endswith("fails")
    assert secret not in json.dumps(line)


def test_messages_of_exceptions_are_a_setting_for_development() -> None:
    script = """
configure_logging(Resource("billing", environment="test"), LogOptions(exception_messages={}))
try:
    raise ValueError(f"bad {{sys.argv[0]}}")
except ValueError as error:
    get_logger("x").event(UnhandledError(), error)
"""
    (hidden,) = lines_of(printed(script.format(False)))
    (shown,) = lines_of(printed(script.format(True)))
    assert hidden["exception"][0]["message"].startswith("hmac:")
    assert shown["exception"][0]["message"] == "bad -c"


def test_a_long_chain_of_deep_exceptions_fits_into_one_line() -> None:
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise RuntimeError("the bottom")

    with captured_logs() as lines:
        try:
            caught: list[Exception] = []
            for _ in range(4):
                try:
                    deep(60)
                except RuntimeError as error:
                    caught.append(error)
            raise ExceptionGroup("several", caught) from caught[0]
        except ExceptionGroup as error:
            log.event(UnhandledError(), error)
        log.info("large", numbers=list(range(5000)))
    for line in not_empty(lines):
        assert len(json.dumps(line, separators=(",", ":"))) < logs.MAX_LINE_BYTES
        assert line["shortened"] is True
    assert lines[0]["exception"][0]["type"] == "ExceptionGroup"
    assert len(log_exceptions.structured(RuntimeError("none raised"))) == 1


def test_people_get_plain_text() -> None:
    done = printed("""
configure_logging(Resource("billing", environment="development"), LogOptions(stdout="console"))
get_logger("x").event(Request(method="GET", route="/x", status=200, duration_ms=1.5))
get_logger("x").info("said", count=3)
""")
    first, second = done.stdout.splitlines()
    assert "request" in first
    assert "duration_ms=1.5" in first
    assert "count=3" in second
    assert not first.startswith("{")
    assert "billing" not in first, "what never changes is left out"


@pytest.mark.usefixtures("_configured_again")
def test_levels_of_single_loggers_and_of_libraries(tmp_path: Path) -> None:
    options = LogOptions(
        level="warning",
        levels={"app.clients": "debug"},
        stdout="off",
        replace_handlers=True,
    )
    configure_logging(Resource("billing", environment="test"), options)
    get_logger("app.clients.upstream")
    get_logger("app.services")
    assert level_of("app.clients.upstream") == "debug"
    assert level_of("app.services") == "warning"
    # A library that was told to be quiet by itself stays so.
    assert logging.getLogger("httpx").level == logging.WARNING
    set_levels({})
    assert level_of("app.clients.upstream") == "warning"
    with pytest.raises(ValueError, match="'loud' is not a level; use debug, info"):
        set_levels({"app": "loud"})


@pytest.mark.usefixtures("_configured_again")
def test_debug_of_the_service_is_not_debug_of_every_library() -> None:
    configure_logging(
        Resource("billing", environment="test"),
        LogOptions(level="debug", stdout="off", replace_handlers=True),
    )
    assert level_of("app.anything") == "debug"
    assert not logging.getLogger("aiosqlite").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("sqlalchemy.engine.Engine").isEnabledFor(logging.INFO)


def kept_ids(lines: list[dict[str, Any]], event: str) -> set[str]:
    return {line["correlation_id"] for line in lines if line["event"] == event}


def test_sampling_keeps_requests_whole_and_says_what_a_line_stands_for() -> None:
    sampling = Sampling(
        info=0.5, events={"request": 0.2, "operation_completed.database": 0.1, "unhandled_error": 0}
    )
    operation = FromCode("select")
    with captured_logs(sampling) as lines:
        pipeline = logs.pipeline()
        for number in range(2000):
            correlation.bind(f"request-{number:05}")
            for component in ("database", "bank"):
                completed = OperationCompleted(
                    component=FromCode(component), operation=operation, duration_ms=1
                )
                log.event(completed)
            log.info("said")
            log.event(
                Request(method=FromCode("GET"), route=FromCode("/"), status=200, duration_ms=1)
            )
            log.event(UnhandledError())
            logging.getLogger("library").warning("odd")
        sampled = pipeline.counts.sampled
    for event, rate in (("request", 0.2), ("said", 0.5)):
        share = len(kept_ids(lines, event)) / 2000
        assert share == pytest.approx(rate, abs=0.05)
        assert {line["weight"] for line in lines if line["event"] == event} == {weight(rate)}
    # Whoever is kept at a lower rate is kept at every higher one.
    statements = {
        line["correlation_id"]
        for line in lines
        if line["event"] == "operation_completed" and line["component"] == "database"
    }
    assert statements <= kept_ids(lines, "request") <= kept_ids(lines, "said")
    # Warnings and errors are all there, whatever rate they were given.
    assert len(kept_ids(lines, "unhandled_error")) == len(kept_ids(lines, "odd")) == 2000
    assert not {"weight"} & {name for line in lines if line["event"] == "odd" for name in line}
    assert len(lines) + sampled == 12_000


def test_the_same_requests_are_kept_everywhere() -> None:
    """Another process, with its own hash seed, decides alike."""
    script = """
from asgi_observability.correlation import context_of
print([n for n in range(300) if context_of(f"request-{n}").position < 0.1])
"""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    )
    assert first == second != "[]\n"


def test_background_lines_without_an_id_are_kept() -> None:
    correlation.bind("")
    with captured_logs(Sampling(info=0.001)) as lines:
        log.info("said")
    assert [line["weight"] for line in lines] == [1000]


def test_a_field_that_can_not_be_written_does_not_cost_the_line() -> None:
    class Unrenderable(Event):
        """Holds what JSON can't."""

        it: int

    with captured_logs() as lines:
        log.event(Unrenderable(it=2**70))
        log.info("said")
        broken = logs.pipeline().counts.broken
    assert [(line["event"], line.get("it")) for line in lines] == [
        *(("unrenderable", "a number of 71 bits"), ("said", None)),
    ]
    assert broken == 0


def test_an_identifier_of_an_event_is_hashed_when_it_is_none() -> None:
    class Taken(Event):
        """An order was taken."""

        order_id: Identifier

    with captured_logs() as lines:
        log.event(Taken(order_id=Identifier("order-42")))
        log.event(Taken(order_id=Identifier("Aroha Ngata")))
    assert lines[0]["order_id"] == "order-42"
    assert lines[1]["order_id"].startswith("hmac:")
