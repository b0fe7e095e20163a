"""What an SMS sends to its database: counted where the driver gets it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.assembly import Orchestrator
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams

_RENT, _PLAN = "When is my rent due?", "Can I pay 200 a week for 8 weeks?"
KINDS = {
    "sent": (_RENT, 0.95),
    "sent, with a plan": (_PLAN, 0.95),
    "queued": (_RENT, 0.7),
    "queued, with a plan": (_PLAN, 0.7),
    "escalated": (_RENT, 0.1),
    "escalated, with a plan": (_PLAN, 0.1),
}
"""What the tenant texts, and how sure the AI is of its answer."""

_AROUND = ("begin", "commit", "rollback", "savepoint", "release")
_CHECKS = ("", "SELECT 1")


@dataclass
class Sent:
    """What was sent, in order. SQLAlchemy's executemany is one statement and one round trip."""

    statements: list[str] = field(default_factory=list)
    """What reads or changes rows, or takes a lock."""
    around: list[str] = field(default_factory=list)
    """BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE."""
    checks: int = 0
    """Those that ask whether a connection is alive."""

    @property
    def total(self) -> int:
        """Statements, and those around them."""
        return len(self.statements) + len(self.around)

    @property
    def round_trips(self) -> int:
        """How often a server is waited for, once it knows the statements."""
        return self.total + self.checks

    def note(self, sql: str) -> None:
        """Add a statement."""
        if _is_check(sql):
            self.checks += 1
        elif _is_around(sql):
            self.around.append(sql)
        else:
            self.statements.append(sql)


def _is_check(sql: str) -> bool:
    return sql.strip(" \n;") in _CHECKS


def _is_around(sql: str) -> bool:
    return sql.lower().startswith(_AROUND)


_current: ContextVar[Sent | None] = ContextVar("_current", default=None)


@contextmanager
def counted() -> Iterator[Sent]:
    """Count what this block sends to watched databases, with the tasks that it starts.

    What others send at the same time, as background tasks do, is not counted.
    """
    sent = Sent()
    token = _current.set(sent)
    try:
        yield sent
    finally:
        _current.reset(token)


def _note(sql: str) -> None:
    if sent := _current.get():
        sent.note(sql)


def watch(engine: AsyncEngine) -> None:
    """Let `counted` see what is sent by ``engine``."""
    sync_engine = engine.sync_engine

    @event.listens_for(sync_engine, "before_cursor_execute")
    def executed(_connection: Connection, _cursor: Any, sql: str, *_: Any) -> None:
        _note(sql)

    if engine.dialect.name == "sqlite":
        # BEGIN is a statement of ours; what begins none has none to commit.
        @event.listens_for(sync_engine, "commit")
        def committed(connection: Connection) -> None:
            if connection.connection.driver_connection.in_transaction:  # type: ignore[union-attr]
                _note("COMMIT")

        return

    def logged(record: Any) -> None:
        # The driver's own log has the statements around as well; the others are noted above.
        if _is_check(record.query) or _is_around(record.query):
            _note(record.query)

    @event.listens_for(sync_engine, "checkout")
    def lent(adapter: Any, *_: Any) -> None:
        adapter.driver_connection.add_query_logger(logged)


async def cost_of_an_sms(
    orchestrator: Orchestrator,
    client: httpx.AsyncClient,
    upstreams: ScriptedUpstreams,
    kind: str,
    number: int,
) -> Sent:
    """What one SMS sends until its workflow rests and the managers were told."""
    text, upstreams.confidence = KINDS[kind]
    with counted() as sent:
        answer = await client.post("/orchestrate/sms-received", json=sms(number, text))
        await orchestrator.sweep._announcements.drain(60)
    assert answer.status_code == 200, answer.text
    return sent
