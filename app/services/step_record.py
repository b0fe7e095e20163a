"""The record of a workflow's steps: timed as they run, stored together."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from app.core.catalogue import Step, StepStatus
from app.core.events import StepCompleted, StepFailed, StepSkipped
from app.core.facts import Transaction
from app.core.last_writes import Rows
from app.models import WorkflowStep, now
from app.services.inserts import table_of
from app.services.metrics_service import STEP_TYPES, MetricsService
from asgi_observability.logging import get_logger

log = get_logger(__name__)


class StepRecord:
    """The steps of one run of one workflow."""

    def __init__(self, workflow_id: str, metrics: MetricsService) -> None:
        self._workflow_id = workflow_id
        self._metrics = metrics
        self._ended: list[dict[str, object]] = []

    def store(self, session: Transaction) -> None:
        """Insert the steps that have ended; a transaction that fails leaves none behind."""
        if self._ended:
            # Not as objects: nobody asks for their numbers, so that one statement stores them all.
            session.write_last(Rows(table_of(WorkflowStep), self._ended))

    @contextmanager
    def running(self, step: Step) -> Iterator[None]:
        """Time ``step``; it failed when an exception leaves the block."""
        started_at, started = now(), perf_counter()
        status = StepStatus.FAILED
        try:
            yield
            status = StepStatus.COMPLETED
        finally:
            seconds = perf_counter() - started
            milliseconds = round(seconds * 1000, 1)
            ended = StepCompleted if status is StepStatus.COMPLETED else StepFailed
            log.event(ended(step=step, duration_ms=milliseconds))
            self._metrics.step_ended(step, status, seconds)
            self._ended.append(
                {
                    "workflow_id": self._workflow_id,
                    "step": step,
                    "step_type": STEP_TYPES[step],
                    "status": status,
                    "started_at": started_at,
                    "duration_ms": milliseconds,
                }
            )

    def skipped(self, step: Step) -> None:
        """Note that ``step`` had nothing to do."""
        log.event(StepSkipped(step=step))
        self._metrics.step_ended(step, StepStatus.SKIPPED, 0.0)
        self._ended.append(
            {
                "workflow_id": self._workflow_id,
                "step": step,
                "step_type": STEP_TYPES[step],
                "status": StepStatus.SKIPPED,
                "started_at": now(),
                "duration_ms": 0.0,
            }
        )
