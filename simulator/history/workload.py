"""What happened in each step of a past: how many of each thing, all of it consistent."""

import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
EscalationKind = tuple[EscalationType, Severity]
Key = TypeVar("Key")

LOOKED_AT_SECONDS = 300
"""Prometheus sees a sample for five minutes, so what is read over weeks is read this often."""

_FAILED_SHARE = 0.0008
_NOT_APPROVED = 1 - DECISIONS[ApprovalAction.APPROVE]


class Workload:
    """Counts by step of ``past``, drawn from its traffic.

    The last part, ``recent``, has every step. Before it there are only those that somebody reads:
    in each five minutes, counted back from the end, the ``places`` 0, 1 and the last. That is the
    least with which a rate over a minute or over five is right every five minutes: Prometheus
    extends a rate to the beginning of its range where no more is missing there than lies between
    two samples.
    """

    def __init__(self, past: Past, recent: timedelta) -> None:
        self.past = past
        step = past.step_seconds
        every = np.asarray(past.timestamps(), dtype=np.int64)
        back = np.arange(len(every) - 1, -1, -1)
        period = max(1, LOOKED_AT_SECONDS // step)
        self.last_place = period - 1
        is_recent = back * step < recent.total_seconds()
        kept = is_recent | np.isin(back % period, (0, min(1, period - 1), self.last_place))
        self.times = every[kept]
        self.is_recent = is_recent[kept]
        self.places = back[kept] % period
        self.seconds = np.diff(self.times, prepend=every[0] - step)
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
        # The traffic of a moment holds for five minutes: to work it out takes longer than to draw.
        marks, of_mark = np.unique(self.times // LOOKED_AT_SECONDS, return_inverse=True)
        moments = [datetime.fromtimestamp(int(mark) * LOOKED_AT_SECONDS, UTC) for mark in marks]
        per_minute = np.array([self.past.traffic(moment) for moment in moments])[of_mark]
        expected = per_minute * self._factor(IncidentKind.VOLUME) * self.seconds / 60
        return self.rng("received").poisson(expected)

    @cached_property
    def failed(self) -> Counts:
        """Workflows that failed because the AI didn't answer."""
        return self.some("failed", self.received, _FAILED_SHARE)

    @cached_property
    def answered(self) -> Counts:
        """SMS for which the AI has written an answer."""
        return self.received - self.failed

    @cached_property
    def outcomes(self) -> list[tuple[Outcome, Counts]]:
        """Answered SMS by what became of them."""
        ways = outcomes()
        drawn = self.rng("outcomes").multinomial(self.answered, [way.share for way in ways])
        return list(zip(ways, drawn.T, strict=True))

    def by(self, what: Callable[[Outcome], Key]) -> dict[Key, Counts]:
        """Answered SMS by something of their outcome."""
        found: dict[Key, Counts] = {}
        for way, counts in self.outcomes:
            key = what(way)
            found[key] = found[key] + counts if key in found else counts
        return found

    @cached_property
    def routed(self) -> dict[Route, Counts]:
        """SMS by where they ended, failed ones included."""
        return {**self.by(lambda way: way.route), Route.FAILED: self.failed}

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
        share = np.minimum(usual * self._factor(IncidentKind.APPROVAL), 1)
        approved = self.some("approved", self.decided, share)
        rest = self.decided - approved
        modified = self.some("modified", rest, DECISIONS[ApprovalAction.MODIFY] / _NOT_APPROVED)
        return {
            ApprovalAction.APPROVE: approved,
            ApprovalAction.MODIFY: modified,
            ApprovalAction.ESCALATE: rest - modified,
        }

    @cached_property
    def escalated(self) -> dict[EscalationKind, Counts]:
        """Escalations by type and severity."""
        asked = EscalationType.MANAGER_REQUEST, Severity.MEDIUM
        found = {kind: counts for kind, counts in self.by(_escalation).items() if kind}
        return {asked: self.decisions[ApprovalAction.ESCALATE], **found}

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


def _escalation(way: Outcome) -> EscalationKind | None:
    if way.route is not Route.ESCALATED:
        return None
    if way.trigger:
        return way.trigger.type, way.trigger.severity
    # Then it was the low confidence.
    return EscalationType.LOW_CONFIDENCE, Severity.LOW
