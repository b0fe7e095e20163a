"""Who may do what: those with a token for it, and who asks on this machine."""

import time
from ipaddress import ip_address
from pathlib import Path

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.api.tokens import MEANINGS, METRICS_SETTING, OPERATORS_SETTING, Caller, Scope, Tokens
from app.core import catalogue
from app.core.config import MetricsAccess
from app.core.errors import ForbiddenError, RateLimitedError, UnauthorizedError
from app.core.events import MetricsClosed
from asgi_observability.event import FromCode
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger

log = get_logger(__name__)

LIMIT_HEADER = "RateLimit-Policy"

_LOOPBACK = Caller("loopback", frozenset({Scope.METRICS, Scope.RECEIVE, Scope.ACT}))


class Access:
    """Lets clients in, or raises UnauthorizedError or RateLimitedError."""

    def __init__(self, settings: MetricsAccess, instruments: Instruments) -> None:
        self._open_on_loopback = settings.open_on_loopback
        self._tokens = (
            Tokens(settings.tokens_file, METRICS_SETTING) if settings.tokens_file else None
        )
        self._limit = RateLimitItemPerMinute(settings.requests_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        refused = instruments.counter(catalogue.METRICS_REQUESTS_REFUSED)
        refused.bind_all()
        self._unauthorized = refused.series("unauthorized")
        self._rate_limited = refused.series("rate_limited")
        if self._tokens is None and not self._open_on_loopback:
            log.event(MetricsClosed(fix=FromCode(f"set {METRICS_SETTING} to a file of tokens")))

    def identify(self, request: Request, scope: Scope = Scope.METRICS) -> Caller:
        """Who asks. Raises UnauthorizedError, or ForbiddenError where the token isn't for this."""
        caller = self._caller(request)
        if caller is None:
            self._unauthorized.note()
            raise UnauthorizedError(
                "send `Authorization: Bearer` with a token of this service"
                if self._tokens
                else f"nobody may ask yet: set {METRICS_SETTING} to a file of tokens. To let "
                "in this machine alone, set ORCHESTRATOR_METRICS_ACCESS__OPEN_ON_LOOPBACK=true"
            )
        if not caller.may(scope):
            self._unauthorized.note()
            raise ForbiddenError(
                f"this token isn't for this: it needs `{scope}` ({MEANINGS[scope]}), written "
                f"behind the token in the file that {METRICS_SETTING} names"
            )
        return caller

    def may_read(self, request: Request) -> bool:
        """Whether who asked for a stream may still read it."""
        caller = self._caller(request)
        return caller is not None and caller.may(Scope.METRICS)

    def admit(self, request: Request) -> None:
        """Let a client in that has not asked too often."""
        client = self.identify(request).name
        if self._limiter.hit(self._limit, client):
            return
        self._rate_limited.note()
        reset, _ = self._limiter.get_window_stats(self._limit, client)
        raise RateLimitedError(
            f"more than {self._limit.amount} requests a minute to this worker process; ask less "
            "often, or read the stream",
            max(1, int(reset - time.time()) + 1),
            {LIMIT_HEADER: self.limit_policy},
        )

    @property
    def limit_policy(self) -> str:
        """The limit as a header says it: each worker process counts for itself."""
        return f'"per-worker-process";q={self._limit.amount};w=60'

    def _caller(self, request: Request) -> Caller | None:
        token = _bearer_token(request)
        if token and self._tokens:
            return self._tokens.caller(token)
        return _LOOPBACK if self._open_on_loopback and _is_loopback(request) else None


class Operators:
    """Those who may change how the service runs; nobody without a token, wherever from."""

    def __init__(self, tokens_file: Path | None) -> None:
        self._tokens = Tokens(tokens_file, OPERATORS_SETTING) if tokens_file else None

    def identify(self, request: Request) -> str:
        """The name of the token. Raises UnauthorizedError."""
        token = _bearer_token(request)
        caller = self._tokens.caller(token) if token and self._tokens else None
        if caller is None:
            raise UnauthorizedError(
                "send `Authorization: Bearer` with an operator's token"
                if self._tokens
                else f"closed: set {OPERATORS_SETTING} to a file of tokens"
            )
        return caller.name


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
