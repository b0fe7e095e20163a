"""What is asked of a running Prometheus."""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import httpx
import orjson

from prometheus_tools import proxies
from prometheus_tools.rulebook import duration
from prometheus_tools.yaml_reading import read_yaml

MAX_POINTS = 10_000
"""Points of one range query; Prometheus refuses more than 11,000."""

_ANY_TARGET = "up"

_TOO_MUCH = ("too many samples", "maximum resolution")


class PrometheusError(Exception):
    """Prometheus can't be asked; the message says what to do."""


class QueryRefusedError(PrometheusError):
    """Prometheus does not answer this query; the message says why."""


@dataclass(frozen=True, slots=True)
class Points:
    """A series of a range query: its labels and the value at each time, seconds since the epoch."""

    labels: Mapping[str, str]
    values: dict[float, float]


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust; to read that for each client takes longer than many questions."""
    return httpx.create_ssl_context()


class PrometheusAPI:
    """A client of the Prometheus at ``url``. A query may take ``timeout_seconds``.

    Prometheus has a limit of its own beside that, two minutes by default.
    """

    def __init__(self, url: str, timeout_seconds: float = 120) -> None:
        self._url = url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        # Prometheus is to say itself that it took too long.
        self._client = httpx.Client(
            timeout=timeout_seconds + 30,
            verify=_certificates(),
            trust_env=proxies.may_be_used_for(url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def require_answer(self) -> None:
        """Raise PrometheusError where no Prometheus answers."""
        self._ask("query", {"query": "vector(1)"})

    def range(self, expr: str, start: int, end: int, step: int) -> list[Points]:
        """The series of ``expr`` from ``start`` to ``end``, every ``step`` seconds."""
        series: dict[tuple[tuple[str, str], ...], Points] = {}
        for points in self._chunks(expr, start, end, step):
            key = tuple(sorted(points.labels.items()))
            series.setdefault(key, Points(points.labels, {})).values.update(points.values)
        return list(series.values())

    def instant(self, expr: str, at: int) -> list[Points]:
        """The series of ``expr`` at the time ``at``, each with one value."""
        limit = f"{self._timeout_seconds * 1000:.0f}ms"
        answer = self._ask("query", {"query": expr, "time": at, "timeout": limit})
        if answer["resultType"] == "scalar":
            return [Points({}, {float(at): float(answer["result"][1])})]
        if answer["resultType"] != "vector":
            raise QueryRefusedError(
                f"the query gives a {answer['resultType']}, but single values are needed"
            )
        return [
            Points(series["metric"], {float(at): float(series["value"][1])})
            for series in answer["result"]
            if "value" in series
        ]

    def exemplars(self, expr: str, start: int, end: int) -> list[tuple[float, float]]:
        """Time and value of each exemplar kept for the series that ``expr`` reads."""
        found = self._ask("query_exemplars", {"query": expr, "start": start, "end": end})
        return [
            (float(each["timestamp"]), float(each["value"]))
            for series in found
            for each in series["exemplars"]
        ]

    def series(self, selector: str, start: int, end: int) -> list[dict[str, str]]:
        """The labels of each series that fits ``selector`` in this time."""
        found: list[dict[str, str]] = self._ask(
            "series", {"match[]": selector, "start": start, "end": end}
        )
        return found

    def has(self, name: str, start: int, end: int) -> bool:
        """Whether there is any series called ``name`` in this time."""
        found = self._ask("series", {"match[]": name, "start": start, "end": end, "limit": 1})
        return bool(found)

    def first_sample(self, start: int, end: int) -> int | None:
        """When targets were first scraped from ``start`` to ``end``; None for never."""
        if not self._is_scraped(start, end):
            return None
        none_before, there = start, end
        while there - none_before > 1:
            middle = (none_before + there) // 2
            if self._is_scraped(start, middle):
                there = middle
            else:
                none_before = middle
        return there

    def _is_scraped(self, start: int, end: int) -> bool:
        # Asked for series, Prometheus names also those whose samples are outside of the range.
        seconds = max(1, end - start)
        return bool(self.instant(f"count(last_over_time({_ANY_TARGET}[{seconds}s]))", end))

    def scrape_seconds(self) -> int | None:
        """How often it scrapes what sets no interval of its own; None where it does not say."""
        try:
            written = self._ask("status/config", {}, method="GET")["yaml"]
        except PrometheusError:
            return None
        every: str = (read_yaml(written).get("global") or {}).get("scrape_interval", "1m")
        return max(1, round(duration(every)))

    def _chunks(self, expr: str, start: int, end: int, step: int) -> Iterator[Points]:
        last = start + (end - start) // step * step
        longest = (MAX_POINTS - 1) * step
        for since in range(start, last + 1, longest + step):
            yield from self._chunk(expr, since, min(since + longest, last), step)

    def _chunk(self, expr: str, start: int, end: int, step: int) -> Iterator[Points]:
        try:
            limit = f"{self._timeout_seconds * 1000:.0f}ms"
            form = {"query": expr, "start": start, "end": end, "step": step, "timeout": limit}
            answer = self._ask("query_range", form)
        except QueryRefusedError as error:
            # A shorter range may do, as long as there is one.
            if start == end or not any(reason in str(error) for reason in _TOO_MUCH):
                raise
            middle = start + (end - start) // (2 * step) * step
            yield from self._chunk(expr, start, middle, step)
            yield from self._chunk(expr, middle + step, end, step)
            return
        for series in answer["result"]:
            values = {float(at): float(value) for at, value in series["values"]}
            yield Points(series["metric"], values)

    def _ask(self, what: str, form: dict[str, Any], method: str = "POST") -> Any:
        try:
            answer = self._client.request(method, f"{self._url}/api/v1/{what}", data=form)
        except httpx.ReadTimeout:
            raise QueryRefusedError("query timed out") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PrometheusError(
                f"no Prometheus answers at {self._url}: {error}; start it (`make up`), or "
                "name another by --prometheus URL"
            ) from None
        try:
            body = orjson.loads(answer.content)
        except ValueError:
            body = None
        if not isinstance(body, dict) or "status" not in body:
            raise PrometheusError(
                f"{self._url} is not a Prometheus: HTTP {answer.status_code}, but no answer of "
                "one; name its address by --prometheus URL"
            )
        if body["status"] != "success":
            raise QueryRefusedError(str(body.get("error", body)))
        # It answers with what it has itself where it couldn't read the rest from elsewhere.
        for warning in body.get("warnings", ()):
            if warning.startswith("remote_read: "):
                raise QueryRefusedError(warning)
        return body["data"]
