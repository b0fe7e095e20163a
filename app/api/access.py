"""Who may read metrics, and who may change log levels: bearer tokens from files."""

import hmac
import time
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
from app.core.errors import RateLimitedError, UnauthorizedError
from app.core.events import FromCode, MetricsClosed, MetricsTokensNotRead, MetricsTokensRead
from app.core.instrumentation import Instruments
from app.core.logging import get_logger

log = get_logger(__name__)

READ_AGAIN_SECONDS = 1.0
_SETTING = "ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE"
_OPERATORS_SETTING = "ORCHESTRATOR_LOGS__TOKENS_FILE"
_SHORTEST_TOKEN = 16


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

    def name_of(self, token: str) -> str | None:
        """Whose token it is; None when it is nobody's."""
        self._look_again()
        digest = sha256(token.encode()).digest()
        found = None
        # All of them, each in constant time: how long it takes says nothing.
        for name, known in self._digests:
            if hmac.compare_digest(known, digest):
                found = name
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

    def _read(self) -> tuple[int, list[tuple[str, bytes]]]:
        try:
            version = self._file.stat().st_mtime_ns
            lines = self._file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self._setting}: {self._file} can't be read ({error})") from None
        found = []
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, separator, token = line.strip().partition(":")
            if not separator or not name or len(token) < _SHORTEST_TOKEN:
                raise SettingsError(
                    f"{self._setting}: {self._file}, line {number}: write name:token, "
                    f"with a token of at least {_SHORTEST_TOKEN} characters"
                )
            found.append((name, sha256(token.encode()).digest()))
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

    def identify(self, request: Request) -> str:
        """Who asks: the name of the token, or the address where that is enough."""
        token = _bearer_token(request)
        if token and self._tokens:
            name = self._tokens.name_of(token)
            if name is not None:
                return name
        elif self._open_on_loopback and _is_loopback(request):
            return "loopback"
        self._unauthorized.note()
        raise UnauthorizedError(
            "send `Authorization: Bearer` with a token of this service"
            if self._tokens
            else f"closed: set {_SETTING} to a file of tokens, or set "
            "ORCHESTRATOR_METRICS_ACCESS__OPEN_ON_LOOPBACK=true lets this machine in"
        )

    def admit(self, request: Request) -> None:
        """Let a client in that has not asked too often."""
        client = self.identify(request)
        if self._limiter.hit(self._limit, client):
            return
        self._rate_limited.note()
        reset, _ = self._limiter.get_window_stats(self._limit, client)
        raise RateLimitedError(
            f"more than {self._limit.amount} requests a minute; ask less often, or read the stream",
            max(1, int(reset - time.time()) + 1),
        )


class Operators:
    """Those who may change how the service runs; nobody without a token, wherever from."""

    def __init__(self, tokens_file: Path | None) -> None:
        self._tokens = Tokens(tokens_file, _OPERATORS_SETTING) if tokens_file else None

    def identify(self, request: Request) -> str:
        """The name of the token. Raises UnauthorizedError."""
        token = _bearer_token(request)
        name = self._tokens.name_of(token) if token and self._tokens else None
        if name is None:
            raise UnauthorizedError(
                "send `Authorization: Bearer` with an operator's token"
                if self._tokens
                else f"closed: set {_OPERATORS_SETTING} to a file of tokens"
            )
        return name


def _bearer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
