"""What the orchestrator of a world does in each step: its SMS, calls, decisions and failures."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from alerts.scenarios.breaker import FAILURES, Breaker, Calls, breaker
from alerts.scenarios.conditions import USUAL_SECONDS, Conditions
from alerts.scenarios.counted import Counted, Floats, part, whole
from app.core import catalogue
from app.core.catalogue import (
    UPSTREAMS,
    ApprovalAction,
    BackgroundTask,
    BreakerState,
    Component,
    ErrorType,
    Operation,
    Route,
    Severity,
    Step,
    StepStatus,
    StepType,
)
from asgi_observability.catalogue import Outcome

_AUTO_SENT, _QUEUED = 0.7, 0.2
"""Shares of the answers; the rest is escalated."""
_APPROVED, _MODIFIED = 0.8, 0.15
"""Shares of the decisions; the rest is escalated."""
_WITH_PLAN = 0.1
_DECIDED_AFTER_MINUTES = 10
_OWN_SECONDS = 0.03
_CONFIDENCE = {Route.AUTO_SENT: 0.92, Route.QUEUED: 0.75, Route.ESCALATED: 0.45}

_ATTEMPTS = 4
_RETRIES_SECONDS = 7.0
_TIMEOUT_SECONDS = 30.0
_REFUSED_SECONDS = 0.01
_NOT_RETRIED = frozenset({ErrorType.CLIENT_ERROR, ErrorType.INVALID_RESPONSE, ErrorType.TIMEOUT})
"""Or not, as the first attempt took all the time."""

INTERRUPTED_AFTER_SECONDS = 300.0
"""What does not end for so long is taken for interrupted."""

SMS_ROUTE = "/orchestrate/sms-received"
APPROVE_ROUTE = "/orchestrate/approve-response"
_SCRAPE_ROUTE = "/metrics"

_SHOWN_TASKS = (BackgroundTask.SWEEP, BackgroundTask.ROLLUP_FLUSH)
"""Of all background tasks: the others would only cost time."""
_SHOWN_ERRORS = (ErrorType.SERVER_ERROR, ErrorType.CIRCUIT_OPEN)
"""Types of error that are exposed from the start; others once they happen."""

OPERATIONS: dict[Component, tuple[Operation, ...]] = {
    Component.COLLECTIONS_MONITOR: (Operation.GET_TENANT,),
    Component.SMS_AGENT: (Operation.GET_CONVERSATION, Operation.SEND_SMS),
    Component.NOTIFICATION_SERVICE: (Operation.SEND_NOTIFICATION,),
    Component.AI_PROVIDER: (Operation.CHAT_COMPLETION,),
    Component.DATABASE: (Operation.SELECT, Operation.INSERT, Operation.UPDATE),
}

STEPS = {
    Step.TENANT_CONTEXT: StepType.API_CALL,
    Step.MESSAGE_HISTORY: StepType.API_CALL,
    Step.AI_RESPONSE: StepType.AI_PROCESSING,
    Step.SEND_SMS: StepType.API_CALL,
}


def received(conditions: Conditions) -> NDArray[np.float64]:
    """The SMS that arrive at each instance in each step; those that nobody takes are lost."""
    arriving = conditions.world.sms_an_hour * conditions.step / 3600 * conditions.traffic
    running = conditions.runs.sum(axis=0)
    count = conditions.world.instances
    return np.array(
        [
            whole(np.where(runs, arriving / np.maximum(running, 1), 0), (number + 0.5) / count)
            for number, runs in enumerate(conditions.runs)
        ]
    )


def orchestrate(conditions: Conditions) -> Counted:
    """Everything that the instances of the world count."""
    counted = Counted(len(conditions.minutes))
    failed = np.zeros(len(conditions.minutes))
    queued = np.zeros(len(conditions.minutes))
    for instance, arrived in enumerate(received(conditions)):
        one = _Instance(conditions, counted, instance)
        lost, waiting = one.run(arrived)
        failed, queued = failed + lost, queued + waiting
    failed += conditions.interrupted
    if conditions.interrupted.any():
        metric, after = catalogue.SMS_PROCESSING_DURATION, INTERRUPTED_AFTER_SECONDS
        counted.observe(metric, 0, conditions.interrupted, after, route=Route.FAILED)
    _backlogs(conditions, counted, failed, queued)
    for (metric, labels, at), amounts in conditions.counted.items():
        if metric in _OWN and at is not None:
            counted.count(metric, at, whole(amounts), **dict(labels))
    for (metric, labels, which), values in conditions.set_to.items():
        if metric in _OWN:
            everywhere = range(conditions.world.instances)
            for instance in everywhere if which is None else (which,):
                counted.override(metric, labels, instance, values)
    return counted


_OWN = frozenset(catalogue.metrics())


class _Instance:
    """One instance of the orchestrator."""

    def __init__(self, conditions: Conditions, counted: Counted, number: int) -> None:
        self._of, self._counted, self._number = conditions, counted, number
        self._breakers: dict[Component, Breaker] = {}

    def run(self, arrived: Floats) -> tuple[Floats, Floats]:
        """Take SMS; returns how many workflows fail, and by how much the queue grows."""
        self._process()
        self._requests(_SCRAPE_ROUTE, "GET", np.ones(len(arrived)), 0.01)
        broken = part(arrived, self._server_errors(SMS_ROUTE))
        self._requests(SMS_ROUTE, "POST", broken, 0.05, "500")
        self._beside()
        self._database(arrived)
        taken = arrived - broken
        self._counted.count(catalogue.SMS_RECEIVED, self._number, taken)
        called = dict.fromkeys(UPSTREAMS, taken)
        self._breakers = {
            c: breaker(c, self._of.failing[c], self._of.error[c], called[c], self._of.step)
            for c in UPSTREAMS
        }
        self._show_breakers()

        left, seconds = taken, np.full(len(arrived), _OWN_SECONDS)
        failures: list[tuple[Floats, Floats]] = []
        for step, component, operation in (
            (Step.TENANT_CONTEXT, Component.COLLECTIONS_MONITOR, Operation.GET_TENANT),
            (Step.MESSAGE_HISTORY, Component.SMS_AGENT, Operation.GET_CONVERSATION),
            (Step.AI_RESPONSE, Component.AI_PROVIDER, Operation.CHAT_COMPLETION),
        ):
            lost, waited = self._call(component, operation, left)
            self._step(step, left - lost, lost)
            failures.append((lost, seconds + waited))
            left = left - lost
            if component is not Component.AI_PROVIDER:
                seconds = seconds + self._of.seconds[component]
        answered = left
        detected = part(answered, _WITH_PLAN)
        detections = catalogue.PAYMENT_PLAN_DETECTIONS
        self._counted.count(detections, self._number, detected, result="found")
        self._counted.count(detections, self._number, answered - detected, result="none")
        auto = part(answered, _AUTO_SENT)
        queued = part(answered - auto, _QUEUED / (1 - _AUTO_SENT))
        escalated = answered - auto - queued
        self._answers({Route.AUTO_SENT: auto, Route.QUEUED: queued, Route.ESCALATED: escalated})
        lost, waited = self._call(Component.SMS_AGENT, Operation.SEND_SMS, auto)
        self._step(Step.SEND_SMS, auto - lost, lost)
        failures.append((lost, seconds + USUAL_SECONDS[Component.AI_PROVIDER] + waited))
        self._call(Component.NOTIFICATION_SERVICE, Operation.SEND_NOTIFICATION, queued + escalated)
        sent = auto - lost
        own = seconds + self._of.seconds[Component.SMS_AGENT]
        running = np.zeros(len(arrived))
        for route, amount in (
            (Route.AUTO_SENT, sent),
            (Route.QUEUED, queued),
            (Route.ESCALATED, escalated),
        ):
            running += self._processed(route, amount, own)
        for amount, took in failures:
            running += self._took(Route.FAILED, amount, took)
        # Little's law: as many as arrive in the time that one takes.
        in_flight = np.round(running / self._of.step)
        self._counted.gauge(catalogue.SMS_IN_FLIGHT, self._number, in_flight)
        decided = self._decisions(queued)
        total = sum((amount for amount, _ in failures), np.zeros(len(arrived)))
        return total, queued - decided

    def _processed(self, route: Route, amount: Floats, own: Floats) -> Floats:
        """SMS that end well: those whose AI answers slowly, and the rest."""
        ai = Component.AI_PROVIDER
        slow = part(amount, self._of.slow_share[ai])
        return self._took(route, slow, own + self._of.seconds[ai]) + self._took(
            route, amount - slow, own + USUAL_SECONDS[ai]
        )

    def _took(self, route: Route, amount: Floats, seconds: Floats) -> Floats:
        metric = catalogue.SMS_PROCESSING_DURATION
        self._counted.observe(metric, self._number, amount, seconds, route=route)
        self._requests(SMS_ROUTE, "POST", amount, seconds)
        return amount * seconds

    def _requests(
        self, route: str, method: str, amount: Floats, seconds: Floats | float, status: str = "200"
    ) -> None:
        metric = catalogue.HTTP_SERVER_REQUEST_DURATION
        labels = {"http_request_method": method, "http_route": route}
        self._counted.observe(
            metric, self._number, amount, seconds, http_response_status_code=status, **labels
        )
        # A companion of every other: declared with the metric.
        self._counted.observe(metric, self._number, 0, 0, http_response_status_code="500", **labels)

    def _beside(self) -> None:
        """Requests that are no part of the traffic."""
        if self._number:
            return
        metric = catalogue.HTTP_SERVER_REQUEST_DURATION
        for route, status, amount, seconds in self._of.requests:
            labels = {
                "http_request_method": "POST",
                "http_route": route,
                "http_response_status_code": status,
            }
            self._counted.observe(metric, self._number, amount, seconds, **labels)
            if status != "200":
                self._counted.unseen(metric, self._number, **labels)

    def _server_errors(self, route: str) -> Floats:
        none = np.zeros(len(self._of.minutes))
        own = self._of.server_errors.get(route, none)
        return np.maximum(own, self._of.failing[Component.DATABASE])

    def _call(self, component: Component, operation: Operation, n: Floats) -> tuple[Floats, Floats]:
        """Call ``n`` times; returns how many calls fail in the end, and how long those took."""
        share, state = self._of.failing[component], self._breakers[component].calls
        made = np.where(state == Calls.MADE, n, 0)
        retried = np.array([error not in _NOT_RETRIED for error in self._of.error[component]])
        tries = sum((share**k for k in range(1, _ATTEMPTS + 1)), np.zeros(len(n)))
        failed = part(made, np.where(retried, share**_ATTEMPTS, share))
        errors = whole(made * np.where(retried, tries, share))
        errors += np.where(state == Calls.OPENS, np.minimum(FAILURES[component], n * _ATTEMPTS), 0)
        errors += np.where((state == Calls.TRIED) & (n > 0), 1, 0)
        refused = np.where(state == Calls.MADE, 0, n)
        self._errors(component, operation, errors, refused)
        self._successes(component, operation, made - failed)
        timed_out = np.array([e is ErrorType.TIMEOUT for e in self._of.error[component]])
        waited = np.select(
            [state != Calls.MADE, timed_out, retried],
            [_REFUSED_SECONDS, _TIMEOUT_SECONDS, _RETRIES_SECONDS],
            USUAL_SECONDS[component],
        )
        return failed + refused, waited

    def _successes(self, component: Component, operation: Operation, n: Floats) -> None:
        slow = part(n, self._of.slow_share[component])
        labels = {"component": component, "operation": operation, "outcome": Outcome.SUCCESS}
        metric = catalogue.OPERATION_DURATION
        seconds = self._of.seconds[component]
        self._counted.observe(metric, self._number, slow, seconds, **labels)
        self._counted.observe(metric, self._number, n - slow, USUAL_SECONDS[component], **labels)

    def _errors(self, c: Component, operation: Operation, errors: Floats, refused: Floats) -> None:
        labels = {"component": c.value, "operation": operation.value}
        for kind in (*_SHOWN_ERRORS, *dict.fromkeys(self._of.error[c])):
            at = np.array([error is kind for error in self._of.error[c]])
            amount = errors * at + (refused if kind is ErrorType.CIRCUIT_OPEN else 0)
            if kind in _SHOWN_ERRORS or amount.any():
                counter = catalogue.OPERATION_ERRORS
                self._counted.count(counter, self._number, 0, error_type=kind, **labels)
        for kind in dict.fromkeys(self._of.error[c]):
            at = np.array([error is kind for error in self._of.error[c]])
            self._counted.count(
                catalogue.OPERATION_ERRORS, self._number, errors * at, error_type=kind, **labels
            )
        self._counted.count(
            catalogue.OPERATION_ERRORS,
            self._number,
            refused,
            error_type=ErrorType.CIRCUIT_OPEN,
            **labels,
        )
        failed = {**labels, "outcome": Outcome.ERROR.value}
        self._counted.observe(catalogue.OPERATION_DURATION, self._number, errors, 0.05, **failed)

    def _database(self, sms: Floats) -> None:
        share = self._of.failing[Component.DATABASE]
        metric, labels = catalogue.OPERATION_DURATION, {"component": Component.DATABASE.value}
        for operation, each in zip(OPERATIONS[Component.DATABASE], (6, 4, 3), strict=True):
            failed = part(sms * each, share)
            seconds = self._of.seconds[Component.DATABASE]
            named = {**labels, "operation": operation.value}
            done = sms * each - failed
            self._counted.observe(metric, self._number, done, seconds, **named, outcome="success")
            self._counted.count(
                catalogue.OPERATION_ERRORS, self._number, failed, **named, error_type="database"
            )

    def _step(self, step: Step, completed: Floats, failed: Floats) -> None:
        metric, labels = catalogue.WORKFLOW_STEP_DURATION, {"step": step, "step_type": STEPS[step]}
        for status, n in ((StepStatus.COMPLETED, completed), (StepStatus.FAILED, failed)):
            self._counted.observe(metric, self._number, n, 0.1, status=status, **labels)

    def _answers(self, routed: dict[Route, Floats]) -> None:
        for route, n in routed.items():
            self._counted.count(catalogue.AI_RESPONSES, self._number, n, route=route)
            confidence = _CONFIDENCE[route]
            self._counted.observe(catalogue.AI_CONFIDENCE, self._number, n, confidence)
        self._counted.count(
            catalogue.ESCALATIONS,
            self._number,
            routed[Route.ESCALATED],
            type="low_confidence",
            severity="low",
            detection="auto",
        )

    def _decisions(self, queued: Floats) -> Floats:
        """Managers decide on what was queued some minutes before; returns on how much."""
        later = int(_DECIDED_AFTER_MINUTES * 60 / self._of.step)
        decided = np.concatenate([np.zeros(later), queued])[: len(queued)]
        decided = np.where(self._of.runs[self._number], decided, 0)
        approved = part(decided, _APPROVED)
        modified = part(decided - approved, _MODIFIED / (1 - _APPROVED))
        lost, waited = self._call(Component.SMS_AGENT, Operation.SEND_SMS, approved + modified)
        broken = np.minimum(lost + part(decided, self._server_errors(APPROVE_ROUTE)), decided)
        self._requests(APPROVE_ROUTE, "POST", broken, waited, "503")
        self._requests(APPROVE_ROUTE, "POST", decided - broken, 0.15)
        for action, n in (
            (ApprovalAction.APPROVE, approved),
            (ApprovalAction.MODIFY, modified),
            (ApprovalAction.ESCALATE, decided - approved - modified),
        ):
            self._counted.count(catalogue.APPROVALS, self._number, n, action=action)
        return decided

    def _show_breakers(self) -> None:
        for component, one in self._breakers.items():
            for state in BreakerState:
                shown = np.array([each is state for each in one.states], dtype=float)
                labels = {"component": component.value, "state": state.value}
                self._counted.gauge(catalogue.CIRCUIT_BREAKER_STATE, self._number, shown, **labels)
                changes = catalogue.CIRCUIT_BREAKER_TRANSITIONS
                self._counted.count(changes, self._number, one.changes[state], **labels)

    def _process(self) -> None:
        """The process and its instrumentation, in good health."""
        of, at, counted = self._of, self._number, self._counted
        now = of.passed
        started = np.maximum.accumulate(np.where(of.starts[at], now, -36_000.0))
        counted.gauge(catalogue.PROCESS_START_TIME, at, started)
        counted.gauge(catalogue.PROCESS_WORKERS, at, 1)
        counted.gauge(catalogue.PROCESS_WORKERS_APART, at, 0)
        counted.gauge(catalogue.PROCESS_MEMORY, at, 150e6)
        counted.gauge(catalogue.SMS_CAPACITY, at, of.world.capacity)
        counted.gauge(catalogue.DB_CLIENT_CONNECTIONS, at, 1, state="used")
        counted.gauge(catalogue.DB_CLIENT_CONNECTIONS, at, 4, state="idle")
        counted.gauge(catalogue.DB_CLIENT_CONNECTION_MAX, at, 10)
        counted.count(catalogue.PROCESS_CPU, at, 0.05 * of.step)
        counted.observe(catalogue.EVENT_LOOP_LAG, at, float(of.step), 0.001)
        for version in dict.fromkeys(of.version):
            shown = np.where([each == version for each in of.version], 1, np.nan)
            counted.gauge(
                catalogue.BUILD_INFO,
                at,
                shown,
                service="sms-orchestrator",
                environment=of.world.environment,
                version=version,
                python_version="3.13",
            )
        for task in _SHOWN_TASKS:
            counted.count(catalogue.BACKGROUND_TASK_FAILURES, at, 0, task=task)
            counted.gauge(catalogue.BACKGROUND_TASK_INTERVAL, at, 60, task=task)
            counted.gauge(catalogue.BACKGROUND_TASK_LAST_ROUND, at, now - 10, task=task)
        for counter in (
            *(catalogue.ROLLUP_FLUSH_FAILURES, catalogue.ROLLUP_LOST_EVENTS),
            *(catalogue.CLOCK_SET_BACK, catalogue.INSTRUMENTATION_ERRORS),
        ):
            counted.count(counter, at, 0)
        counted.count(catalogue.LOG_LINES_DROPPED, at, 0, reason="queue_full")
        counted.count(catalogue.LOG_WRITE_ERRORS, at, 0, sink="file")


def _backlogs(of: Conditions, counted: Counted, failed: Floats, queued: Floats) -> None:
    """What waits for people, as every instance reads it from the database."""
    waiting = np.cumsum(queued)
    oldest = np.where(waiting > 0, _DECIDED_AFTER_MINUTES * 60.0, 0)
    left, age = _left_over(of, failed)
    for instance in range(of.world.instances):
        counted.gauge(catalogue.APPROVAL_QUEUE_LENGTH, instance, waiting)
        counted.gauge(catalogue.APPROVAL_QUEUE_OLDEST_AGE, instance, oldest)
        counted.gauge(catalogue.WORKFLOWS_FAILED, instance, left)
        counted.gauge(catalogue.WORKFLOWS_FAILED_OLDEST_AGE, instance, age)
        for severity in Severity:
            counted.gauge(catalogue.ESCALATIONS_OPEN, instance, 0, severity=severity)
            counted.gauge(catalogue.ESCALATIONS_OLDEST_AGE, instance, 0, severity=severity)


def _left_over(of: Conditions, failed: Floats) -> tuple[Floats, Floats]:
    """Failed workflows that nobody has run again, and since when the oldest has been one."""
    left, age = np.zeros(len(failed)), np.zeros(len(failed))
    waiting, first, last = 0.0, 0, 0
    for at, n in _steps(failed):
        if n:
            first, last = (at if not waiting else first), at
            waiting += n
        quiet = (at - last) * of.step / 60
        if waiting and of.world.retried_after is not None and quiet >= of.world.retried_after:
            waiting = 0.0
        left[at], age[at] = waiting, (at - first) * of.step if waiting else 0
    return left, age


def _steps(values: Floats) -> Iterator[tuple[int, float]]:
    yield from enumerate(values.tolist())
