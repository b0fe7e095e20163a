"""A native stack with its synthetic past: trends and bands at once, and no panel empty."""

import json
import time
from collections.abc import Iterator

import pytest

from alerts import paths
from alerts.exporters import SYNTHETIC_HISTORY
from alerts.signals import seasonality, slo, throughput
from app.core.catalogue import SMS_RECEIVED
from prometheus_tools.api import PrometheusAPI
from tests.length import only_long
from tests.test_stack import short_waits
from tests.test_stack.native_stack import QUICK, Stack
from tests.test_stack.panel_queries import PanelQueries
from tests.waiting import until

DAY = 86400
DASHBOARDS = {
    file.stem: json.loads(file.read_text()) for file in sorted(paths.DASHBOARDS.glob("*.json"))
}


# Five weeks, and every panel over them, take more of the processors than any other test.
pytestmark = only_long


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("state"), {**QUICK, "HISTORY": "on"})
    try:
        started = stack.run("up")
        assert started.returncode == 0, started.stderr
        assert "no history" not in started.stdout + started.stderr
        yield stack
    finally:
        stack.run("down")


def test_trends_and_bands_are_there_at_once(stack: Stack) -> None:
    with PrometheusAPI(stack.addresses.prometheus) as prometheus:
        now = int(time.time())
        for record in (
            seasonality.UPPER,
            throughput.RATE_1D,
            throughput.GROWTH_1W,
            slo.BUDGET_LEFT,
        ):
            assert prometheus.range(record.name, now, now, 1), record.name
        weeks = prometheus.range(seasonality.WEEKS_KNOWN.name, now, now, 1)
        assert {value for points in weeks for value in points.values.values()} == {4}
        # Made up until shortly before the start, and not since.
        (made_up,) = prometheus.range(
            f"max by (job) ({SYNTHETIC_HISTORY.name})", now - 35 * DAY, now, 300
        )
        assert made_up.labels == {"job": "orchestrator"}
        assert len(made_up.values) > 34 * DAY / 300
        (live,) = prometheus.range(SMS_RECEIVED.name, now - 35 * DAY, now, DAY)
        assert live.labels["instance"] == f"127.0.0.1:{stack.variables['APP_PORT']}"


@pytest.mark.parametrize("name", DASHBOARDS)
async def test_no_panel_is_empty_without_saying_why_or_costly(name: str, stack: Stack) -> None:
    # Some rules are evaluated once in five minutes.
    await short_waits.give(stack)
    with PanelQueries(DASHBOARDS[name], stack.addresses.prometheus) as asked:
        try:
            # One record reads another: not all of them are there after the first evaluation.
            await until(lambda: not asked.unexplained(), seconds=420)
        except AssertionError:
            pytest.fail(f"empty, and no text for that: {', '.join(asked.unexplained())}")
        assert asked.costly() == []
