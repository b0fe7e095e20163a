"""The model: whatever happens in whatever order, no tenant gets two texts, and no SMS is lost.

Hypothesis makes up messages, lost replies, time-outs, kills at any await, retries, decisions,
escalations and steps of the clock, on two workers over one database. After each run the rules of
`Invariants` hold in the tables and in what the upstreams remember.
"""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from sqlalchemy import delete, select

import app.models
from app.core import catalogue
from app.core.catalogue import ApprovalAction, Detection, EscalationType, Severity
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import OrchestratorError
from app.core.facts import FactCounters
from app.core.instrumentation import orchestrator_instruments
from app.migrations import BUSINESS, upgrade
from app.models import (
    ApprovalAudit,
    Base,
    EscalationEvent,
    OutboundMessage,
    OutboundState,
    PaymentPlanAttempt,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.approvals import Decision
from app.services.rollups import FactStore, Totals
from app.services.rollups.coverage import Segment
from app.services.rollups.tables import MINUTE, RowKind
from app.services.workflow import SMS
from tests.length import LONG
from tests.test_services.test_model.life import Killed
from tests.test_services.test_model.workers import MortalDatabase, MovableTime, Worker
from tests.test_services.test_model.world import Reply, World, marker

RUNS, STEPS = (220, 50) if LONG else (5, 25)
"""How many runs on each database, and how many steps of each at most."""

CONVERSATIONS = 3
WORDS = (
    "hello",
    "can I pay 200 a week for 8 weeks?",
    "can I pay 10 a week for 8 weeks?",
    "I dispute this",
)

replies = st.lists(st.sampled_from(Reply), max_size=6)
workers = st.integers(0, 1)
kills = st.none() | st.integers(0, 12) | st.integers(0, 40)
picks = st.integers(0, 20)


class Model(RuleBasedStateMachine):
    """Two workers, and everything that may happen to them."""

    loop: asyncio.Runner
    database: Database
    processes: list[Database]
    config: Settings
    steps = 0
    killed = 0

    def __init__(self) -> None:
        super().__init__()
        MovableTime.offset = timedelta()
        self.world = World()
        self.instruments = orchestrator_instruments()
        self.messages: dict[str, SMS] = {}
        self.was_killed = False
        self.latest = timedelta()
        self.numbers = itertools.count(1)
        self.loop.run(self._empty())
        self.workers = [self._worker(each) for each in self.processes]

    def _worker(self, database: Database) -> Worker:
        return Worker(self.config, database, self.world, self.instruments)

    async def _empty(self) -> None:
        async with self.database.writing() as session:
            for table in reversed(Base.metadata.sorted_tables):
                await session.execute(delete(table))

    # --- what happens ---

    @rule(
        worker=workers,
        conversation=st.integers(1, CONVERSATIONS),
        words=st.sampled_from(WORDS),
        confidence=st.sampled_from((0.9, 0.7, 0.3)),
        upstreams=replies,
        kill=kills,
    )
    def message(
        self,
        worker: int,
        conversation: int,
        words: str,
        confidence: float,
        upstreams: list[Reply],
        kill: int | None,
    ) -> None:
        """A tenant sends a text."""
        self._expect(upstreams, confidence)
        sms = self._new_message(conversation, words)
        self._do((worker, self.workers[worker].workflows.receive(sms), kill))

    @rule(worker=workers, which=picks, upstreams=replies, kill=kills)
    def redelivery(self, worker: int, which: int, upstreams: list[Reply], kill: int | None) -> None:
        """The provider delivers a text again."""
        if self.messages:
            self._expect(upstreams)
            sms = list(self.messages.values())[which % len(self.messages)]
            self._do((worker, self.workers[worker].workflows.receive(sms), kill))

    @rule(
        worker=workers,
        which=picks,
        action=st.sampled_from(ApprovalAction),
        other_text=st.booleans(),
        upstreams=replies,
        kill=kills,
    )
    def decision(
        self,
        worker: int,
        which: int,
        action: ApprovalAction,
        other_text: bool,
        upstreams: list[Reply],
        kill: int | None,
    ) -> None:
        """A manager decides."""
        self._expect(upstreams)
        decided = self._decision(worker, which, action, other_text)
        if decided:
            self._do((worker, decided, kill))

    @rule(
        worker=workers,
        conversation=st.integers(1, CONVERSATIONS),
        severity=st.sampled_from(Severity),
        upstreams=replies,
        kill=kills,
    )
    def escalation(
        self,
        worker: int,
        conversation: int,
        severity: Severity,
        upstreams: list[Reply],
        kill: int | None,
    ) -> None:
        """Somebody escalates a conversation."""
        self._expect(upstreams)
        self._do((worker, self._escalation(worker, conversation, severity), kill))

    @rule(worker=workers, which=picks, kill=kills)
    def resolution(self, worker: int, which: int, kill: int | None) -> None:
        """A manager closes an escalation."""
        escalations = self._all(EscalationEvent)
        if escalations:
            chosen = escalations[which % len(escalations)].id
            closing = self.workers[worker].escalations.resolve(chosen, "manager-1", None)
            self._do((worker, closing, kill))

    @rule(worker=workers, which=picks, upstreams=replies, kill=kills)
    def retry(self, worker: int, which: int, upstreams: list[Reply], kill: int | None) -> None:
        """Somebody runs a workflow again, failed or not."""
        workflows = self._all(WorkflowInstance)
        if workflows:
            self._expect(upstreams)
            chosen = workflows[which % len(workflows)].id
            self._do((worker, self.workers[worker].workflows.retry(chosen, None), kill))

    @rule(worker=workers, upstreams=replies, kill=kills)
    def recovery(self, worker: int, upstreams: list[Reply], kill: int | None) -> None:
        """Somebody runs all again that failed."""
        self._expect(upstreams)
        self._do((worker, self._recovery(worker), kill))

    @rule(worker=workers, upstreams=replies, kill=kills)
    def sweep(self, worker: int, upstreams: list[Reply], kill: int | None) -> None:
        """A worker looks for what is overdue."""
        self._expect(upstreams)
        self._do((worker, self.workers[worker].sweep.sweep(), kill))

    @rule(
        which=picks,
        conversation=st.integers(1, CONVERSATIONS),
        actions=st.tuples(st.sampled_from(ApprovalAction), st.sampled_from(ApprovalAction)),
        upstreams=replies,
        kill=kills,
    )
    def everybody_at_once(
        self,
        which: int,
        conversation: int,
        actions: tuple[ApprovalAction, ApprovalAction],
        upstreams: list[Reply],
        kill: int | None,
    ) -> None:
        """Two managers, an escalation, a message, retries and both sweeps at the same moment."""
        self._expect(upstreams, 0.7)
        sms = self._new_message(conversation, WORDS[which % len(WORDS)])
        decisions = [
            (worker, self._decision(worker, which, action, other_text=bool(worker)), None)
            for worker, action in enumerate(actions)
        ]
        self._do(
            *((worker, work, no_kill) for worker, work, no_kill in decisions if work),
            (0, self._escalation(0, conversation, Severity.MEDIUM), None),
            (0, self.workers[0].workflows.receive(sms), None),
            (1, self.workers[1].workflows.receive(sms), kill),
            (0, self._recovery(0), None),
            (1, self._recovery(1), None),
            (0, self.workers[0].sweep.sweep(), None),
            (1, self.workers[1].sweep.sweep(), None),
        )

    @rule(minutes=st.sampled_from((-60, -1, 1, 5, 20, 60, 37 * 60)))
    def clock(self, minutes: int) -> None:
        """Time passes, or somebody sets the clock back."""
        Model.steps += 1
        MovableTime.offset += timedelta(minutes=minutes)
        self.latest = max(self.latest, MovableTime.offset)

    def teardown(self) -> None:
        """Let everything come to rest, and look at what is left."""
        self._expect([])
        try:
            self.look(at_rest=False)
            # A clock that was set back has caught up first: what it said later is no age before.
            MovableTime.offset = self.latest
            for _ in range(2):
                MovableTime.offset += timedelta(hours=2)
                self._do((0, self.workers[0].sweep.sweep(), None))
            self.look(at_rest=True)
            self._do((1, self._recovery(1), None))
            self.look(at_rest=True)
            self._nothing_failed()
        finally:
            MovableTime.offset = timedelta()

    # --- how it is done ---

    def _expect(self, upstreams: list[Reply], confidence: float = 0.9) -> None:
        self.world.replies.clear()
        self.world.replies.extend(upstreams)
        self.world.confidence = confidence

    def _new_message(self, conversation: int, words: str) -> SMS:
        identifier = f"SM-{next(self.numbers)}"
        sms = SMS(
            tenant_id=f"tenant-{conversation}",
            phone_number=f"+1555010{conversation:04}",
            content=f"{identifier} {words}",
            conversation_id=f"conversation-{conversation}",
            message_id=identifier,
        )
        self.messages[identifier] = sms
        return sms

    def _decision(
        self, worker: int, which: int, action: ApprovalAction, other_text: bool
    ) -> Coroutine[Any, Any, object] | None:
        responses = self._all(QueuedResponse)
        if not responses:
            return None
        response = responses[which % len(responses)]
        text = None
        if action is not ApprovalAction.ESCALATE and other_text:
            text = f"{marker(response.text)} changed {next(self.numbers)}"
        decision = Decision(response.id, action, f"manager-{worker}", text)
        return self.workers[worker].approvals.decide(decision)

    def _escalation(
        self, worker: int, conversation: int, severity: Severity
    ) -> Coroutine[Any, Any, object]:
        return self.workers[worker].escalations.open(
            f"conversation-{conversation}",
            EscalationType.PAYMENT_DISPUTE,
            severity,
            Detection.MANUAL,
        )

    async def _recovery(self, worker: int) -> None:
        recovery = self.workers[worker].recovery
        await recovery.request(now() - timedelta(days=365), None)
        while await recovery.run_requested():
            pass

    def _do(self, *works: tuple[int, Coroutine[Any, Any, object], int | None]) -> None:
        """Do it all at the same time; a worker that is killed is replaced by a new one."""
        Model.steps += 1
        self.loop.run(self._done(works))

    async def _done(
        self, works: tuple[tuple[int, Coroutine[Any, Any, object], int | None], ...]
    ) -> None:
        async def one(worker: int, work: Coroutine[Any, Any, object], kill: int | None) -> None:
            try:
                await self.workers[worker].do(work, kill)
            except OrchestratorError as refused:
                note(f"refused: {refused}")
            except Killed:
                note(f"worker {worker} is killed")

        async with asyncio.timeout(300):
            await asyncio.gather(*(one(*each) for each in works))
            for index, worker in enumerate(self.workers):
                await worker.drain()
                if not worker.is_alive:
                    self.was_killed = True
                    Model.killed += 1
                    self.workers[index] = self._worker(self.processes[index])

    def _all(self, table: Any) -> list[Any]:
        async def read() -> list[Any]:
            async with self.database.reading() as session:
                return list(await session.scalars(select(table).order_by(table.created_at)))

        return self.loop.run(read())

    # --- what must hold ---

    def look(self, *, at_rest: bool) -> None:
        """Compare the tables with each other and with what the upstreams remember."""
        workflows = {each.id: each for each in self._all(WorkflowInstance)}
        responses = {each.id: each for each in self._all(QueuedResponse)}
        outbound = {each.id: each for each in self._all(OutboundMessage)}
        audits = self._all(ApprovalAudit)
        escalations = {each.id: each for each in self._all(EscalationEvent)}

        # No tenant has two texts for one decision, by what the agent remembers.
        assert self.world.changed_texts == []
        texts = defaultdict(set)
        for _, text in self.world.delivered.values():
            texts[marker(text)].add(text)
        twice = {message: each for message, each in texts.items() if len(each) > 1}
        assert not twice
        assert len(self.world.delivered) == len(texts)

        # Each message that was accepted is one workflow.
        accepted = Counter(marker(each.content) for each in workflows.values())
        assert set(accepted.values()) <= {1}
        assert set(accepted) <= set(self.messages)
        if not self.was_killed:
            assert set(accepted) == set(self.messages)

        # The agent has taken what was stored, and nothing else.
        for key, (phone_number, text) in self.world.delivered.items():
            assert (outbound[key].phone_number, outbound[key].text) == (phone_number, text)
        not_sent = {k for k, each in outbound.items() if each.state is OutboundState.NOT_SENT}
        assert not not_sent & set(self.world.delivered)
        confirmed = {key for key, each in outbound.items() if each.state is OutboundState.SENT}
        assert confirmed <= set(self.world.delivered)

        # Each is in one state, and all tables say the same of it.
        of_workflow = defaultdict(list)
        for response in responses.values():
            of_workflow[response.workflow_id].append(response.status)
        sent = {each.workflow_id for each in outbound.values() if each.id in confirmed}
        for workflow in workflows.values():
            _consistent(workflow, of_workflow[workflow.id], sent, escalations, at_rest=at_rest)

        # The audit holds what was sent, once.
        audited = {each.response_queue_id: each for each in audits}
        assert len(audited) == len(audits)
        decided = {each.id for each in responses.values() if each.status in (_DECIDED | _ESCALATED)}
        assert set(audited) <= decided
        keys = {each.response_queue_id: each.id for each in outbound.values()}
        for response in responses.values():
            if response.status in _DECIDED:
                delivered = self.world.delivered[keys[response.id]][1]
                _audited(response, audited[response.id], delivered)

        # The same trouble is one escalation, and it is told once.
        same = Counter(
            (each.conversation_id, each.type, each.severity)
            for each in escalations.values()
            if each.resolved_at is None
        )
        assert set(same.values()) <= {1}
        self._counts(workflows, responses, audits, escalations)

    def _counts(
        self,
        workflows: dict[str, Any],
        responses: dict[str, Any],
        audits: list[Any],
        escalations: dict[str, Any],
    ) -> None:
        """What is counted is what the tables hold, also where workers were killed."""
        plans = self._all(PaymentPlanAttempt)
        tables = {
            catalogue.SMS_RECEIVED: len(workflows),
            catalogue.APPROVALS: len(audits),
            catalogue.ESCALATIONS: len(escalations),
            catalogue.PAYMENT_PLANS: len(plans),
            catalogue.PAYMENT_PLANS_AUTO_APPROVED: sum(
                plan.auto_approved_at is not None for plan in plans
            ),
            catalogue.ESCALATION_RESOLUTION_DURATION: sum(
                each.resolved_at is not None for each in escalations.values()
            ),
            catalogue.SMS_PROCESSING_DURATION: sum(
                each.attempt > 1 or each.status is not WorkflowStatus.PROCESSING
                for each in workflows.values()
            ),
            catalogue.WORKFLOW_RETRIES: sum(
                each.attempt - 1
                for each in workflows.values()
                if each.status is not WorkflowStatus.PROCESSING
            )
            + sum(
                each.attempt - 2
                for each in workflows.values()
                if each.status is WorkflowStatus.PROCESSING and each.attempt > 1
            ),
        }
        totals = self.loop.run(_counted(self.database))
        counted = {metric.name: totals.of(metric).count for metric in tables}
        assert counted == {metric.name: number for metric, number in tables.items()}
        auto_sent = [r for r in responses.values() if r.status is QueueStatus.AUTO_SENT]
        assert totals.of(catalogue.AI_RESPONSES, route="auto_sent").count == len(auto_sent)
        if not self.was_killed:
            assert set(self.world.notified.values()) <= {1}

    def _nothing_failed(self) -> None:
        left = Counter(each.status for each in self._all(WorkflowInstance))
        waiting_or_final = {
            WorkflowStatus.AWAITING_APPROVAL,
            WorkflowStatus.SENT,
            WorkflowStatus.ESCALATED,
            WorkflowStatus.COMPLETED,
        }
        assert set(left) <= waiting_or_final


async def _counted(database: Database) -> Totals:
    """What facts have counted, some of them folded."""
    everything = Segment(MINUTE, 0, 2**33 // MINUTE * MINUTE)
    store = FactStore(database)
    await store.fold()
    (totals,) = await store.read_totals(
        [(everything.start, everything.end)],
        {kind: [[everything]] for kind in RowKind},
        [(kind, everything) for kind in RowKind],
        catalogue.FACTS,
    )
    return totals


_DECIDED = {QueueStatus.APPROVED, QueueStatus.MODIFIED}
_ESCALATED = {QueueStatus.ESCALATED}


def _audited(response: QueuedResponse, audit: ApprovalAudit, delivered: str) -> None:
    assert audit.text == delivered
    changed = audit.text != response.text
    assert audit.action == ("modify" if changed else "approve")
    assert response.status == ("modified" if changed else "approved")


def _consistent(
    workflow: WorkflowInstance,
    responses: list[QueueStatus],
    sent: set[str],
    escalations: dict[str, EscalationEvent],
    *,
    at_rest: bool,
) -> None:
    assert len(responses) <= 1
    response = responses[0] if responses else None
    match workflow.status:
        case WorkflowStatus.PROCESSING:
            assert not at_rest
            assert response in (None, QueueStatus.SENDING)
        case WorkflowStatus.FAILED:
            assert response in (None, QueueStatus.SENDING)
        case WorkflowStatus.AWAITING_APPROVAL:
            assert response in (QueueStatus.PENDING, QueueStatus.SENDING)
            assert not at_rest or response is QueueStatus.PENDING
        case WorkflowStatus.SENT:
            assert workflow.id in sent
            assert response in _DECIDED | {QueueStatus.AUTO_SENT}
        case WorkflowStatus.ESCALATED:
            assert workflow.escalation_id is not None
            assert escalations[workflow.escalation_id].resolved_at is None
            assert response not in (QueueStatus.PENDING, QueueStatus.SENDING)
        case WorkflowStatus.COMPLETED:
            resolved = (
                workflow.escalation_id is not None
                and escalations[workflow.escalation_id].resolved_at is not None
            )
            assert resolved or workflow.id in sent
        case _:
            raise AssertionError(f"{workflow.status} is no state of an accepted message")


def test_no_tenant_gets_two_texts_and_no_message_is_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(app.models, "datetime", MovableTime)
    config = Settings(database_url=database_url, no_responses_per_minute=100_000)
    with asyncio.Runner() as loop:
        counters = FactCounters(orchestrator_instruments())
        database = Database(config.database, pool_size=10, fact_counters=counters)
        loop.run(upgrade(database, BUSINESS))
        try:
            Model.loop, Model.database, Model.config = loop, database, config
            Model.processes = [
                MortalDatabase(config.database, pool_size=10, fact_counters=counters),
                MortalDatabase(config.database, pool_size=10, fact_counters=counters),
            ]
            Model.steps = Model.killed = 0
            run_state_machine_as_test(
                Model,
                settings=settings(
                    max_examples=RUNS,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            for process in Model.processes:
                loop.run(process.close())
            loop.run(database.close())
    with capsys.disabled():
        kind = config.database.get_backend_name()
        print(f"\nmodel on {kind}: {Model.steps} steps, {Model.killed} kills")
    assert Model.steps > RUNS
    assert Model.killed > 0
