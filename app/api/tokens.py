"""Tokens in files: whose each is, and what it is for.

Without anything of HTTP, so that what supervises workers need not load that to check the files.
"""

import hmac
import time
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from app.core.config import Settings
from app.core.environment import SettingsError
from app.core.errors import ForbiddenError, InvalidRequestError
from app.core.events import MetricsTokensNotRead, MetricsTokensRead
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger
from asgi_observability.nearest import did_you_mean

log = get_logger(__name__)

READ_AGAIN_SECONDS = 1.0
METRICS_SETTING = "ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE"
OPERATORS_SETTING = "ORCHESTRATOR_LOGS__TOKENS_FILE"
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
        (settings.metrics_access.tokens_file, METRICS_SETTING),
        (settings.logs.tokens_file, OPERATORS_SETTING),
    ):
        if file:
            Tokens(file, setting)
