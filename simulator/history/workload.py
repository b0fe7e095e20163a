"""What happened in each step of a past: how many of each thing, all of it consistent."""

import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.core.catalogue import (
    AI_CONFIDENCE,
    ApprovalAction,
    EscalationType,
    PlanResult,
    Route,
    Severity,
)
from simulator.ai_provider import CONFIDENCES
from simulator.history.distributions import Even
from simulator.history.outcomes import Outcome, outcomes
from simulator.history.past import IncidentKind, Past
from simulator.managers import (
    APPROVED_AT_ONCE,
    DECISIONS,
    LATER_SECONDS,
    PAUSE_SECONDS,
    RESOLVED_AT_ONCE,
)

Counts = NDArray[np.int64]
"""How many, in each step."""

_FAILED_SHARE = 0.0008
_NOT_APPROVED = 1 - DECISIONS[ApprovalAction.APPROVE]


class Workload:
    """Counts by step of ``past``, drawn from its traffic."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.times = np.asarray(past.timestamps(), dtype=np.int64)
        moments = [datetime.fromtimestamp(second, UTC) for second in past.timestamps()]
        self._per_step = np.array([past.traffic(moment) for moment in moments]) * (
            past.step_seconds / 60
        )
        self.slowness = np.array([past.factor(IncidentKind.LATENCY, m) for m in moments])
        self._approval = np.array([past.factor(IncidentKind.APPROVAL, m) for m in moments])
        self.restarts = np.searchsorted(self.times, [int(r.timestamp()) for r in past.restarts])

    def rng(self, subject: str) -> np.random.Generator:
        """The draws of one subject, which don't depend on what else is drawn."""
        return np.random.default_rng((self.past.seed, zlib.crc32(subject.encode())))

    def some(self, subject: str, of: Counts, share: float | NDArray[np.float64]) -> Counts:
        """How many of ``of`` are what has this share."""
        return self.rng(subject).binomial(of, share)

    def sum_of(self, parts: Iterable[Counts]) -> Counts:
        """``parts`` together; zeros where there are none."""
        return sum(parts, start=np.zeros(len(self.times), dtype=np.int64))

    @cached_property
    def received(self) -> Counts:
        """SMS accepted."""
        return self.rng("received").poisson(self._per_step)

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

    @cached_property
    def confidences(self) -> NDArray[np.int64]:
        """Answers by bucket of their confidence, one column a bucket and one above."""
        return self._confidences[0]

    @cached_property
    def confidence_sums(self) -> NDArray[np.float64]:
        """The confidences of the answers of each step, added up."""
        return self._confidences[1]

    @cached_property
    def _confidences(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        bounds = AI_CONFIDENCE.buckets
        rng = self.rng("confidence")
        in_buckets = np.zeros((len(self.times), len(bounds) + 1), dtype=np.int64)
        sums = np.zeros(len(self.times))
        for place, (_, low, high) in enumerate(CONFIDENCES):
            scattered = Even(((1, low, high),))
            answers = self.sum_of(n for way, n in self.outcomes if way.confidence == place)
            drawn = rng.multinomial(answers, scattered.shares(bounds))
            in_buckets += drawn
            sums += drawn @ scattered.means(bounds)
        return in_buckets, sums

    @cached_property
    def routed(self) -> dict[str, Counts]:
        """SMS by where they ended, failed ones included."""
        routes = (Route.AUTO_SENT, Route.QUEUED, Route.ESCALATED)
        answered: dict[str, Counts] = {
            route: self.sum_of(n for way, n in self.outcomes if way.route is route)
            for route in routes
        }
        return {**answered, Route.FAILED: self.failed}

    @cached_property
    def decided(self) -> Counts:
        """Decisions of managers."""
        return self._acted_on("approvals", self.routed[Route.QUEUED], APPROVED_AT_ONCE)

    @cached_property
    def decisions(self) -> dict[str, Counts]:
        """Decisions by action."""
        share = np.minimum(DECISIONS[ApprovalAction.APPROVE] * self._approval, 1)
        approved = self.some("approved", self.decided, share)
        rest = self.decided - approved
        modified = self.some("modified", rest, DECISIONS[ApprovalAction.MODIFY] / _NOT_APPROVED)
        return {
            ApprovalAction.APPROVE: approved,
            ApprovalAction.MODIFY: modified,
            ApprovalAction.ESCALATE: rest - modified,
        }

    @cached_property
    def waiting(self) -> Counts:
        """Answers that wait for a manager at the end of the step."""
        return np.cumsum(self.routed[Route.QUEUED] - self.decided)

    @cached_property
    def escalated(self) -> dict[tuple[EscalationType, Severity], Counts]:
        """Escalations by type and severity."""
        found: dict[tuple[EscalationType, Severity], Counts] = {
            (EscalationType.MANAGER_REQUEST, Severity.MEDIUM): self.decisions[
                ApprovalAction.ESCALATE
            ]
        }
        for way, counts in self.outcomes:
            if way.route is Route.ESCALATED:
                # Without a trigger it was the low confidence.
                kind = (
                    (way.trigger.type, way.trigger.severity)
                    if way.trigger
                    else (EscalationType.LOW_CONFIDENCE, Severity.LOW)
                )
                found[kind] = found.get(kind, 0) + counts
        return found

    @cached_property
    def resolved(self) -> dict[tuple[EscalationType, Severity], Counts]:
        """Escalations that managers have closed, by type and severity."""
        return {
            kind: self._acted_on(f"resolved {kind}", counts, RESOLVED_AT_ONCE)
            for kind, counts in self.escalated.items()
        }

    @cached_property
    def plans(self) -> dict[str, Counts]:
        """Payment plans found, by the result of their validation."""
        return {
            result.value: self.sum_of(n for way, n in self.outcomes if way.plan is result)
            for result in PlanResult
        }

    @cached_property
    def plans_auto_approved(self) -> Counts:
        """Valid payment plans that were confirmed without a manager."""
        return self.sum_of(
            counts
            for way, counts in self.outcomes
            if way.plan is PlanResult.VALID and way.route is Route.AUTO_SENT
        )

    @cached_property
    def plans_found(self) -> Counts:
        """Payment plans found."""
        return self.sum_of(self.plans.values())

    def _acted_on(self, subject: str, told: Counts, at_once: float) -> Counts:
        """What managers do about what they are told: this share of it soon, the rest later."""
        soon = self.some(f"{subject} soon", told, at_once)
        return self._later(soon, PAUSE_SECONDS) + self._later(told - soon, LATER_SECONDS)

    def _later(self, counts: Counts, seconds: tuple[float, float]) -> Counts:
        """``counts``, each later by the mean of ``seconds``; what is left at the end is dropped."""
        steps = round(sum(seconds) / 2 / self.past.step_seconds)
        moved = np.zeros_like(counts)
        moved[steps:] = counts[: max(len(counts) - steps, 0)]
        return moved


def managers_take(at_once: float) -> Even:
    """How long managers take, who act on this share of what they are told soon."""
    return Even(((at_once, *PAUSE_SECONDS), (1 - at_once, *LATER_SECONDS)))


def by_severity(
    escalations: Mapping[tuple[EscalationType, Severity], Counts], severity: Severity
) -> list[Counts]:
    """Those of one severity, of every type."""
    return [counts for (_, other), counts in escalations.items() if other is severity]
