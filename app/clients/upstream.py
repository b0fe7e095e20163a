"""A call to an upstream: timed, retried, guarded by a circuit breaker, correlated."""

import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import httpx
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState
from pydantic import ValidationError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_chain,
    wait_fixed,
    wait_none,
)

from app.core import catalogue, correlation
from app.core.catalogue import BreakerState, Component, ErrorType, Operation
from app.core.config import Calls
from app.core.events import BreakerChanged, FromCode, OperationRetried
from app.core.instrumentation import Instruments
from app.core.logging import get_logger

log = get_logger(__name__)
T = TypeVar("T")

KEPT_CONNECTIONS = 20
"""Idle connections kept per upstream: the pool looks at each of them at each request."""

_TRANSIENT = frozenset(
    {ErrorType.TIMEOUT, ErrorType.CONNECTION, ErrorType.SERVER_ERROR, ErrorType.RATE_LIMITED}
)
_BREAKER_STATES = {
    "closed": BreakerState.CLOSED,
    "half-opened": BreakerState.HALF_OPEN,
    "opened": BreakerState.OPEN,
}


class UpstreamError(Exception):
    """A call that did not give an answer to work with.

    The message never quotes the URL or the body: both hold personal data.
    """

    is_loggable = True

    def __init__(self, component: Component, operation: Operation, error_type: ErrorType) -> None:
        super().__init__(f"{component}: {operation} failed: {error_type}")
        self.component = component
        self.operation = operation
        self.error_type = error_type


class Breakers:
    """The circuit breakers of one process and their metrics."""

    def __init__(self, calls: Calls, instruments: Instruments) -> None:
        self._factory = AsyncCircuitBreakerFactory(
            default_ttl=calls.breaker_reset_seconds,
            # An upstream that refuses a request is up.
            exclude=[(UpstreamError, lambda e: e.error_type is ErrorType.CLIENT_ERROR)],
        )
        self._thresholds = {
            Component.COLLECTIONS_MONITOR: calls.collections_monitor_breaker_failures,
            Component.SMS_AGENT: calls.sms_agent_breaker_failures,
            Component.NOTIFICATION_SERVICE: calls.notification_service_breaker_failures,
            Component.AI_PROVIDER: calls.ai_provider_breaker_failures,
        }
        self._gauge = instruments.gauge(catalogue.CIRCUIT_BREAKER_STATE)
        self._transitions = instruments.counter(catalogue.CIRCUIT_BREAKER_TRANSITIONS)
        self._transitions.bind_all()
        self._states: dict[Component, BreakerState] = {}
        for component in catalogue.UPSTREAMS:
            self._show(component, BreakerState.CLOSED)
        self._factory.add_listener(self._on_event)

    def state(self, component: Component) -> BreakerState:
        """The breaker's state after the last call."""
        return self._states[component]

    async def guard(self, component: Component) -> Any:
        """The breaker of ``component``, to be entered around each attempt."""
        return await self._factory.get_breaker(component.value, self._thresholds[component])

    def _on_event(self, name: str, kind: str, event: Any) -> None:
        if kind != "state_changed":
            return
        component, state = Component(name), _BREAKER_STATES[event.state]
        self._show(component, state)
        self._transitions.series(component, state).note()
        log.event(BreakerChanged(component=component, state=state))

    def _show(self, component: Component, current: BreakerState) -> None:
        self._states[component] = current
        for state in BreakerState:
            self._gauge.child(component, state).set(state is current)


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust. To read that takes longer than all else that an upstream is made of."""
    return httpx.create_ssl_context()


class Upstream:
    """One upstream service over HTTP."""

    def __init__(
        self,
        component: Component,
        base_url: str,
        calls: Calls,
        breakers: Breakers,
        instruments: Instruments,
        proxy: str | None = None,
    ) -> None:
        """Without ``proxy`` it is called directly, whatever HTTP_PROXY and the like say."""
        self.component = component
        self._breakers = breakers
        self._instruments = instruments
        self._retries = instruments.counter(catalogue.OPERATION_RETRIES)
        self._waits = calls.retry_waits_seconds
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=calls.timeout_seconds,
            # With a transport of our own httpx looks for no proxy in the environment; SSL_CERT_FILE
            # still counts.
            transport=httpx.AsyncHTTPTransport(
                proxy=proxy,
                verify=_trusted(),
                limits=httpx.Limits(
                    max_connections=calls.max_connections,
                    max_keepalive_connections=KEPT_CONNECTIONS,
                ),
            ),
        )

    def declare(self, operation: Operation) -> None:
        """Expose the metrics of ``operation`` at zero from the start."""
        for outcome in (catalogue.Outcome.SUCCESS, catalogue.Outcome.ERROR):
            durations = self._instruments.histogram(catalogue.OPERATION_DURATION)
            durations.child(self.component, operation, outcome)
        for error_type in ErrorType:
            if error_type is not ErrorType.DATABASE:
                errors = self._instruments.counter(catalogue.OPERATION_ERRORS)
                errors.child(self.component, operation, error_type)
        self._retries.child(self.component, operation)

    async def call(
        self,
        operation: Operation,
        method: str,
        path: str,
        parse: Callable[[bytes], T],
        *,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """The parsed answer. Raises UpstreamError once the retries are used up.

        ``parse`` turns the body into the result and raises pydantic's ValidationError on a body
        that is not what was agreed.
        """

        def retried(state: RetryCallState) -> None:
            self._retries.series(self.component, operation).note()
            error = state.outcome.exception() if state.outcome else None
            log.event(
                OperationRetried(
                    component=FromCode(self.component),
                    operation=FromCode(operation),
                    attempt=state.attempt_number + 1,
                    wait_seconds=state.upcoming_sleep,
                    error_type=FromCode(getattr(error, "error_type", ErrorType.OTHER)),
                )
            )

        waits = [wait_fixed(seconds) for seconds in self._waits]
        retrying = AsyncRetrying(
            stop=stop_after_attempt(len(waits) + 1),
            wait=wait_chain(*waits) if waits else wait_none(),
            retry=retry_if_exception(_worth_retrying),
            before_sleep=retried,
            reraise=True,
        )
        return await retrying(self._attempt, operation, method, path, parse, json, headers)

    async def _attempt(
        self,
        operation: Operation,
        method: str,
        path: str,
        parse: Callable[[bytes], T],
        json: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> T:
        breaker = await self._breakers.guard(self.component)
        try:
            async with breaker:
                with self._instruments.operation(self.component, operation):
                    return await self._exchange(operation, method, path, parse, json, headers)
        except OpenedState as refused:
            # The library raises one instance again and again; its traceback would grow each time.
            refused.with_traceback(None)
        self._instruments.operation_failed(self.component, operation, ErrorType.CIRCUIT_OPEN)
        raise UpstreamError(self.component, operation, ErrorType.CIRCUIT_OPEN)

    async def _exchange(
        self,
        operation: Operation,
        method: str,
        path: str,
        parse: Callable[[bytes], T],
        json: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> T:
        sent = {**correlation.context().headers, **(headers or {})}
        try:
            response = await self._http.request(method, path, json=json, headers=sent)
        except httpx.TimeoutException:
            raise UpstreamError(self.component, operation, ErrorType.TIMEOUT) from None
        except httpx.HTTPError:
            raise UpstreamError(self.component, operation, ErrorType.CONNECTION) from None
        if not response.is_success:
            raise UpstreamError(self.component, operation, _error_type(response.status_code))
        try:
            return parse(response.content)
        except ValidationError:  # its text quotes the body
            raise UpstreamError(self.component, operation, ErrorType.INVALID_RESPONSE) from None

    async def is_up(self) -> bool:
        """Whether the upstream answers at all, asked outside of breaker, retries and metrics."""
        try:
            response = await self._http.get("/health", timeout=2)
        except httpx.HTTPError:
            return False
        return not response.is_server_error

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()


def _worth_retrying(error: BaseException) -> bool:
    return isinstance(error, UpstreamError) and error.error_type in _TRANSIENT


def _error_type(status: int) -> ErrorType:
    if status == 429:
        return ErrorType.RATE_LIMITED
    if status >= 500:
        return ErrorType.SERVER_ERROR
    return ErrorType.CLIENT_ERROR
