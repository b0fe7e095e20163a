"""What the service depends on: the database and the upstreams, each asked whether it is up."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from app.clients.upstream import Breakers, Upstream
from app.core.catalogue import BreakerState, Component
from app.core.database import Database
from app.services.database_start import DatabaseStart


@dataclass(frozen=True, slots=True)
class DependencyState:
    """Whether a dependency is up; ``reason`` says what is wrong, None where it is up.

    The database has no breaker.
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
        for component, reason in zip(self._upstreams, upstreams, strict=True):
            breaker = self._breakers.state(component)
            found[component] = DependencyState(reason is None, reason, breaker)
        return found
