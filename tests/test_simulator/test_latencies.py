"""What is said of how durations scatter, beside durations that are drawn."""

from random import Random

import numpy as np
import pytest

from asgi_observability import catalogue as layer
from simulator import ai_provider, collections_monitor, sms_agent
from simulator.history.scatter import Scatter
from simulator.latency import Latency

DRAWN = 20_000


def test_what_an_sms_takes_is_what_its_calls_take() -> None:
    rng = Random(1)
    calls = [collections_monitor.LATENCY, sms_agent.LATENCY, ai_provider.LATENCY, sms_agent.LATENCY]
    drawn = np.array([sum(call.draw(rng) for call in calls) + 0.03 for _ in range(DRAWN)])
    total = Scatter.of_calls(*calls, own_seconds=0.03)
    assert total.mean == pytest.approx(drawn.mean(), rel=0.02)
    bounds = layer.REQUEST_SECONDS
    buckets = np.bincount(np.searchsorted(bounds, drawn), minlength=len(bounds) + 1)
    shares, means = total.buckets(bounds)
    assert shares == pytest.approx(buckets / DRAWN, abs=0.02)
    assert (shares * means).sum() == pytest.approx(total.mean)
    # The median, and what nine in ten stay below.
    for share in (0.5, 0.9):
        (below, _), _ = total.buckets([float(np.quantile(drawn, share))])
        assert below == pytest.approx(share, abs=0.02)


def test_three_times_as_slow_is_three_times_as_long() -> None:
    usual, bounds = Scatter.of_calls(Latency(0.4, 1.3)), (0.2, 0.4, 0.8)
    shares, means = usual.buckets([3 * bound for bound in bounds], factor=3)
    usual_shares, usual_means = usual.buckets(bounds)
    assert shares == pytest.approx(usual_shares)
    assert means == pytest.approx(3 * usual_means)
    assert (usual_means > (0, *bounds)).all()
