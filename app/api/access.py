"""Who may do what: bearer tokens from files, each with what it is for."""

import hmac
import time
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.core import catalogue
from app.core.config import MetricsAccess, Settings
from app.core.environment import SettingsError
from app.core.errors import (
    ForbiddenError,
    InvalidRequestError,
    RateLimitedError,
    UnauthorizedError,
)
from app.core.events import MetricsClosed, MetricsTokensNotRead, MetricsTokensRead
from asgi_observability.event import FromCode
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger
from asgi_observability.nearest import did_you_mean

log = get_logger(__name__)

READ_AGAIN_SECONDS = 1.0
LIMIT_HEADER = "RateLimit-Policy"
_SETTING = "ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE"
_OPERATORS_SETTING = "ORCHESTRATOR_LOGS__TOKENS_FILE"
_SHORTEST_TOKEN = 16


class Scope(StrEnum):
    """What a token is for."""

    METRICS = "metrics"
    RECEIVE = "receive"
    ACT = "act"
    MANAGER = "manager"


MEANINGS = {
    Scope.METRICS: "read the metrics",
    Scope.RECEIVE: "hand in the texts of tenants: for the webhook of the SMS provider",
    Scope.ACT: "read conversations and act on them, for any manager",
    Scope.MANAGER: "the same as act, but only as the manager whose ID is the name of the token",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of a token, or loopback; and what they may do."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether it is allowed to do this."""
        return scope in self.scopes or (scope is Scope.ACT and Scope.MANAGER in self.scopes)

    def manager_id(self, said: str | None) -> str:
        """The manager who acts. A token that is a manager's can't act for another one.

        Raises ForbiddenError where the request names another, InvalidRequestError where nobody
        names one.
        """
        if Scope.MANAGER in self.scopes:
            if said not in (None, self.name):
                raise ForbiddenError(
                    "manager_id: this token belongs to another manager; leave manager_id out, or "
                    "use the token of that manager",
                    "manager_id",
                )
            return self.name
        if said is None:
            raise InvalidRequestError(
                "manager_id: say which manager it is; only the token of a manager says it by "
                "itself",
                "manager_id",
            )
        return said


_LOOPBACK = Caller("loopback", frozenset({Scope.METRICS, Scope.RECEIVE, Scope.ACT}))


class Tokens:
    """The tokens of a file, which may change while the service runs.

    Raises SettingsError when the file can't be used at first. Later the tokens that were read
    stay good, and that is logged.
    """

    def __init__(self, file: Path, setting: str) -> None:
        self._file = file
        self._setting = setting
        self._looked_at = time.monotonic()
        self._version, self._digests = self._read()

    def caller(self, token: str) -> Caller | None:
        """Whose token it is; None when it is nobody's."""
        self._look_again()
        digest = sha256(token.encode()).digest()
        found = None
        # All of them, each in constant time: how long it takes says nothing.
        for caller, known in self._digests:
            if hmac.compare_digest(known, digest):
                found = caller
        return found

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < READ_AGAIN_SECONDS:
            return
        self._looked_at = now
        try:
            if self._file.stat().st_mtime_ns != self._version:
                self._version, self._digests = self._read()
                log.event(MetricsTokensRead(tokens=len(self._digests)))
        except (OSError, SettingsError) as error:
            log.event(MetricsTokensNotRead(reason=FromCode(str(error))))

    def _read(self) -> tuple[int, list[tuple[Caller, bytes]]]:
        try:
            version = self._file.stat().st_mtime_ns
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self._setting}: {self._file} can't be read ({error})") from None
        found = []
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, separator, rest = line.strip().partition(":")
            token, *scopes = rest.split() or [""]
            if not separator or not name or len(token) < _SHORTEST_TOKEN:
                raise SettingsError(
                    f"{self._setting}: {self._file}, line {number}: write name:token, "
                    f"with a token of at least {_SHORTEST_TOKEN} characters"
                )
            for scope in scopes:
                if scope not in list(Scope):
                    hint = did_you_mean(scope, Scope, otherwise=f"there are {', '.join(Scope)}")
                    raise SettingsError(
                        f"{self._setting}: {self._file}, line {number}: a token can't be for "
                        f"{scope}; {hint}"
                    )
            caller = Caller(name, frozenset(map(Scope, scopes or [Scope.METRICS])))
            found.append((caller, sha256(token.encode()).digest()))
        if not found:
            raise SettingsError(
                f"{self._setting}: {self._file} holds no token; write name:token lines"
            )
        return version, found


def check_tokens(settings: Settings) -> None:
    """Raise SettingsError when one of the token files can't be used."""
    for file, setting in (
        (settings.metrics_access.tokens_file, _SETTING),
        (settings.logs.tokens_file, _OPERATORS_SETTING),
    ):
        if file:
            Tokens(file, setting)


class Access:
    """Lets clients in, or raises UnauthorizedError or RateLimitedError."""

    def __init__(self, settings: MetricsAccess, instruments: Instruments) -> None:
        self._open_on_loopback = settings.open_on_loopback
        self._tokens = Tokens(settings.tokens_file, _SETTING) if settings.tokens_file else None
        self._limit = RateLimitItemPerMinute(settings.requests_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        refused = instruments.counter(catalogue.METRICS_REQUESTS_REFUSED)
        refused.bind_all()
        self._unauthorized = refused.series("unauthorized")
        self._rate_limited = refused.series("rate_limited")
        if self._tokens is None and not self._open_on_loopback:
            log.event(MetricsClosed(fix=FromCode(f"set {_SETTING} to a file of tokens")))

    def identify(self, request: Request, scope: Scope = Scope.METRICS) -> Caller:
        """Who asks. Raises UnauthorizedError, or ForbiddenError where the token isn't for this."""
        caller = self._caller(request)
        if caller is None:
            self._unauthorized.note()
            raise UnauthorizedError(
                "send `Authorization: Bearer` with a token of this service"
                if self._tokens
                else f"nobody may ask yet: set {_SETTING} to a file of tokens. To let "
                "in this machine alone, set ORCHESTRATOR_METRICS_ACCESS__OPEN_ON_LOOPBACK=true"
            )
        if not caller.may(scope):
            self._unauthorized.note()
            raise ForbiddenError(
                f"this token isn't for this: it needs `{scope}` ({MEANINGS[scope]}), written "
                f"behind the token in the file that {_SETTING} names"
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
        self._tokens = Tokens(tokens_file, _OPERATORS_SETTING) if tokens_file else None

    def identify(self, request: Request) -> str:
        """The name of the token. Raises UnauthorizedError."""
        token = _bearer_token(request)
        caller = self._tokens.caller(token) if token and self._tokens else None
        if caller is None:
            raise UnauthorizedError(
                "send `Authorization: Bearer` with an operator's token"
                if self._tokens
                else f"closed: set {_OPERATORS_SETTING} to a file of tokens"
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
