"""What the service depends on: the database and the upstreams, each asked whether it is up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from app.clients.upstream import Breakers, Upstream
from app.core.catalogue import BreakerState, Component
from app.core.database import Database
from app.models import now
from app.services.database_start import DatabaseStart


@dataclass(frozen=True, slots=True)
class DependencyState:
    """Whether a dependency is up; ``reason`` says what is wrong, None where it is up.

    One that has asked not to be called isn't up, whatever it answers to a look at its health. The
    database has no breaker.
    """

    up: bool
    reason: str | None
    breaker: BreakerState | None = None


class DependencyProbe:
    """Asks the database and every upstream at once."""

    def __init__(
        self,
        database: Database,
        start: DatabaseStart,
        upstreams: Mapping[Component, Upstream],
        breakers: Breakers,
    ) -> None:
        self._database = database
        self._start = start
        self._upstreams = upstreams
        self._breakers = breakers

    async def states(self, seconds: float) -> dict[Component, DependencyState]:
        """The state of each, within ``seconds`` and a moment, whatever hangs."""
        database, *upstreams = await asyncio.gather(
            self._database.health(seconds),
            *(upstream.health(seconds) for upstream in self._upstreams.values()),
        )
        # It may answer and still be of no use, as when its tables are being upgraded.
        database = database or self._start.waits_for
        found = {Component.DATABASE: DependencyState(database is None, database)}
        for component, told in zip(self._upstreams, upstreams, strict=True):
            reason = told or _asked_to_wait(self._upstreams[component])
            breaker = self._breakers.state(component)
            found[component] = DependencyState(reason is None, reason, breaker)
        return found


def _asked_to_wait(upstream: Upstream) -> str | None:
    if not (seconds := upstream.seconds_asked_for):
        return None
    until = now() + timedelta(seconds=seconds)
    return f"asked to be left alone until {until:%Y-%m-%dT%H:%M:%SZ}"
