"""What happened in each step of a past: how many of each thing, all of it consistent."""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from app.core.catalogue import ApprovalAction, EscalationType, Route, Severity
from simulator.history.outcomes import Outcome, outcomes
from simulator.history.past import IncidentKind, Past
from simulator.managers import APPROVED_AT_ONCE, DECISIONS, LATER_SECONDS, PAUSE_SECONDS

Counts = NDArray[np.int64]
"""How many, in each step."""
Key = TypeVar("Key")


class Workload:
    """Counts by step of ``past``, drawn from its traffic."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.times = np.asarray(past.timestamps(), dtype=np.int64)
        self.slowness = self._factor(IncidentKind.LATENCY)
        self.restarts = np.searchsorted(self.times, [int(r.timestamp()) for r in past.restarts])

    def rng(self, subject: str) -> np.random.Generator:
        """The draws of one subject, which don't depend on what else is drawn."""
        return np.random.default_rng((self.past.seed, zlib.crc32(subject.encode())))

    def some(self, subject: str, of: Counts, share: float | NDArray[np.float64]) -> Counts:
        """How many of ``of`` are what has this share."""
        return self.rng(subject).binomial(of, share)

    @cached_property
    def received(self) -> Counts:
        """SMS accepted."""
        moments = (datetime.fromtimestamp(at, UTC) for at in self.times.tolist())
        per_minute = np.array([self.past.traffic(moment) for moment in moments])
        per_step = per_minute * self.past.step_seconds / 60
        return self.rng("received").poisson(per_step * self._factor(IncidentKind.VOLUME))

    @cached_property
    def _outcomes(self) -> list[tuple[Outcome, Counts]]:
        shares = outcomes()
        drawn = self.rng("outcomes").multinomial(self.received, list(shares.values()))
        return list(zip(shares, drawn.T, strict=True))

    def by(self, what: Callable[[Outcome], Key | None]) -> dict[Key, Counts]:
        """SMS by something of their outcome, without those of which it is None."""
        found: dict[Key, Counts] = {}
        for way, counts in self._outcomes:
            if (key := what(way)) is not None:
                found[key] = found.get(key, 0) + counts
        return found

    @cached_property
    def routed(self) -> dict[Route, Counts]:
        """SMS by where they ended, failed ones included."""
        return self.by(lambda way: way.route)

    @cached_property
    def decided(self) -> Counts:
        """Decisions of managers, some soon and the others later."""
        queued = self.routed[Route.QUEUED]
        soon = self.some("soon", queued, APPROVED_AT_ONCE)
        return self._later(soon, PAUSE_SECONDS) + self._later(queued - soon, LATER_SECONDS)

    @cached_property
    def decisions(self) -> dict[ApprovalAction, Counts]:
        """Decisions by action."""
        usual = DECISIONS[ApprovalAction.APPROVE]
        approve = np.minimum(usual * self._factor(IncidentKind.APPROVAL), 1)
        others = (1 - approve) / (1 - usual)
        shares = {action: share * others for action, share in DECISIONS.items()}
        shares[ApprovalAction.APPROVE] = approve
        drawn = self.rng("decisions").multinomial(self.decided, np.transpose([*shares.values()]))
        return dict(zip(shares, drawn.T, strict=True))

    @cached_property
    def escalated(self) -> dict[tuple[EscalationType, Severity], Counts]:
        """Escalations by type and severity."""
        asked = EscalationType.MANAGER_REQUEST, Severity.MEDIUM
        by_manager = self.decisions[ApprovalAction.ESCALATE]
        return {asked: by_manager, **self.by(lambda way: way.escalated)}

    def _factor(self, kind: IncidentKind) -> NDArray[np.float64]:
        """By what the incidents of this kind multiply what is usual, in each step."""
        product = np.ones(len(self.times))
        for incident in self.past.incidents:
            if incident.kind is kind:
                start, end = incident.start.timestamp(), incident.end.timestamp()
                product[(self.times >= start) & (self.times < end)] *= incident.factor
        return product

    def _later(self, counts: Counts, seconds: tuple[float, float]) -> Counts:
        """``counts``, each later by the mean of ``seconds``; what is left at the end is dropped."""
        then = self.times - sum(seconds) / 2
        total = np.interp(then, self.times, np.cumsum(counts), left=0).astype(np.int64)
        moved: Counts = np.diff(total, prepend=0)
        return moved
