"""`python -m simulator.log_lines`: a large log, as the orchestrator would write it.

The lines go through the orchestrator's own logging, so they are rotated and compressed like real
ones. Only their content is random.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

from app.core.catalogue import Component, Operation, PlanResult, Route, Step
from app.core.events import (
    AIAnswered,
    OperationRetried,
    PaymentPlanDetected,
    PaymentPlanValidated,
    ResponseAutoSent,
    ResponseQueued,
    SMSReceived,
    SMSRouted,
    StepCompleted,
)
from asgi_observability import correlation
from asgi_observability import logging as logs
from asgi_observability.event import Event, FromCode, Identifier
from asgi_observability.events import OperationCompleted, OperationFailed, Request
from asgi_observability.resource import Resource
from simulator.latency import Latency
from simulator.tenants import SIMULATED, Sender

DESCRIPTION = (
    "Writes a large log, as the orchestrator would write it. The files are rotated and compressed "
    "like real ones. Only what the lines say is random."
)

QUEUE_BYTES = 16 * 1024 * 1024
_CALLS = (
    (Component.COLLECTIONS_MONITOR, Operation.GET_TENANT, Step.TENANT_CONTEXT, 0.03),
    (Component.SMS_AGENT, Operation.GET_CONVERSATION, Step.MESSAGE_HISTORY, 0.04),
    (Component.AI_PROVIDER, Operation.CHAT_COMPLETION, Step.AI_RESPONSE, 0.8),
)
_WORKFLOW = logs.get_logger("app.services.workflow")
_STEPS = logs.get_logger("app.services.step_record")
_OPERATIONS = logs.get_logger("operations")
_STATEMENTS = (Operation.SELECT, Operation.INSERT, Operation.UPDATE, Operation.SELECT)


def write(
    folder: Path, lines: int, rng: Random, progress: Callable[[int], None] = lambda _: None
) -> list[str]:
    """Write at least ``lines`` lines into files in ``folder``; gives the correlation IDs."""
    options = logs.LogOptions(folder=folder, stdout="off", queue_bytes=QUEUE_BYTES)
    logs.configure_logging(Resource("orchestrator", environment="production"), options)
    pipeline = logs.pipeline()
    (writer,) = pipeline.writers
    ids = []
    while (written := sum(level.count for level in pipeline.counts.lines.values())) < lines:
        # The service would drop lines rather than wait; here all of them are wanted.
        while writer.queued_bytes > QUEUE_BYTES // 2:
            writer.flush()
        ids.append(_one_sms(rng))
        if len(ids) % 1000 == 0:
            progress(written)
    logs.flush()
    return ids


def _one_sms(rng: Random) -> str:
    """The lines of one SMS."""
    sender = Sender(rng.randrange(SIMULATED))
    correlation_id = correlation.new_id()
    trace_id = f"{rng.getrandbits(128) | 1:032x}"
    correlation.bind(correlation_id, f"00-{trace_id}-{rng.getrandbits(64) | 1:016x}-01")
    correlation.identify(
        tenant_id=f"tenant-{sender.number}",
        conversation_id=sender.conversation_id,
        workflow_id=f"{rng.getrandbits(128):032x}",
    )
    _WORKFLOW.event(SMSReceived())
    total = 0.0
    for component, operation, step, median in _CALLS:
        milliseconds = round(Latency(median).draw(rng) * 1000, 1)
        total += milliseconds
        call = {"component": FromCode(component), "operation": FromCode(operation)}
        if rng.random() < 0.01:
            failed = FromCode("server_error")
            _OPERATIONS.event(OperationFailed(**call, duration_ms=milliseconds, error_type=failed))
            _OPERATIONS.event(
                OperationRetried(**call, attempt=2, wait_seconds=1, error_type=failed)
            )
        _OPERATIONS.event(OperationCompleted(**call, duration_ms=milliseconds))
        _STEPS.event(StepCompleted(step=step, duration_ms=milliseconds))
    for event in _conclusion(rng, round(total, 1)):
        _WORKFLOW.event(event)
    return correlation_id


def _conclusion(rng: Random, milliseconds: float) -> list[Event]:
    confidence = round(rng.betavariate(8, 1.5), 3)
    events: list[Event] = [AIAnswered(confidence=confidence)]
    for statement in _STATEMENTS:
        database, operation = FromCode(Component.DATABASE), FromCode(statement)
        duration = round(rng.expovariate(1 / 2), 1)
        events.append(
            OperationCompleted(component=database, operation=operation, duration_ms=duration)
        )
    if rng.random() < 0.3:
        events += [PaymentPlanDetected(), PaymentPlanValidated(result=rng.choice([*PlanResult]))]
    if confidence > 0.85:
        route, told = Route.AUTO_SENT, ResponseAutoSent(confidence=confidence)
        events.append(told)
    else:
        route = Route.QUEUED
        waiting = Identifier(f"{rng.getrandbits(128):032x}")
        events.append(ResponseQueued(response_queue_id=waiting, confidence=confidence))
    events.append(
        SMSRouted(attempt=1, route=route, duration_ms=milliseconds, confidence=confidence)
    )
    path = FromCode("/orchestrate/sms-received")
    events.append(
        Request(method=FromCode("POST"), route=path, status=200, duration_ms=milliseconds + 2)
    )
    return events


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m simulator.log_lines", description=DESCRIPTION)
    parser.add_argument("lines", type=int, help="write at least this many lines")
    parser.add_argument("folder", type=Path, help="folder to write to; it is created")
    arguments = parser.parse_args()

    def progress(written: int) -> None:
        print(f"\r{written:,} of {arguments.lines:,} lines", end="", file=sys.stderr, flush=True)

    ids = write(arguments.folder, arguments.lines, Random(1), progress)
    print(
        f"\r{len(ids):,} SMS; correlation ID of one of them: {ids[len(ids) // 2]}", file=sys.stderr
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
