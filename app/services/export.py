"""Exports: any range as CSV, NDJSON, Parquet or OpenMetrics, written as it is read."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Any

import orjson

from app.core.errors import UnavailableError
from app.services.measures import MEASURES
from app.services.range_figures import RangeFigures, Step, Window, rounded_coverage
from app.services.range_queries import Prepared
from app.services.rollups import Total
from asgi_observability.metric import Kind, Metric

LABELS = tuple(sorted({label for measure in MEASURES.values() for label in measure.group_by}))
COLUMNS = (
    "time",
    "measure",
    "unit",
    *LABELS,
    *("value", "count", "min", "max", "p50", "p90", "p99"),
    *("complete", "coverage", "as_of"),
)
"""The columns of every flat format. What isn't known is an empty cell, and not ``complete``."""


class Format(StrEnum):
    """What an export can be."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"
    OPENMETRICS = "openmetrics"


MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.OPENMETRICS: "application/openmetrics-text; version=1.0.0; charset=utf-8",
}


def record(step: Step) -> dict[str, Any]:
    """One flat row: what a plot, a data frame or a sheet takes as it is."""
    return {
        "time": datetime.fromtimestamp(step.start, UTC),
        "measure": step.measure.name,
        "unit": step.measure.unit,
        **step.labels,
        **step.value.details(),
        "complete": step.complete,
        "coverage": None if step.coverage is None else rounded_coverage(step.coverage),
        "as_of": step.as_of,
    }


async def exported(
    figures: RangeFigures, query: Prepared, file_format: Format
) -> AsyncIterator[bytes]:
    """The bytes of the file, a window of steps at a time.

    Raises UnavailableError before the first when the figures can't be read. When they can't later,
    their cells are empty; OpenMetrics has none, so it then ends without its last line, ``# EOF``.
    """
    if file_format is Format.OPENMETRICS:
        async for chunk in _openmetrics(figures, query):
            yield chunk
        return
    write, finish = _WRITERS[file_format]()

    def written(steps: Sequence[Step]) -> bytes:
        return write([record(step) for step in steps])

    async for steps in figures.rows(query):
        yield await figures.off_loop(partial(written, steps))
    yield finish()


def table(steps: Sequence[Step], file_format: Format) -> bytes:
    """The rows as one file."""
    write, finish = _WRITERS[file_format]()
    return write([record(step) for step in steps]) + finish()


Write = Callable[[list[dict[str, Any]]], bytes]
Finish = Callable[[], bytes]


def _csv() -> tuple[Write, Finish]:
    has_header = False

    def write(records: list[dict[str, Any]]) -> bytes:
        nonlocal has_header
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS)
        if not has_header:
            writer.writeheader()
            has_header = True
        writer.writerows(
            {
                **each,
                "time": _iso(each["time"]),
                "complete": "true" if each["complete"] else "false",
                "as_of": _iso(each["as_of"]),
            }
            for each in records
        )
        return text.getvalue().encode()

    return write, lambda: b""


def _ndjson() -> tuple[Write, Finish]:
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE

    def write(records: list[dict[str, Any]]) -> bytes:
        return b"".join(orjson.dumps(each, option=options) for each in records)

    return write, lambda: b""


def _parquet() -> tuple[Write, Finish]:
    # Here, because it takes longer to import than everything else together.
    import pyarrow as pa
    import pyarrow.parquet as pq

    moment = pa.timestamp("s", tz="UTC")
    types = {"time": moment, "as_of": moment, "count": pa.int64(), "complete": pa.bool_()}
    text = {"measure", "unit", *LABELS}
    schema = pa.schema(
        [(c, pa.string() if c in text else types.get(c, pa.float64())) for c in COLUMNS]
    )
    sink = io.BytesIO()
    writer = pq.ParquetWriter(sink, schema, compression="zstd")

    def taken() -> bytes:
        # What is written is given away: the file is never in memory as a whole. pyarrow counts its
        # offsets itself.
        data = sink.getvalue()
        sink.seek(0)
        sink.truncate()
        return data

    def write(records: list[dict[str, Any]]) -> bytes:
        writer.write_table(pa.Table.from_pylist(records, schema))
        return taken()

    def finish() -> bytes:
        writer.close()
        return taken()

    return write, finish


_WRITERS: dict[Format, Callable[[], tuple[Write, Finish]]] = {
    Format.CSV: _csv,
    Format.NDJSON: _ndjson,
    Format.PARQUET: _parquet,
}


async def _openmetrics(figures: RangeFigures, query: Prepared) -> AsyncIterator[bytes]:
    """Metrics under their own names, with timestamps, a family after the other.

    Counters and summaries begin at 0 with the range; Prometheus asks for what they grew by.
    """
    metrics = sorted({m.name: m for m in query.metrics}.items())
    for place, (_, metric) in enumerate(metrics):
        # A series' samples stand together, by time, so a family is held until its range is read.
        samples = _Samples(metric)
        try:
            async for window in figures.totals_by_step(query, metric):
                await figures.off_loop(partial(samples.add, window))
        except UnavailableError:
            if place == 0:
                raise
            return
        name = metric.name.removesuffix("_total")
        kind = _OPENMETRICS_TYPES[metric.kind]
        yield f"# TYPE {name} {kind}\n# HELP {name} {metric.help}\n".encode()
        for lines in samples.lines.values():
            yield "".join(lines).encode()
    yield b"# EOF\n"


class _Samples:
    """The lines of one family by series, with what its counters have grown to."""

    def __init__(self, metric: Metric) -> None:
        self.lines: dict[tuple[str, ...], list[str]] = {}
        self._metric = metric
        self._sums: dict[tuple[str, ...], tuple[int, float]] = {}

    def add(self, window: Window) -> None:
        """Add the samples of some steps; none where nothing is known."""
        for (_, end), totals in zip(window.steps, window.totals, strict=True):
            for labels, total in totals.series(self._metric) if totals.complete else ():
                key = tuple(labels.values())
                count, sum_ = self._sums.get(key, (0, 0.0))
                self._sums[key] = count + total.count, sum_ + total.sum
                lines = self.lines.setdefault(key, [])
                for series, value in _samples(self._metric, labels, total, *self._sums[key]):
                    lines.append(f"{series} {value} {end}\n")


def _samples(
    metric: Metric, labels: Mapping[str, str], total: Total, count: int, sum_: float
) -> Iterator[tuple[str, float]]:
    own = [f'{name}="{value}"' for name, value in labels.items()]

    def series(suffix: str = "", *more: str) -> str:
        pairs = ",".join([*own, *more])
        return f"{metric.name}{suffix}{{{pairs}}}" if pairs else f"{metric.name}{suffix}"

    if metric.kind is Kind.COUNTER:
        yield series(), sum_
    elif metric.kind is Kind.GAUGE:
        yield series(), total.mean or 0.0
    else:
        for q in (0.5, 0.9, 0.99):
            yield series("", f'quantile="{q}"'), total.quantile(q) or 0.0
        yield series("_sum"), sum_
        yield series("_count"), count


_OPENMETRICS_TYPES = {Kind.COUNTER: "counter", Kind.GAUGE: "gauge", Kind.HISTOGRAM: "summary"}


def _iso(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
