"""One SMS among many, followed; and nothing personal in anything that is written."""

import asyncio
import sqlite3
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgi_observability.log_query.filters import Filters
from asgi_observability.log_query.query import Line
from tests.free_port import free_port
from tests.length import LONG
from tests.not_empty import not_empty
from tests.sms import sms
from tests.test_logs.conftest import Observed, processes
from tests.waiting import until

AT_ONCE = 100 if LONG else 40
TEXTS = (
    "how much do I still have to pay?",
    "can I pay 200 a week for 8 weeks?",
    "the amount is wrong, I don't owe that.",
    "I could do $5 per week for 60 weeks.",
)
MESSAGES, PER_MINUTE, WORKERS = (3600, 6000, 2) if LONG else (30, 300, 1)
"""As in an hour at 60 a minute, or in a part of it, sent many times as fast."""

HEX = "0123456789abcdef"
pytestmark = pytest.mark.asyncio(loop_scope="module")


def traceparent(number: int) -> str:
    return f"00-{number + 1:032x}-00f067aa0ba902b7-01"


async def send(app: httpx.AsyncClient, number: int) -> dict[str, Any]:
    answer = await app.post(
        "/orchestrate/sms-received",
        json=sms(number, TEXTS[number % len(TEXTS)]),
        headers={"X-Correlation-ID": f"message-{number:03}", "traceparent": traceparent(number)},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Correlation-ID"] == f"message-{number:03}"
    return {"number": number, **answer.json()}


async def test_the_time_line_of_one_among_many_is_complete_and_its_own(
    observed: Observed,
) -> None:
    answers = await asyncio.gather(*(send(observed.app, number) for number in range(AT_ONCE)))
    waiting = sum(answer["status"] in ("awaiting_approval", "escalated") for answer in answers)
    assert 0 < waiting < AT_ONCE, "some are announced to a manager, some are not"
    # What is announced to managers is announced in the background.
    notified = Filters(events=("manager_notified",))
    ours = {f"message-{number:03}" for number in range(AT_ONCE)}

    def announced() -> list[Line]:
        return [line for line in observed.lines(notified) if line["correlation_id"] in ours]

    await until(lambda: len(announced()) == waiting, seconds=60)
    lines = observed.lines()
    by_id: dict[Any, list[Line]] = defaultdict(list)
    for line in lines:
        by_id[line.get("correlation_id")].append(line)
    for number in range(0, AT_ONCE, 1 if LONG else 10):
        asked = observed.lines(Filters(identity=f"message-{number:03}"))
        assert asked == by_id[f"message-{number:03}"]
    for answer in answers:
        number = answer["number"]
        own = by_id[f"message-{number:03}"]
        report = await observed.app.get(f"/orchestrate/workflow/conversation-{number}/status")
        check_time_line(number, own, report.json()["steps"])
    tenants = {f"tenant-{number}" for number in range(AT_ONCE)}
    ids = {line.get("correlation_id") for line in lines if line.get("tenant_id") in tenants}
    assert ids == ours


def check_time_line(number: int, lines: list[Line], steps: list[dict[str, Any]]) -> None:
    """Every step and call is there, on both sides, and nothing of anybody else."""
    for line in not_empty(lines):
        assert line["correlation_id"] == f"message-{number:03}"
        assert line["trace_id"] == traceparent(number)[3:35]
        assert line.get("tenant_id", f"tenant-{number}") == f"tenant-{number}"
        assert line.get("conversation_id", f"conversation-{number}") == f"conversation-{number}"
    counts = Counter(line["event"] for line in lines)
    for once in ("request", "sms_received", "ai_answered", "sms_routed"):
        assert counts[once] == 1, (once, counts)
    ended = {"step_completed": "completed", "step_skipped": "skipped", "step_failed": "failed"}
    logged = Counter(
        (line["step"], ended[line["event"]]) for line in lines if line["event"] in ended
    )
    assert logged == Counter((step["step"], step["status"]) for step in steps)
    calls = Counter(line["component"] for line in lines if line["event"].startswith("operation_c"))
    calls += Counter(line["component"] for line in lines if line["event"] == "operation_slow")
    received = Counter(line["upstream"] for line in lines if line["event"] == "upstream_called")
    # The database is no upstream; it is there where it was slow.
    calls.pop("database", None)
    # What the simulator calls its AI.
    calls["ai"] = calls.pop("ai_provider")
    assert calls == received
    assert received["ai"] == received["collections_monitor"] == 1


async def test_a_managers_decision_belongs_to_the_sms_and_to_the_managers_request(
    observed: Observed,
) -> None:
    number = 300
    while True:
        answer = await send(observed.app, number)
        if answer["status"] == "awaiting_approval":
            break
        number += 1
    report = (await observed.app.get(f"/orchestrate/workflow/conversation-{number}/status")).json()
    decided = await observed.app.post(
        "/orchestrate/approve-response",
        json={
            "response_queue_id": report["response_queue_id"],
            "action": "approve",
            "manager_id": "manager-1",
        },
        headers={"X-Request-ID": "decision-1"},
    )
    assert decided.status_code == 200, decided.text
    assert decided.headers["X-Correlation-ID"] == "decision-1"
    events = {"response_approved", "operation_completed", "upstream_called"}
    wanted = Filters(identity=f"message-{number:03}", events=tuple(events))

    def by_manager() -> list[Line]:
        return [line for line in observed.lines(wanted) if line.get("request_id") == "decision-1"]

    await until(lambda: len(by_manager()) >= 2)
    assert {line["event"] for line in by_manager()} == {"response_approved", "operation_completed"}
    # The SMS Agent was told the ID of the SMS, not the manager's.
    sent = [
        line
        for line in observed.lines(Filters(identity=f"message-{number:03}"))
        if line["event"] == "upstream_called" and line["route"] == "/sms/send"
    ]
    assert len(sent) == 1
    (access,) = [
        line
        for line in observed.lines(Filters(identity="decision-1"))
        if line["event"] == "request"
    ]
    assert access["correlation_id"] == "decision-1"


async def test_a_call_that_is_tried_again_says_so_under_the_same_id(observed: Observed) -> None:
    async with httpx.AsyncClient() as control:
        (await control.put(f"{observed.control}/faults/sms_agent_down")).raise_for_status()
        task = asyncio.create_task(
            observed.app.post(
                "/orchestrate/sms-received",
                json=sms(900),
                headers={"X-Correlation-ID": "message-again-1"},
            )
        )
        retried = Filters(identity="message-again-1", events=("operation_retried",))
        await until(lambda: len(observed.lines(retried)) >= 1)
        (await control.delete(f"{observed.control}/faults")).raise_for_status()
        assert (await task).status_code == 200
    lines = observed.lines(Filters(identity="message-again-1"))
    first = next(line for line in lines if line["event"] == "operation_retried")
    assert (first["component"], first["attempt"]) == ("sms_agent", 2)
    # A second, a quarter of it more or less, so that not all come back at once.
    assert 0.75 <= first["wait_seconds"] <= 1.25
    assert [line["event"] for line in lines if line.get("step") == "message_history"] == [
        "step_completed"
    ]


async def test_nothing_personal_is_in_anything_that_is_written(tmp_path: Path) -> None:
    port = free_port()
    async with (
        processes(tmp_path, traffic_per_minute=PER_MINUTE, workers=WORKERS, app_port=port) as both,
        httpx.AsyncClient() as control,
    ):

        def counted(where: str) -> int:
            with sqlite3.connect(f"file:{both.database}?mode=ro", uri=True) as database:
                ((count,),) = database.execute(f"SELECT count(*) FROM workflow_instances {where}")
            return int(count)

        def received() -> int:
            return counted("")

        def failed() -> int:
            return counted("WHERE error IS NOT NULL")

        faults = ("ai_errors", "sms_agent_errors", "collections_monitor_errors")
        for number, fault in enumerate(faults, start=1):
            await until(lambda part=number: received() >= MESSAGES * (0.5 + part / 10), seconds=600)
            (await control.put(f"{both.control}/faults/{fault}")).raise_for_status()
        # Of those that fail after their retries, the reason is told.
        await until(lambda: received() >= MESSAGES and failed(), seconds=600)
        exposed = await both.app.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        answered = await both.app.get("/orchestrate/metrics")
        assert exposed.is_success
        assert answered.is_success
    check_nothing_personal(tmp_path, both.database, exposed.content + answered.content)


def check_nothing_personal(folder: Path, database: Path, answers: bytes) -> None:
    """Look for every number and text of the database in logs, error texts, metrics, rollups."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT phone_number, content FROM workflow_instances").fetchall()
        texts = connection.execute("SELECT text FROM ai_response_queue").fetchall()
        errors = connection.execute(
            "SELECT DISTINCT error FROM workflow_instances WHERE error IS NOT NULL"
        ).fetchall()
    assert errors, "faults have left error texts"
    personal = {value for row in [*rows, *texts] for value in row}
    personal |= {number.lstrip("+") for number, _ in rows}
    places = {"metrics": answers, "error texts": repr(errors).encode()}
    files = [*(folder / "logs").glob("*.jsonl"), *folder.glob("*.out"), *folder.glob("*.rollups*")]
    places |= {file.name: file.read_bytes() for file in files}
    assert sum(len(place) for place in places.values()) > 1_000 * MESSAGES
    lines = sum(data.count(b"\n") for name, data in places.items() if name.endswith(".jsonl"))
    print(f"\n{len(rows)} SMS, {len(personal)} numbers and texts, {lines} lines of log")
    for name, data in places.items():
        for value in not_empty(personal):
            found = data.find(value.encode())
            while found >= 0 and is_inside_hex(data, found, len(value)):
                found = data.find(value.encode(), found + 1)
            assert found < 0, f"{name}: {data[max(0, found - 300) : found + 100]!r}"


def is_inside_hex(data: bytes, at: int, length: int) -> bool:
    """Whether the digits found are part of a longer hexadecimal number, a random ID's."""
    around = data[at - 1 : at] + data[at + length : at + length + 1]
    return data[at : at + length].isdigit() and any(chr(each) in HEX for each in around)
