"""The correlation ID: made, taken over when well formed, and carried wherever the work goes."""

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from uuid import UUID

import pytest

from app.core.catalogue import BackgroundTask
from app.core.instrumentation import orchestrator_instruments
from asgi_observability import correlation
from asgi_observability.background import Background
from tests.not_empty import not_empty

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_an_id_of_version_7_holds_its_time_and_sorts_by_it() -> None:
    before = int(time.time() * 1000)
    ids = []
    for _ in range(20):
        ids.append(correlation.new_id())
        time.sleep(0.002)  # the next millisecond is the condition
    after = int(time.time() * 1000)
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    for each in ids:
        parsed = UUID(each)
        assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")
        assert before <= parsed.int >> 80 <= after
        assert correlation.is_well_formed(each)


def test_the_strategy_is_a_choice() -> None:
    assert UUID(correlation.new_id("uuid4")).version == 4


@pytest.mark.parametrize(
    "offered",
    ["correlation-1", "a1b2c3d4", "0123456789abcdef0123456789abcdef", "import.7.part-12"],
)
def test_what_may_be_taken_over(offered: str) -> None:
    assert correlation.is_well_formed(offered)


@pytest.mark.parametrize(
    "offered",
    [
        *("short-1", "1" + "a" * 64, "has space 1", "new\nline-1", "tab\t-12345", "nul\0-123456"),
        *("emoji-\xe9\xe9\xe9-1", "a1;b=c;d=e", "-leading-dash-1", ""),
        # Personal: they would be in every line.
        *("15550100001", "1-555-010-0001", "555.010.0001", "maria-lopez", "sk-abcdef1234567890"),
    ],
)
def test_what_may_not(offered: str) -> None:
    assert not correlation.is_well_formed(offered)


@pytest.mark.parametrize(
    ("offered", "is_one"),
    [
        (TRACEPARENT, True),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", True),
        ('01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-la"ter', False),
        ("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-la\\ter", False),
        (f"{TRACEPARENT}-more", False),  # version 00 ends after the flags
        (TRACEPARENT.upper(), False),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
        (f"{TRACEPARENT}\n", False),
        ("", False),
    ],
)
def test_a_traceparent_is_as_the_w3c_has_it(offered: str, is_one: bool) -> None:
    assert correlation.is_traceparent(offered) is is_one


def test_an_id_alone_is_a_context_for_whoever_asks() -> None:
    def asked() -> None:
        correlation.use(b"correlation-1")
        assert correlation.current() == "correlation-1"
        assert correlation.context().fields == b',"correlation_id":"correlation-1"'
        assert correlation.context() is correlation.context(), "made once"
        with correlation.continuing("correlation-2"):
            assert correlation.context().request_id == "correlation-1"
        correlation.use(b"correlation-3")
        correlation.identify(tenant_id="tenant-1")
        assert correlation.context().as_dict() == {
            "correlation_id": "correlation-3",
            "tenant_id": "tenant-1",
        }

    copy_context().run(asked)


async def test_tasks_threads_and_pools_carry_it() -> None:
    correlation.bind("correlation-1", TRACEPARENT)
    correlation.identify(tenant_id="tenant-1")

    async def task() -> correlation.Context:
        return correlation.context()

    in_task = await asyncio.create_task(task())
    in_thread = await asyncio.to_thread(correlation.context)
    with ThreadPoolExecutor(1) as pool:
        bare = pool.submit(correlation.current).result()
        in_pool = pool.submit(correlation.carried(correlation.context)).result()
    assert bare == ""
    for context in (in_task, in_thread, in_pool):
        assert context.correlation_id == "correlation-1"
        assert context.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert context.identifiers == {"tenant_id": "tenant-1"}


async def test_requests_at_once_do_not_mix() -> None:
    async def request(number: int) -> None:
        correlation.bind(f"correlation-{number}")
        for _ in range(5):
            await asyncio.sleep(0)
            correlation.identify(workflow_id=f"w{number}")
            assert correlation.context().as_dict() == {
                "correlation_id": f"correlation-{number}",
                "workflow_id": f"w{number}",
            }

    await asyncio.gather(*(asyncio.create_task(request(number)) for number in range(100)))


async def test_each_round_of_background_work_has_its_own() -> None:
    seen: list[str] = []
    done = asyncio.Event()

    async def work() -> None:
        seen.append(correlation.current())
        if len(seen) == 3:
            done.set()

    task = asyncio.create_task(
        Background(orchestrator_instruments()).every(BackgroundTask.SWEEP, 0.001, work)
    )
    await done.wait()
    task.cancel()
    await asyncio.wait([task])
    assert len(set(seen[:3])) == 3
    assert all(UUID(each) for each in not_empty(seen))


def test_work_on_behalf_of_an_earlier_request_carries_its_id() -> None:
    correlation.bind("manager-1", TRACEPARENT)
    with correlation.continuing("message-1"):
        assert correlation.current() == "message-1"
        assert correlation.context().as_dict()["request_id"] == "manager-1"
        assert correlation.context().headers == {
            "X-Correlation-ID": "message-1",
            "traceparent": TRACEPARENT,
        }
    assert correlation.current() == "manager-1"
    with correlation.continuing(""):
        assert correlation.current() == "manager-1"


def test_an_exemplars_labels_fit() -> None:
    correlation.bind("c1" * 32, TRACEPARENT)
    labels = correlation.context().exemplar
    assert sum(len(name) + len(value) for name, value in labels.items()) <= 128


def test_positions_are_spread_evenly_and_belong_to_the_id() -> None:
    positions = [correlation.context_of(f"request-{n:06}").position for n in range(10_000)]
    assert positions[7] == correlation.context_of("request-000007").position
    for tenth in range(10):
        share = sum(tenth / 10 <= p < (tenth + 1) / 10 for p in positions) / len(positions)
        assert share == pytest.approx(0.1, abs=0.02)
    assert correlation.NO_CONTEXT.position == 0


def test_a_thread_of_its_own_has_none() -> None:
    correlation.bind("correlation-1")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(correlation.current()))
    thread.start()
    thread.join()
    assert seen == [""]
    assert re.fullmatch(r"[0-9a-f-]{36}", correlation.new_id())
