"""The queries of dashboards' panels, asked of a real Prometheus as Grafana asks them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from alerts.prometheus_config import scrape_seconds
from dashboards.panels import SERIES_AT_MOST
from dashboards.panels.parts import NO_VALUE
from dashboards.preview.steps import step_seconds, time_variables
from dashboards.queries import filled_in, is_prometheus, of_all, panels

POINTS = 240
"""Of a line on a panel of usual width."""
SAMPLES_AT_MOST = 2_000_000
"""That one query may look at. Prometheus takes about 10 million a second on one core."""

Panel = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What Prometheus says to one query: how many series, and the samples it looked at."""

    series: int
    samples: int


class PanelQueries:
    """The panels of a dashboard's ``document`` on the Prometheus at ``url``."""

    def __init__(self, document: Mapping[str, Any], url: str) -> None:
        self._document = document
        self._client = httpx.Client(base_url=url, timeout=60)
        self._panels = [panel for panel in panels(document) if is_prometheus(panel)]
        self._answers: dict[tuple[int, str], Answer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def unexplained(self) -> list[str]:
        """The queries without an answer on panels that don't say why they may have none.

        Only those are asked that have had none so far.
        """
        return [
            f"{panel['title']} ({target['refId']})"
            for panel in self._panels
            if panel["fieldConfig"]["defaults"].get("noValue", NO_VALUE) == NO_VALUE
            for target in panel["targets"]
            if not self._answer(panel, target).series
        ]

    def costly(self) -> list[str]:
        """The panels that draw more than can be read, or make Prometheus read too much."""
        found = []
        for panel in self._panels:
            answers = [self._answer(panel, target) for target in panel["targets"]]
            drawn = sum(answer.series for answer in answers)
            if drawn > SERIES_AT_MOST[panel["type"]]:
                found.append(f"{panel['title']}: {drawn} series")
            found += [
                f"{panel['title']}: {answer.samples} samples"
                for answer in answers
                if answer.samples > SAMPLES_AT_MOST
            ]
        return found

    def _answer(self, panel: Panel, target: Mapping[str, Any]) -> Answer:
        """What Prometheus said, or else says now."""
        key = panel["id"], target["refId"]
        if key not in self._answers or not self._answers[key].series:
            self._answers[key] = self._ask(panel, target)
        return self._answers[key]

    def _ask(self, panel: Panel, target: Mapping[str, Any]) -> Answer:
        """Over the range of the panel, or now; AssertionError says what Prometheus refused."""
        since = panel.get("timeFrom") or self._document["time"]["from"].removeprefix("now-")
        length = _seconds(since)
        step = step_seconds(length, POINTS, scrape_seconds())
        built_in = time_variables(length, step, scrape_seconds())
        values = {**of_all(self._document), **built_in}
        now = time.time()
        form = {"query": filled_in(target["expr"], values, panel["title"]), "stats": "true"}
        if target.get("instant"):
            body = self._client.post("/api/v1/query", data=form | {"time": now}).json()
        else:
            over = {"start": now - length, "end": now, "step": step}
            body = self._client.post("/api/v1/query_range", data=form | over).json()
        assert body["status"] == "success", f"{panel['title']}: {body.get('error')}"
        samples = body["data"]["stats"]["samples"]["totalQueryableSamples"]
        return Answer(len(body["data"]["result"]), samples)


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"m": 60, "h": 3600, "d": 86400, "w": 604800}[text[-1]]
