"""What happened in each step of a past: how many of each thing, all of it consistent."""

import zlib
from collections.abc import Mapping, Sequence
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
)
from simulator.history.past import IncidentKind, Past

Counts = NDArray[np.int64]
"""How many, in each step."""

# What the simulated upstreams and managers do (ai_provider.py, managers.py).
_FAILED_SHARE = 0.0008
_CONFIDENCE_SHARES = {Route.AUTO_SENT: 0.70, Route.QUEUED: 0.22, Route.ESCALATED: 0.08}
_ROUTING_LIMITS = (0.60, 0.85)
_TRIGGERED = {
    EscalationType.HOSTILE_LANGUAGE: 0.004,
    EscalationType.PAYMENT_DISPUTE: 0.008,
    EscalationType.UNREALISTIC_PROPOSAL: 0.003,
}
_APPROVED = 0.75
_MODIFIED_OF_REST = 0.6
_PLAN_SHARE = 0.12
_PLAN_RESULTS = {PlanResult.VALID: 0.55, PlanResult.NEEDS_REVIEW: 0.3, PlanResult.INVALID: 0.15}
# Half of the answers are decided on after a short wait, the others after a long one.
_DECIDED_AFTER_SECONDS = (300, 900)


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

    def split(self, subject: str, of: Counts, shares: Mapping[str, float]) -> dict[str, Counts]:
        """``of`` divided by ``shares``, which add up to 1."""
        drawn = self.rng(subject).multinomial(of, list(shares.values()))
        return dict(zip(shares, drawn.T, strict=True))

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
    def confidences(self) -> NDArray[np.int64]:
        """Answers by bucket of their confidence, one column a bucket."""
        return self.rng("confidence").multinomial(self.answered, _confidence_shares())

    @cached_property
    def triggered(self) -> dict[str, Counts]:
        """Escalations that the text of a message calls for, by type."""
        return {kind: self.some(kind, self.answered, share) for kind, share in _TRIGGERED.items()}

    @cached_property
    def routed(self) -> dict[str, Counts]:
        """SMS by where they ended, failed ones included; a trigger beats confidence."""
        bounds = np.array(AI_CONFIDENCE.buckets)
        low, high = _ROUTING_LIMITS
        columns = {
            Route.AUTO_SENT: bounds > high,
            Route.QUEUED: (bounds > low) & (bounds <= high),
        }
        kept = self.answered - sum(self.triggered.values(), start=np.zeros_like(self.answered))
        share = kept / np.maximum(self.answered, 1)
        routes: dict[str, Counts] = {
            route: self.some(f"routed {route}", self.confidences[:, columns_of].sum(1), share)
            for route, columns_of in columns.items()
        }
        escalated = self.answered - routes[Route.AUTO_SENT] - routes[Route.QUEUED]
        return {**routes, Route.ESCALATED: escalated, Route.FAILED: self.failed}

    @cached_property
    def decided(self) -> Counts:
        """Decisions of managers."""
        queued = self.routed[Route.QUEUED]
        soon = self.some("decided soon", queued, 0.5)
        return sum(
            (
                later(part, wait // self.past.step_seconds)
                for part, wait in zip((soon, queued - soon), _DECIDED_AFTER_SECONDS, strict=True)
            ),
            start=np.zeros_like(queued),
        )

    @cached_property
    def decisions(self) -> dict[str, Counts]:
        """Decisions by action."""
        approved = self.some("approved", self.decided, np.minimum(_APPROVED * self._approval, 1))
        rest = self.decided - approved
        modified = self.some("modified", rest, _MODIFIED_OF_REST)
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
    def escalated(self) -> dict[str, Counts]:
        """Escalations by type."""
        triggered = sum(self.triggered.values(), start=np.zeros_like(self.answered))
        return {
            **self.triggered,
            EscalationType.LOW_CONFIDENCE: np.maximum(self.routed[Route.ESCALATED] - triggered, 0),
            EscalationType.MANAGER_REQUEST: self.decisions[ApprovalAction.ESCALATE],
        }

    @cached_property
    def plans(self) -> dict[str, Counts]:
        """Payment plans found, by the result of their validation."""
        found = self.some("plans", self.answered, _PLAN_SHARE)
        return self.split("plan results", found, {k.value: v for k, v in _PLAN_RESULTS.items()})

    @cached_property
    def plans_found(self) -> Counts:
        """Payment plans found."""
        return sum(self.plans.values(), start=np.zeros_like(self.answered))


def later(counts: Counts, steps: int) -> Counts:
    """``counts``, each as many steps later; what would fall behind the end is dropped."""
    moved = np.zeros_like(counts)
    moved[steps:] = counts[: len(counts) - steps]
    return moved


def _confidence_shares() -> Sequence[float]:
    """The share of answers in each bucket of confidence: even within a route."""
    low, high = _ROUTING_LIMITS
    lowest = 0.25
    widths: list[float] = []
    below = 0.0
    for bound in AI_CONFIDENCE.buckets:
        if bound > high:
            route, span = Route.AUTO_SENT, 1 - high
        elif bound > low:
            route, span = Route.QUEUED, high - low
        else:
            route, span = Route.ESCALATED, low - lowest
        inside = bound - max(below, lowest if route is Route.ESCALATED else 0)
        widths.append(max(0.0, inside) / span * _CONFIDENCE_SHARES[route])
        below = bound
    return [width / sum(widths) for width in widths]
