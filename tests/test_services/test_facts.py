"""A fact, its count and its log line are one thing: none is lost, none counts twice."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from inspect import isfunction

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue, events, facts
from app.core.catalogue import PlanResult, Route
from app.core.config import RollupSettings
from app.core.database import Database
from app.core.events import Fact, PaymentPlanValidated, SMSReceived, SMSRouted, WorkflowInterrupted
from app.core.facts import FactCounters
from app.core.instrumentation import orchestrator_instruments
from app.migrations import BUSINESS, upgrade
from app.services.rollups import FactStore, Rollups, Store, tables
from app.services.rollups import facts as folding
from app.services.rollups.buckets import unpacked
from app.services.rollups.tables import ARRAYS, RESOLUTIONS
from asgi_observability import recorder
from asgi_observability.event import Event, all_events
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger
from asgi_observability.metric import Metric
from tests.captured_logs import captured_logs
from tests.clock import Clock
from tests.test_services.test_rollups.conftest import NOON, database_at

log = get_logger(__name__)
DAY, HOUR = 86400, 3600


@dataclass
class Worker:
    """What one worker counts facts with."""

    database: Database
    instruments: Instruments
    store: FactStore
    rollups: Rollups

    async def tell(self, *told: Event) -> None:
        """Tell facts in a transaction of their own."""
        async with self.database.writing() as session:
            for event in told:
                session.tell(log, event)

    async def counted(self, metric: Metric, start: int = NOON - DAY, end: int = NOON + DAY) -> int:
        """What a reader is told of a range."""
        (totals,) = await self.rollups.read([(start, end)], [metric])
        assert totals.complete
        return totals.of(metric).count

    def noted(self, metric: Metric) -> float:
        """What Prometheus sees."""
        return self.instruments.registry.get_sample_value(metric.name) or 0.0

    async def folded(self) -> dict[int, int]:
        """The SMS in the rows, by resolution."""
        rows, names = tables.fact_rows, tables.fact_series
        async with self.database.reading() as session:
            found_names = await session.execute(select(names.c.id, names.c.name))
            series = {row.id: row.name for row in found_names}
            found = (await session.execute(select(rows))).mappings().all()
        sums = dict.fromkeys(RESOLUTIONS, 0)
        for row in found:
            for number, cell in unpacked({name: row[name] for name in ARRAYS}):
                if series[number] == catalogue.SMS_RECEIVED.name:
                    sums[row["resolution"]] += cell.count
        return sums


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(NOON)
    for module, name in ((recorder, "time"), (facts, "time"), (time, "time")):
        monkeypatch.setattr(module, name, clock)
    return clock


@pytest.fixture
async def worker(database_url: str, clock: Clock) -> AsyncIterator[Worker]:
    instruments = orchestrator_instruments()
    database = database_at(database_url, pool_size=4, fact_counters=FactCounters(instruments))
    await upgrade(database, BUSINESS)
    store = FactStore(database)
    measured = database_at(database_url, pool_size=2)
    rollups = Rollups(Store(measured), RollupSettings(), instruments, "w", [], facts=store)
    yield Worker(database, instruments, store, rollups)
    await database.close()
    await measured.close()


async def test_a_fact_is_counted_noted_and_logged_with_its_commit(worker: Worker) -> None:
    with captured_logs() as lines:
        async with worker.database.writing() as session:
            session.tell(log, SMSReceived())
            worker.instruments.recorder.drain()
            assert worker.noted(catalogue.SMS_RECEIVED) == 0
        assert await worker.counted(catalogue.SMS_RECEIVED) == 1
        assert worker.noted(catalogue.SMS_RECEIVED) == 1
    assert [line["event"] for line in lines] == ["sms_received"]


async def test_what_is_rolled_back_never_happened(worker: Worker) -> None:
    with captured_logs() as lines, suppress(RuntimeError):
        async with worker.database.writing() as session:
            session.tell(log, SMSReceived())
            await session.flush()
            raise RuntimeError("power cut")
    assert await worker.counted(catalogue.SMS_RECEIVED) == 0
    assert worker.noted(catalogue.SMS_RECEIVED) == 0
    assert lines == []


async def test_a_fact_is_seen_at_once_and_counts_once_however_often_it_is_folded(
    worker: Worker, clock: Clock
) -> None:
    routed = SMSRouted(attempt=1, route=Route.QUEUED, duration_ms=1500.0, confidence=0.7)
    for minute in range(3):
        clock.now = NOON + minute * 60
        await worker.tell(SMSReceived(), routed)
        await worker.tell(SMSReceived())
    before = [await worker.counted(m) for m in (catalogue.SMS_RECEIVED, catalogue.AI_CONFIDENCE)]
    assert before == [6, 3]
    assert await worker.store.fold() == 6
    assert await worker.store.fold() == 0
    assert await worker.folded() == dict.fromkeys(RESOLUTIONS, 6)
    assert await worker.counted(catalogue.SMS_RECEIVED) == 6
    assert await worker.counted(catalogue.SMS_RECEIVED, NOON + 60, NOON + 120) == 2
    (totals,) = await worker.rollups.read(
        [(NOON, NOON + HOUR)], [catalogue.SMS_PROCESSING_DURATION]
    )
    median = totals.of(catalogue.SMS_PROCESSING_DURATION, route="queued").quantile(0.5)
    assert median == pytest.approx(1.5, rel=0.01)


async def test_late_facts_are_added_to_their_own_minute(worker: Worker, clock: Clock) -> None:
    await worker.tell(SMSReceived())
    await worker.store.fold()
    clock.now = NOON + 2 * DAY
    await worker.tell(SMSReceived())
    # A transaction that took long, or a clock that was set back.
    clock.now = NOON + 30
    await worker.tell(SMSReceived())
    await worker.store.fold()
    assert await worker.counted(catalogue.SMS_RECEIVED, NOON, NOON + 60) == 2
    assert await worker.folded() == dict.fromkeys(RESOLUTIONS, 3)


async def test_a_fold_that_is_cut_off_has_done_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await worker.tell(SMSReceived())

    async def killed(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(folding, "upsert", killed)
        with pytest.raises(OSError, match="killed"):
            await worker.store.fold()
    assert await worker.counted(catalogue.SMS_RECEIVED) == 1
    await worker.store.fold()
    assert await worker.folded() == dict.fromkeys(RESOLUTIONS, 1)


async def test_readers_see_each_fact_once_while_workers_fold(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "AT_ONCE", 7)
    told = 0
    telling = True

    async def tell() -> None:
        nonlocal told, telling
        for _ in range(60):
            await worker.tell(SMSReceived())
            told += 1
        telling = False

    async def fold() -> None:
        store = FactStore(worker.database)
        while telling or await store.fold():
            await store.fold()

    async def read() -> None:
        seen = 0
        while telling:
            least = told
            found = await worker.counted(catalogue.SMS_RECEIVED)
            assert max(seen, least) <= found <= told + 1
            seen = found

    await asyncio.gather(tell(), fold(), fold(), read())
    assert await worker.counted(catalogue.SMS_RECEIVED) == 60
    while await worker.store.fold():
        pass
    assert await worker.folded() == dict.fromkeys(RESOLUTIONS, 60)


async def test_a_transaction_inserts_one_row_whatever_it_tells(worker: Worker) -> None:
    await worker.tell(
        SMSReceived(),
        PaymentPlanValidated(result=PlanResult.VALID),
        WorkflowInterrupted(attempt=2, duration_ms=1.0),
    )
    async with worker.database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(facts.outbox)) == 1
        (counts,) = (await session.scalars(select(facts.outbox.c.counts))).all()
    assert json.loads(counts) == [
        ["orchestrator_sms_received_total", 1.0],
        ['orchestrator_payment_plans_total{result="valid"}', 1.0],
        ["orchestrator_workflows_interrupted_total", 1.0],
        ['orchestrator_workflow_retries_total{result="failed"}', 1.0],
    ]


async def test_facts_that_cannot_be_read_are_not_said_to_be_none(worker: Worker) -> None:
    await worker.tell(SMSReceived())
    async with worker.database.writing() as session:
        await session.execute(text("DROP TABLE facts"))
    (totals,) = await worker.rollups.read([(NOON, NOON + 60)], [catalogue.SMS_RECEIVED])
    assert not totals.complete


async def test_a_fact_whose_count_fails_fails_its_transaction(worker: Worker) -> None:
    async with worker.database.writing() as session:
        await session.execute(text("DROP TABLE facts"))
    with captured_logs() as lines, pytest.raises(SQLAlchemyError):
        await worker.tell(SMSReceived())
    assert lines == []


def test_every_metric_of_facts_is_counted_by_an_event() -> None:
    helpers = (value for value in vars(events).values() if isfunction(value))
    functions = [*helpers, *(event.counts for event in all_events() if issubclass(event, Fact))]
    named = {name for function in functions for name in function.__code__.co_names}
    constants = {name for name, value in vars(catalogue).items() if value in catalogue.FACTS}
    assert len(constants) == len(catalogue.FACTS)
    assert constants <= named
