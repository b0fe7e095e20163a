"""Quantiles within 2 % of exact, whatever the data, the range and the writers."""

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core import catalogue
from app.core.config import RollupSettings
from app.services.rollups.sketch import binned, quantile, sorted_bins
from app.services.rollups.totals import Total
from tests.clock import Clock
from tests.length import LONG, only_long
from tests.test_services.test_rollups.conftest import METRICS, NOON, Writer, database_at

QUANTILES = (0.0, 0.5, 0.9, 0.99, 1.0)
METRIC = catalogue.SMS_PROCESSING_DURATION
SHAPES: dict[str, Callable[[random.Random], float]] = {
    "log-normal": lambda rng: rng.lognormvariate(-0.5, 0.8),
    "bimodal": lambda rng: rng.gauss(0.02, 0.002) if rng.random() < 0.7 else rng.gauss(3.0, 0.3),
    "constant": lambda rng: 0.25,
}


def assert_close(total: Total, values: list[float]) -> None:
    """Each quantile is within 2 % of the observation of that rank, or of its neighbour's."""
    ordered = sorted(values)
    for q in QUANTILES:
        rank = q * (len(ordered) - 1)
        low, high = ordered[math.floor(rank)], ordered[math.ceil(rank)]
        found = total.quantile(q)
        assert found is not None
        assert low * 0.98 <= found <= high * 1.02, (q, found, low, high)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("minutes", [1, 7, 60, pytest.param(26 * 60, marks=only_long)])
async def test_at_every_range_over_writers(
    writer: Callable[..., Writer], clock: Clock, shape: str, minutes: int
) -> None:
    rng = random.Random(f"{shape} {minutes}")
    clock.now = NOON - 86400
    workers = [writer(str(number), max_unwritten_minutes=10_000) for number in range(3)]
    values = []
    for _ in range(minutes):
        for worker in workers:
            for _ in range(max(2, 3000 // minutes // 3)):
                values.append(SHAPES[shape](rng))
                worker.process(values[-1])
        clock.now += 60
    for worker in workers:
        await worker.rollups.finish()
    clock.now += 3600
    start = NOON - 86400
    (totals,) = await workers[0].rollups.read([(start, start + minutes * 60)], METRICS)
    total = totals.of(METRIC)
    assert total.count == len(values)
    assert total.sum == pytest.approx(math.fsum(values))
    assert (total.minimum, total.maximum) == (min(values), max(values))
    assert_close(total, values)


@settings(
    max_examples=200 if LONG else 20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parts=st.lists(
        st.lists(st.floats(1e-6, 1e6, allow_nan=False), min_size=1, max_size=60),
        min_size=1,
        max_size=8,
    )
)
async def test_any_values_in_any_minutes(
    clock: Clock, tmp_path_factory: pytest.TempPathFactory, parts: list[list[float]]
) -> None:
    database = database_at(f"sqlite:///{tmp_path_factory.mktemp('any')}/rollups.db")
    clock.now = NOON
    worker = Writer(database, "w", RollupSettings())
    for values in parts:
        worker.process(*values)
        clock.now += 60
    (totals,) = await worker.rollups.read([(NOON, NOON + 600)], METRICS)
    assert_close(totals.of(METRIC), [value for values in parts for value in values])
    await database.close()


@given(st.lists(st.floats(-1, 1e9, allow_nan=False), min_size=1, max_size=200))
def test_zero_and_below_share_a_bin_of_their_own(values: list[float]) -> None:
    keys, counts = sorted_bins(binned(values))
    assert counts.sum() == len(values)
    ordered = sorted(max(value, 0.0) for value in values)
    for q in QUANTILES:
        exact = ordered[math.floor(q * (len(ordered) - 1))]
        assert quantile(keys, counts, q) == pytest.approx(exact, rel=0.02, abs=1e-8)
