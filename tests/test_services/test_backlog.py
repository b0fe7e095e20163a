"""What waits for people is counted in the database."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.catalogue import Detection, EscalationType, Severity
from app.core.database import Database
from app.core.instrumentation import orchestrator_instruments
from app.migrations import BUSINESS, upgrade
from app.models import EscalationEvent, now
from app.services.backlog import Backlog
from tests.not_empty import not_empty


def _escalation(severity: Severity, age: timedelta, *, resolved: bool = False) -> EscalationEvent:
    return EscalationEvent(
        conversation_id="c-1",
        type=EscalationType.HOSTILE_LANGUAGE,
        severity=severity,
        detection=Detection.AUTO,
        created_at=now() - age,
        resolved_at=now() if resolved else None,
    )


async def test_the_oldest_open_escalation_of_each_severity_is_known(tmp_path: Path) -> None:
    database = Database(
        make_url(f"sqlite+aiosqlite:///{tmp_path / 'orchestrator.db'}"), pool_size=1
    )
    instruments = orchestrator_instruments()
    backlog = Backlog(database, instruments, interval_seconds=1)
    try:
        await upgrade(database, BUSINESS)
        async with database.writing() as session:
            session.add_all(
                (
                    _escalation(Severity.CRITICAL, timedelta(hours=9), resolved=True),
                    _escalation(Severity.CRITICAL, timedelta(minutes=40)),
                    _escalation(Severity.CRITICAL, timedelta(minutes=2)),
                    _escalation(Severity.HIGH, timedelta(hours=5)),
                )
            )
        await backlog.count()
    finally:
        await database.close()
    instruments.sample()
    instruments.recorder.drain()

    def age(severity: Severity) -> float | None:
        name = catalogue.ESCALATIONS_OLDEST_AGE.name
        return instruments.registry.get_sample_value(name, {"severity": severity.value})

    assert age(Severity.CRITICAL) == pytest.approx(2400, abs=60)
    assert age(Severity.HIGH) == pytest.approx(18000, abs=60)
    assert age(Severity.LOW) == 0
    assert backlog.waiting
    assert backlog.waiting.escalations[Severity.CRITICAL] == 2


async def test_what_was_never_counted_has_no_number(tmp_path: Path) -> None:
    database = Database(make_url(f"sqlite+aiosqlite:///{tmp_path}/no/such.db"), pool_size=1)
    instruments = orchestrator_instruments()
    backlog = Backlog(database, instruments, interval_seconds=1)
    try:
        with pytest.raises(SQLAlchemyError):
            await backlog.count()
    finally:
        await database.close()
    instruments.sample()
    instruments.recorder.drain()
    for gauge in not_empty((catalogue.APPROVAL_QUEUE_LENGTH, catalogue.WORKFLOWS_FAILED)):
        assert instruments.registry.get_sample_value(gauge.name) is None
