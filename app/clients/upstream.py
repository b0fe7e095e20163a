"""A call to an upstream: timed, retried, guarded by a circuit breaker, correlated."""

import asyncio
import math
import random
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import httpx
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
)
from tenacity.stop import stop_base

from app.clients.breaker import PROBES, CircuitBreaker, Permit
from app.clients.patience import Patience
from app.clients.retry_after import seconds_asked_for
from app.core import catalogue
from app.core.catalogue import BreakerState, Component, ErrorType, Operation
from app.core.config import Calls
from app.core.events import BreakerChanged, OperationRetried
from asgi_observability import correlation
from asgi_observability.catalogue import Outcome
from asgi_observability.event import FromCode
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger

log = get_logger(__name__)
T = TypeVar("T")

KEPT_CONNECTIONS = 20
"""Idle connections kept per upstream: the pool looks at each of them at each request."""

_TRANSIENT = frozenset(
    {ErrorType.TIMEOUT, ErrorType.CONNECTION, ErrorType.SERVER_ERROR, ErrorType.RATE_LIMITED}
)
_FOR_ONE = frozenset({ErrorType.SERVER_ERROR, ErrorType.INVALID_RESPONSE})
"""Errors of an upstream that answers: they may be due to the one tenant or number asked for."""

_REFUSED_OR_NOT = frozenset({408, 409, 423, 425, 499})
"""Statuses of a request that may be under way all the same; any other 4xx is a refusal."""

LARGEST_ANSWER_BYTES = 4 * 1024 * 1024
"""More than any upstream has to say; the rest is not read."""

_ASKS_FOR_PATIENCE = frozenset({429, 503})
_LEAST_SECONDS = 0.001
"""An attempt with less time than this is not made: it would only count as another failure."""

_JITTER = 0.25
"""Share by which a wait is longer or shorter, so that calls do not come back all at once."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What an upstream has answered to a call that succeeded."""

    status: int
    body: bytes


class UpstreamError(Exception):
    """A call that did not give an answer to work with.

    The message never quotes the URL or the body: both hold personal data.
    """

    is_loggable = True

    def __init__(
        self,
        component: Component,
        operation: Operation,
        error_type: ErrorType,
        retry_after_seconds: float | None = None,
        *,
        may_be_done: bool = True,
        hung_up: bool = False,
        held_back: bool = False,
    ) -> None:
        """``retry_after_seconds`` is how long the upstream asked to be left alone, if it did.

        ``hung_up`` is True where it was reached and ended the connection in place of an answer.

        ``held_back`` is True where the call was cut short by what is known of the upstream: its
        breaker is open, or it has asked to be left alone. Later it may well be of use.

        ``may_be_done`` is False where the upstream has surely not done what it was asked: it was
        not asked, or it has refused.
        """
        super().__init__(f"{component}: {operation} failed: {error_type}")
        self.component = component
        self.operation = operation
        self.error_type = error_type
        self.retry_after_seconds = retry_after_seconds
        self.may_be_done = may_be_done
        self.hung_up = hung_up
        self.held_back = held_back


class Breakers:
    """The circuit breakers of one process and their metrics."""

    def __init__(self, calls: Calls, instruments: Instruments) -> None:
        failures = {
            Component.COLLECTIONS_MONITOR: calls.collections_monitor_breaker_failures,
            Component.SMS_AGENT: calls.sms_agent_breaker_failures,
            Component.NOTIFICATION_SERVICE: calls.notification_service_breaker_failures,
            Component.AI_PROVIDER: calls.ai_provider_breaker_failures,
        }
        self._breakers = {
            component: CircuitBreaker(
                failures[component], reset_seconds=calls.breaker_reset_seconds
            )
            for component in catalogue.UPSTREAMS
        }
        self._gauge = instruments.gauge(catalogue.CIRCUIT_BREAKER_STATE)
        self._transitions = instruments.counter(catalogue.CIRCUIT_BREAKER_TRANSITIONS)
        self._transitions.bind_all()
        self._shown: dict[Component, BreakerState] = {}
        for component in catalogue.UPSTREAMS:
            self._set_gauge(component, BreakerState.CLOSED)

    def state(self, component: Component) -> BreakerState:
        """The breaker's state now."""
        return self._breakers[component].state

    def shown(self, component: Component) -> BreakerState:
        """The state that the metric shows."""
        return self._shown[component]

    def enter(self, component: Component, recipient: str | None) -> Permit | None:
        """A permit for one call, or None while the breaker refuses it."""
        permit = self._breakers[component].enter(recipient)
        self._show(component)
        return permit

    def ended(self, component: Component, permit: Permit, error: BaseException | None) -> None:
        """Give ``permit`` back with how its call ended."""
        breaker = self._breakers[component]
        error_type = getattr(error, "error_type", None)
        if error is None or error_type is ErrorType.CLIENT_ERROR:
            breaker.succeeded(permit)
        elif error_type is ErrorType.RATE_LIMITED:
            # It answers, so a half-open breaker may close. `Patience` paces the calls.
            breaker.answered(permit)
        elif not isinstance(error, UpstreamError):
            breaker.gave_up(permit)
        elif error_type in _FOR_ONE or error.hung_up:
            breaker.failed_for_one(permit)
        else:
            breaker.failed(permit)
        self._show(component)

    def _show(self, component: Component) -> None:
        breaker = self._breakers[component]
        state = breaker.state
        if state is self._shown[component]:
            return
        self._set_gauge(component, state)
        self._transitions.series(component, state).note()
        log.event(BreakerChanged(component=component, state=state))
        if state is BreakerState.OPEN:
            self._show_when_half_open(component)

    def _show_when_half_open(self, component: Component) -> None:
        """Look again once the time is over: without traffic, nobody else would."""
        breaker = self._breakers[component]

        def look() -> None:
            if breaker.state is BreakerState.OPEN:  # the timer was early, or it opened again
                self._show_when_half_open(component)
            self._show(component)

        asyncio.get_running_loop().call_later(breaker.seconds_until_half_open, look)

    def _set_gauge(self, component: Component, current: BreakerState) -> None:
        self._shown[component] = current
        for state in BreakerState:
            self._gauge.series(component, state).set(state is current)


class _StopBefore(stop_base):
    """Ends the retries when the next attempt would have no time left before ``deadline``."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: RetryCallState) -> bool:
        next_attempt = asyncio.get_running_loop().time() + retry_state.upcoming_sleep
        return next_attempt >= self._deadline - _LEAST_SECONDS


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
        self._timeout = calls.timeout_seconds
        self._longest_patience = calls.longest_retry_after_seconds
        self._patience: dict[Operation, Patience] = {}
        self._http = httpx.AsyncClient(
            base_url=base_url,
            # A limit for silence only; `call` limits the whole.
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
        """Say that ``operation`` will be called, and expose its metrics at zero from the start."""
        self._patience[operation] = Patience(self._longest_patience)
        for outcome in (Outcome.SUCCESS, Outcome.ERROR):
            durations = self._instruments.histogram(catalogue.OPERATION_DURATION)
            durations.expose(self.component, operation, outcome)
        for error_type in ErrorType:
            if error_type is not ErrorType.DATABASE:
                errors = self._instruments.counter(catalogue.OPERATION_ERRORS)
                errors.expose(self.component, operation, error_type)
        self._retries.expose(self.component, operation)

    async def call(
        self,
        operation: Operation,
        method: str,
        path: str,
        parse: Callable[[Answered], T],
        *,
        recipient: str | None = None,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """The parsed answer. Raises UpstreamError once the retries or the time are used up.

        The time-out is for all of it: attempts, their waits and an answer that trickles in.
        ``recipient`` is the tenant or number that the call is for: errors for one of them only do
        not open the breaker, and what it was asked to wait for does not stop the others.

        ``parse`` turns the answer into the result and raises ValueError (pydantic's is one) on
        what was not agreed.
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

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return self.retry_wait(
                state.attempt_number, getattr(error, "retry_after_seconds", None)
            )

        deadline = asyncio.get_running_loop().time() + self._timeout

        retrying = AsyncRetrying(
            stop=stop_after_attempt(len(self._waits) + 1) | _StopBefore(deadline),
            wait=wait,
            retry=retry_if_exception(_worth_retrying),
            before_sleep=retried,
            reraise=True,
        )

        async def exchange() -> T:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._exchange(
                        operation,
                        method,
                        path=path,
                        parse=parse,
                        recipient=recipient,
                        json=json,
                        headers=headers,
                    )
            except TimeoutError:
                raise UpstreamError(self.component, operation, ErrorType.TIMEOUT) from None

        may_be_done = False

        async def attempt() -> T:
            nonlocal may_be_done
            try:
                await self._leave_alone(operation, recipient, deadline)
                return await self._attempt(operation, recipient, exchange)
            except UpstreamError as error:
                # That it refuses now says nothing of the attempts before.
                error.may_be_done = may_be_done = may_be_done or error.may_be_done
                raise

        return await retrying(attempt)

    def retry_wait(self, attempt: int, asked_for_seconds: float | None) -> float:
        """Seconds to wait after ``attempt`` (1 is the first); never less than was asked for."""
        planned = self._waits[min(attempt, len(self._waits)) - 1] if self._waits else 0.0
        jittered = planned * random.uniform(1 - _JITTER, 1 + _JITTER)
        if asked_for_seconds is None:
            return jittered
        return max(jittered, asked_for_seconds + planned * random.uniform(0, _JITTER))

    @property
    def calls_let_through(self) -> float:
        """How many calls at once it takes now, by its breaker and what it has asked for."""
        state = self._breakers.state(self.component)
        if state is BreakerState.OPEN or self.seconds_asked_for:
            return 0
        return PROBES if state is BreakerState.HALF_OPEN else math.inf

    @property
    def seconds_asked_for(self) -> float:
        """How long it has asked everybody to leave one of its operations alone; 0 if it has not."""
        return max((each.seconds_for_everybody for each in self._patience.values()), default=0.0)

    async def _leave_alone(
        self, operation: Operation, recipient: str | None, deadline: float
    ) -> None:
        """Wait until the time that the upstream asked for, if that is before ``deadline``."""
        left = deadline - asyncio.get_running_loop().time()
        seconds = self._patience[operation].seconds(recipient)
        if seconds <= 0:
            return
        if seconds >= left:
            self._instruments.operation_failed(self.component, operation, ErrorType.RATE_LIMITED)
            raise UpstreamError(
                self.component,
                operation,
                ErrorType.RATE_LIMITED,
                seconds,
                may_be_done=False,
                held_back=True,
            )
        # Not up to the deadline: the call itself takes time as well.
        latest = min(seconds * (1 + _JITTER), (seconds + left) / 2)
        await asyncio.sleep(random.uniform(seconds, latest))

    async def _attempt(
        self,
        operation: Operation,
        recipient: str | None,
        exchange: Callable[[], Awaitable[T]],
    ) -> T:
        permit = self._breakers.enter(self.component, recipient)
        if permit is None:
            self._instruments.operation_failed(self.component, operation, ErrorType.CIRCUIT_OPEN)
            raise UpstreamError(
                self.component,
                operation,
                ErrorType.CIRCUIT_OPEN,
                may_be_done=False,
                held_back=True,
            )
        failure: BaseException | None = None
        try:
            with self._instruments.operation(self.component, operation):
                return await exchange()
        except BaseException as error:
            failure = error
            raise
        finally:
            self._breakers.ended(self.component, permit, failure)

    async def _exchange(
        self,
        operation: Operation,
        method: str,
        path: str,
        parse: Callable[[Answered], T],
        recipient: str | None,
        json: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
    ) -> T:
        sent = {**correlation.context().headers, **(headers or {})}
        try:
            async with self._http.stream(method, path, json=json, headers=sent) as response:
                body = await self._body(operation, response)
        except httpx.TimeoutException:
            raise UpstreamError(self.component, operation, ErrorType.TIMEOUT) from None
        except httpx.HTTPError as error:
            raise UpstreamError(
                self.component,
                operation,
                ErrorType.CONNECTION,
                hung_up=not isinstance(error, httpx.ConnectError),
            ) from None
        if not response.is_success:
            raise self._refusal(operation, recipient, response)
        try:
            parsed = parse(Answered(response.status_code, body))
        except ValueError:  # its text quotes the body
            raise UpstreamError(self.component, operation, ErrorType.INVALID_RESPONSE) from None
        self._patience[operation].succeeded()
        return parsed

    async def _body(self, operation: Operation, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > LARGEST_ANSWER_BYTES:
                raise UpstreamError(self.component, operation, ErrorType.INVALID_RESPONSE)
        return bytes(body)

    def _refusal(
        self, operation: Operation, recipient: str | None, response: httpx.Response
    ) -> UpstreamError:
        error_type, seconds = _error_type(response.status_code), None
        if response.status_code in _ASKS_FOR_PATIENCE:
            seconds = seconds_asked_for(response.headers.get("Retry-After"))
        if seconds is not None:
            seconds = min(seconds, self._longest_patience)
            if error_type is ErrorType.RATE_LIMITED:
                self._patience[operation].asked(recipient, seconds)
        status = response.status_code
        return UpstreamError(
            self.component,
            operation,
            error_type,
            seconds,
            may_be_done=not 400 <= status < 500 or status in _REFUSED_OR_NOT,
        )

    async def health(self, seconds: float) -> str | None:
        """None if the upstream answers well within ``seconds``, or else what is wrong.

        It is asked outside of breaker, retries and metrics.
        """
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.get("/health")
        except (TimeoutError, httpx.TimeoutException):
            return f"did not answer within {seconds:g} s"
        except httpx.HTTPError:
            return "could not be reached"
        return f"answered with status {response.status_code}" if response.is_server_error else None

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
