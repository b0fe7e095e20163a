"""What is said of how values scatter, beside values that are drawn."""

from random import Random

import numpy as np
import pytest

from app.core import catalogue
from simulator import ai_provider, collections_monitor, sms_agent
from simulator.ai_provider import CONFIDENCES, draw_confidence
from simulator.history.distributions import Distribution, Even, LogNormal
from tests.not_empty import not_empty

DRAWN = 20_000


def _is_near(distribution: Distribution, drawn: np.ndarray, bounds: tuple[float, ...]) -> None:
    shares, means = distribution.shares(bounds), distribution.means(bounds)
    assert sum(shares) == pytest.approx(1)
    buckets = np.searchsorted(bounds, drawn)
    for place, (share, mean) in not_empty(enumerate(zip(shares, means, strict=True))):
        within = drawn[buckets == place]
        assert len(within) / len(drawn) == pytest.approx(share, abs=0.02)
        if share > 0.02:
            assert within.mean() == pytest.approx(mean, rel=0.02)


def test_what_an_sms_takes_is_what_its_calls_take() -> None:
    rng = Random(1)
    calls = [collections_monitor.LATENCY, sms_agent.LATENCY, ai_provider.LATENCY, sms_agent.LATENCY]
    drawn = np.array([sum(call.draw(rng) for call in calls) + 0.03 for _ in range(DRAWN)])
    total = LogNormal.total([LogNormal.of(call) for call in calls], 0.03)
    _is_near(total, drawn, catalogue.REQUEST_SECONDS)
    # The median, and what nine in ten stay below.
    assert total.shares([float(np.quantile(drawn, 0.5))])[0] == pytest.approx(0.5, abs=0.02)
    assert total.shares([float(np.quantile(drawn, 0.9))])[0] == pytest.approx(0.9, abs=0.02)


def test_confidences_are_those_of_the_simulated_ai() -> None:
    rng = Random(2)
    drawn = np.array([draw_confidence(rng, low=False) for _ in range(DRAWN)])
    _is_near(Even(CONFIDENCES), drawn, catalogue.AI_CONFIDENCE.buckets)


@pytest.mark.parametrize("distribution", [LogNormal(0.4, 1.3), Even(((1, 0.2, 0.6),))])
def test_three_times_as_slow_is_three_times_as_long(distribution: Distribution) -> None:
    bounds = catalogue.REQUEST_SECONDS
    usual, slow = (
        sum(
            share * mean
            for share, mean in zip(
                distribution.shares(bounds, slowness),
                distribution.means(bounds, slowness),
                strict=True,
            )
        )
        for slowness in (1, 3)
    )
    assert slow == pytest.approx(3 * usual, rel=0.001)
