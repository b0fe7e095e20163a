"""A tenant's texts and number are erased when the retention is over; what was counted stays."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Enum, String, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from app.assembly import Orchestrator
from app.core.catalogue import ApprovalAction, Detection, EscalationType, Severity
from app.core.config import Settings
from app.core.database import Database
from app.core.instrumentation import orchestrator_instruments
from app.main import create_app
from app.migrations import BUSINESS, upgrade
from app.models import (
    ApprovalAudit,
    Base,
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services import erasure
from app.services.erasure import ERASED, Erasure
from app.services.personal_columns import COUNTED, KEPT, KEYS, TEXTS
from asgi_observability.background import Background
from tests.captured_logs import captured_logs
from tests.not_empty import not_empty
from tests.sms import SMS
from tests.test_migrations.databases import Content, content_of, database_at
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

YEAR = timedelta(days=365)
PERSONAL = {"number": "+15550100001", "text": "My son is in hospital", "note": "His son is ill"}


async def age(database: Database, by: timedelta) -> None:
    """Let everything have happened ``by`` earlier."""
    async with database.writing() as session:
        for table in Base.metadata.sorted_tables:
            for row in (await session.execute(select(table))).mappings().all():
                moved = {
                    name: value - by for name, value in row.items() if isinstance(value, datetime)
                }
                if moved:
                    (key,) = table.primary_key
                    await session.execute(update(table).where(key == row[key.name]).values(moved))


def without(content: Content, *columns: str) -> Content:
    """Everything but these columns and what is counted, which goes on."""
    return {
        table: [{k: v for k, v in row.items() if k not in columns} for row in rows]
        for table, rows in content.items()
        if not table.startswith(("rollup", "fact"))
    }


def bytes_of(address: str) -> bytes:
    """A SQLite database with its write-ahead log."""
    file = make_url(address).database or ""
    return b"".join(Path(f"{file}{end}").read_bytes() for end in ("", "-wal"))


@pytest.fixture
async def ended(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> Orchestrator:
    """A tenant wrote, a manager escalated the answer and then closed the escalation."""
    upstreams.confidence = 0.7
    body = SMS | {"phone_number": PERSONAL["number"], "content": PERSONAL["text"]}
    assert (await client.post("/orchestrate/sms-received", json=body)).is_success
    status = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    decision = {
        "response_queue_id": status["response_queue_id"],
        "action": "escalate",
        "escalation_reason": PERSONAL["note"],
        "manager_id": "manager-1",
    }
    assert (await client.post("/orchestrate/approve-response", json=decision)).is_success
    async with orchestrator.database.reading() as session:
        escalation = await session.scalar(select(EscalationEvent.id))
    closing = {"manager_id": "manager-1", "note": PERSONAL["note"]}
    path = f"/orchestrate/escalations/{escalation}/resolve"
    assert (await client.post(path, json=closing)).is_success
    return orchestrator


async def test_a_tenant_whose_conversation_ended_a_year_ago_is_nowhere_in_the_database(
    ended: Orchestrator, database_url: str, upstreams: ScriptedUpstreams
) -> None:
    await age(ended.database, YEAR + timedelta(hours=1))
    before = await content_of(database_url)
    personal = [*PERSONAL.values(), upstreams.answer]
    assert all(text in str(before) for text in personal)
    (key,) = [row["message_key"] for row in before["workflow_instances"]]

    assert await ended.erasure.erase() == 2

    after = await content_of(database_url)
    assert [text for text in (*personal, key) if text in str(after)] == []
    names = [column.key for column in (*TEXTS, *KEYS)]
    assert without(after, "erased_at", *names) == without(before, "erased_at", *names)
    if database_url.startswith("sqlite"):
        # Nor in what is left of the file's pages, nor in its log.
        in_files = bytes_of(database_url)
        assert [text for text in (*personal, key) if text.encode() in in_files] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_of_many_long_texts_nothing_stays_in_the_file(
    tmp_path: Path, settings: Settings
) -> None:
    """SQLite marks the room of what is deleted as free, and by itself leaves it as it was."""
    address = f"sqlite:///{tmp_path}/tenants.db"
    database = database_at(address)
    await upgrade(database, BUSINESS)
    for number in range(40):
        old = Old(number)
        old.workflow.content = f"{PERSONAL['text']} " * (1 + number * 5)
        old.response.text = f"{PERSONAL['text']} " * (1 + number * 11)
        await old.store(database)
    assert PERSONAL["text"].encode() in bytes_of(address)
    assert await Erasure(settings, database, Background(orchestrator_instruments())).erase() == 80
    assert PERSONAL["text"].encode() not in bytes_of(address)
    await database.close()


async def test_readers_see_that_something_was_there_and_was_erased(
    ended: Orchestrator, client: httpx.AsyncClient
) -> None:
    await age(ended.database, YEAR + timedelta(hours=1))
    await ended.erasure.erase()

    status = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    assert (status["status"], status["response"]) == ("completed", ERASED)
    async with ended.database.reading() as session:
        workflow = (await session.scalars(select(WorkflowInstance))).one()
        escalation = (await session.scalars(select(EscalationEvent))).one()
        audit = (await session.scalars(select(ApprovalAudit))).one()
    assert workflow.erased_at
    assert escalation.erased_at
    assert (workflow.content, workflow.phone_number) == (ERASED, ERASED)
    assert (escalation.reason, escalation.note) == (ERASED, ERASED)
    # The manager escalated: there never was a text.
    assert (audit.text, audit.reason) == (None, ERASED)


async def test_before_the_retention_is_over_nothing_is_erased(
    ended: Orchestrator, database_url: str
) -> None:
    await age(ended.database, YEAR - timedelta(hours=1))
    before = await content_of(database_url)
    assert await ended.erasure.erase() == 0
    assert without(await content_of(database_url)) == without(before)


@pytest.mark.parametrize("content", ["My son is in hospital", "Another text"])
async def test_a_tenant_who_writes_again_after_a_year_starts_anew(
    ended: Orchestrator, client: httpx.AsyncClient, content: str
) -> None:
    await age(ended.database, YEAR + timedelta(hours=1))
    await ended.erasure.erase()
    answer = await client.post("/orchestrate/sms-received", json=SMS | {"content": content})
    assert answer.json()["status"] == "awaiting_approval"
    again = await client.post("/orchestrate/sms-received", json=SMS | {"content": content})
    assert again.json()["workflow_id"] == answer.json()["workflow_id"]
    assert await ended.erasure.erase() == 0


async def test_a_failed_text_that_was_erased_is_not_answered(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.fail("monitor", 500, 500, 500, 500)
    failed = (await client.post("/orchestrate/sms-received", json=SMS)).json()
    assert failed["status"] == "failed"
    await age(orchestrator.database, YEAR + timedelta(hours=1))
    assert await orchestrator.erasure.erase() == 1

    refused = await client.post(f"/orchestrate/retry/{failed['workflow_id']}", json={})

    assert refused.status_code == 409
    assert "erased" in refused.text
    assert upstreams.sent == []
    assert (await client.get("/orchestrate/workflows/failed")).json()["total"] == 0


Change = Callable[["Old"], None]


class Old:
    """A conversation of which everything is long over, until a test changes one thing."""

    def __init__(self, number: int = 0) -> None:
        then = now() - YEAR - timedelta(days=1)
        self.workflow = WorkflowInstance(
            id=f"workflow-{number}",
            message_key=f"key-{number}",
            conversation_id=f"conversation-{number}",
            tenant_id="tenant-1",
            phone_number=PERSONAL["number"],
            content=PERSONAL["text"],
            correlation_id="c",
            status=WorkflowStatus.COMPLETED,
            created_at=then,
            updated_at=then,
        )
        self.response = QueuedResponse(
            id=f"response-{number}",
            workflow_id=self.workflow.id,
            text=PERSONAL["text"],
            confidence=0.7,
            status=QueueStatus.MODIFIED,
            created_at=then,
            updated_at=then,
        )
        self.audit = ApprovalAudit(
            response_queue_id=self.response.id,
            action=ApprovalAction.MODIFY,
            manager_id="manager-1",
            text=PERSONAL["text"],
            created_at=then,
        )
        self.escalation = EscalationEvent(
            conversation_id=self.workflow.conversation_id,
            type=EscalationType.HOSTILE_LANGUAGE,
            severity=Severity.LOW,
            detection=Detection.MANUAL,
            reason=PERSONAL["text"],
            created_at=then,
            resolved_at=then,
        )

    async def store(self, database: Database) -> None:
        """Write it down."""
        async with database.writing() as session:
            session.add(self.workflow)
            await session.flush()
            session.add_all((self.response, self.escalation))
            await session.flush()
            session.add(self.audit)


STILL_OPEN: dict[str, Change] = {
    "a manager has not decided": lambda old: setattr(old.response, "status", QueueStatus.PENDING),
    "an escalation is open": lambda old: setattr(old.escalation, "resolved_at", None),
    "it was closed recently": lambda old: setattr(old.escalation, "resolved_at", now()),
    "it was changed recently": lambda old: setattr(old.workflow, "updated_at", now()),
} | {
    f"its text is {status}": lambda old, status=status: setattr(old.workflow, "status", status)  # type: ignore[misc]
    for status in WorkflowStatus
    if status not in (WorkflowStatus.COMPLETED, WorkflowStatus.FAILED)
}


async def test_a_conversation_that_is_not_over_keeps_everything(
    orchestrator: Orchestrator, database_url: str
) -> None:
    for number, change in enumerate(not_empty(STILL_OPEN.values())):
        change(old := Old(number))
        await old.store(orchestrator.database)
    before = await content_of(database_url)
    assert await orchestrator.erasure.erase() == 0
    assert without(await content_of(database_url)) == without(before)


async def test_an_earlier_text_is_kept_while_a_later_one_of_the_conversation_is_open(
    orchestrator: Orchestrator,
) -> None:
    earlier, later = Old(1), Old(2)
    later.workflow.conversation_id = earlier.workflow.conversation_id
    later.workflow.status = WorkflowStatus.AWAITING_APPROVAL
    await earlier.store(orchestrator.database)
    await later.store(orchestrator.database)
    # The escalation of the later one has a conversation of its own.
    assert await orchestrator.erasure.erase() == 1
    async with orchestrator.database.reading() as session:
        contents = (await session.scalars(select(WorkflowInstance.content))).all()
    assert contents == [PERSONAL["text"]] * 2


async def test_many_are_erased_in_batches_and_by_several_workers_each_once(
    orchestrator: Orchestrator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "BATCH", 3)
    for number in range(20):
        await Old(number).store(orchestrator.database)
    databases = [Database(settings.database, pool_size=1) for _ in range(3)]
    workers = [
        Erasure(settings, database, Background(orchestrator_instruments()))
        for database in databases
    ]
    with captured_logs() as logged:
        erased = await asyncio.gather(*(worker.erase() for worker in workers))
        # A worker that found another one erasing left it to that one.
        erased.append(await workers[0].erase())
    for database in databases:
        await database.close()
    assert sum(erased) == 40
    counts = [line for line in logged if line["event"] == "personal_data_erased"]
    assert sum(line["workflows"] for line in counts) == 20
    assert sum(line["escalations"] for line in counts) == 20
    async with orchestrator.database.reading() as session:
        for column in not_empty(TEXTS):
            values = set((await session.scalars(select(column))).all())
            assert values <= {ERASED, None}, column
        keys = (await session.scalars(select(WorkflowInstance.message_key))).all()
        assert len(set(keys)) == 20


@pytest.fixture
async def erasing_all_the_time(
    settings: Settings,
) -> AsyncIterator[FastAPI]:
    often = settings.model_copy(update={"erasure_interval_seconds": 0.05})
    app = create_app(often)
    async with app.router.lifespan_context(app):
        yield app


async def test_the_service_erases_by_itself_and_goes_on_after_a_failure(
    erasing_all_the_time: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: Orchestrator = erasing_all_the_time.state.orchestrator
    failures = [OperationalError("", {}, Exception()), LookupError("a defect")]
    real = Erasure._erase_batch

    async def failing(self: Erasure, *rows: Any) -> int:
        if failures:
            raise failures.pop()
        return await real(self, *rows)

    monkeypatch.setattr(Erasure, "_erase_batch", failing)
    await Old().store(parts.database)

    async def erased() -> bool:
        async with parts.database.reading() as session:
            return await session.scalar(select(WorkflowInstance.content)) == ERASED

    await eventually(erased)
    assert failures == []


async def test_without_a_retention_everything_is_kept(
    orchestrator: Orchestrator, settings: Settings, database_url: str
) -> None:
    await Old().store(orchestrator.database)
    before = await content_of(database_url)
    kept = settings.model_copy(update={"personal_data_retention_days": None})
    assert (
        await Erasure(kept, orchestrator.database, Background(orchestrator_instruments())).erase()
        == 0
    )
    assert without(await content_of(database_url)) == without(before)


def test_every_column_with_text_is_erased_or_kept_for_a_reason() -> None:
    def named(columns: Any) -> list[str]:
        return [f"{column.class_.__tablename__}.{column.key}" for column in columns]

    with_text = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        if table not in COUNTED
        for column in table.columns
        # A column of any other kind than these holds no text. JSON and binary ones may.
        if not isinstance(column.type, Enum)
        and (isinstance(column.type, String) or column.type.python_type in (dict, bytes, list))
    }
    listed = named((*TEXTS, *KEYS, *KEPT))
    assert len(listed) == len(set(listed)), (
        "a column stands twice in app/services/personal_columns.py"
    )
    assert with_text == set(listed), (
        "list new columns in app/services/personal_columns.py, and take out what is gone"
    )


def test_every_table_with_personal_data_is_led_to() -> None:
    roots: dict[Any, list[str]] = {
        WorkflowInstance.__table__: [],
        EscalationEvent.__table__: [],
    }
    for column in (*TEXTS, *KEYS):
        erasure.belongs_to(column.class_.__table__, roots)
