"""Every query of every dashboard, asked of a stack that runs and has its five weeks of history."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from alerts import paths
from dashboards.house_style import SERIES_AT_MOST
from dashboards.queries import BUILT_IN, filled_in, is_prometheus, panels, variables
from tests.test_stack.native_stack import QUICK, Stack
from tests.waiting import until

DOCUMENTS = {
    file.stem: json.loads(file.read_text()) for file in sorted(paths.DASHBOARDS.glob("*.json"))
}
POINTS = 240
"""Of a line on a panel of usual width."""
SAMPLES_AT_MOST = 2_000_000
"""That one query may look at. Prometheus takes about 10 million a second on one core."""
KNOWN_WITHIN_SECONDS = 90
"""Rules are evaluated once a minute; what reads them follows a minute later."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack as `make up` starts it, history included."""
    stack = Stack(tmp_path_factory.mktemp("state"), {**QUICK, "HISTORY": "on"})
    try:
        started = stack.run("up")
        assert started.returncode == 0, started.stderr
        yield stack
    finally:
        stack.run("down")


@dataclass(frozen=True, slots=True)
class Answer:
    """What Prometheus says to one query of a panel."""

    series: int
    samples: int


class Prometheus:
    """The stack's Prometheus, asked as Grafana asks it."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=60)

    def ask(self, document: dict[str, Any], panel: dict[str, Any], expr: str) -> Answer:
        """Over the range that the dashboard opens with; AssertionError says what it refused."""
        length = _seconds(panel.get("timeFrom") or document["time"]["from"].removeprefix("now-"))
        step = max(15, length // POINTS)
        built_in = BUILT_IN | {
            "__interval": f"{step}s",
            "__rate_interval": f"{max(step + 15, 60)}s",
            "__range": f"{length}s",
        }
        values = {**dict.fromkeys(variables(document), ".+"), **built_in}
        now = time.time()
        form = {
            "query": filled_in(expr, values, panel["title"]),
            "start": now - length,
            "end": now,
            "step": step,
            "stats": "true",
        }
        body = self._client.post("/api/v1/query_range", data=form).json()
        assert body["status"] == "success", f"{panel['title']}: {body.get('error')}"
        samples = body["data"]["stats"]["samples"]["totalQueryableSamples"]
        return Answer(len(body["data"]["result"]), samples)


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_no_panel_is_empty_or_costly(name: str, stack: Stack) -> None:
    document = DOCUMENTS[name]
    prometheus = Prometheus(stack.addresses.prometheus)
    asking = [panel for panel in panels(document) if is_prometheus(panel)]
    must_answer = [p for p in asking if "noValue" not in p["fieldConfig"]["defaults"]]

    def empty() -> list[str]:
        return [
            f"{panel['title']} ({target['refId']})"
            for panel in must_answer
            for target in panel["targets"]
            if not prometheus.ask(document, panel, target["expr"]).series
        ]

    try:
        await until(lambda: not empty(), KNOWN_WITHIN_SECONDS)
    except AssertionError:
        pytest.fail(f"nothing to see, and no text for that: {', '.join(empty())}")
    for panel in asking:
        answers = [prometheus.ask(document, panel, t["expr"]) for t in panel["targets"]]
        drawn = sum(answer.series for answer in answers)
        assert drawn <= SERIES_AT_MOST[panel["type"]], f"{panel['title']}: {drawn} series"
        for answer in answers:
            assert answer.samples <= SAMPLES_AT_MOST, f"{panel['title']}: {answer.samples} samples"


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[text[-1]]
