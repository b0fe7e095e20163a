"""`GET /metrics` for Prometheus; `GET /orchestrate/metrics` and its family for everybody else."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.caching import NOT_KEPT
from app.api.dependencies import (
    TheObservability,
    TheRangeFigures,
    TheRangePlanner,
    TheReport,
    TheZone,
)
from app.api.overview_answer import measures_answer, overview_answer
from app.api.range_answer import range_answer
from app.api.routing import CachedRoute, GuardedRoute, ScrapeRoute
from app.core.errors import InvalidRequestError
from app.schemas.error_answers import ErrorAnswer
from app.schemas.forms import JSON_OR_CSV
from app.schemas.metrics import SECTIONS, Measures, MetricsAnswer, Series
from app.services import measures as selection
from app.services import time_ranges
from app.services.export import MEDIA_TYPES, Format, exported, record, table
from app.services.measures import MEASURES
from app.services.range_queries import Prepared, RangeQuery
from app.services.time_ranges import HOUR, MINUTE, Moment

router = APIRouter(tags=["metrics"], route_class=CachedRoute)
export_router = APIRouter(tags=["metrics"], route_class=GuardedRoute)
scrape_router = APIRouter(tags=["metrics"], route_class=ScrapeRoute)

MAX_TEXT = 1000
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (401, 422, 429, 503)
}
_LIST = ", ".join(MEASURES)
_MOMENT = "ISO 8601, Unix time (seconds or milliseconds), now, or a time before now such as -6h"

MeasuresParameter = Annotated[
    str | None,
    Query(
        alias="metrics",
        max_length=MAX_TEXT,
        description=f"measures, comma separated: {_LIST}; default: all that can be grouped so",
    ),
]


class RangeParameters:
    """The parameters of a question about a range of time."""

    def __init__(
        self,
        from_: Annotated[
            str | None,
            Query(
                alias="from",
                max_length=60,
                description=f"start: {_MOMENT}; default -1h",
                examples=["-6h"],
            ),
        ] = None,
        start: Annotated[
            str | None, Query(max_length=60, description="another name of `from`")
        ] = None,
        to: Annotated[
            str | None, Query(max_length=60, description=f"end: {_MOMENT}; default now")
        ] = None,
        end: Annotated[str | None, Query(max_length=60, description="another name of `to`")] = None,
        step: Annotated[
            str | None,
            Query(max_length=10, description="length of a step: 1m, 5m, 1h, 1d …", examples=["5m"]),
        ] = None,
        group_by: Annotated[
            str | None,
            Query(
                max_length=200,
                description="labels to split by, comma separated",
                examples=["route"],
            ),
        ] = None,
        timezone: Annotated[
            str | None,
            Query(
                max_length=60,
                description="zone of days, weeks and times without an offset",
                examples=["Europe/Berlin"],
            ),
        ] = None,
    ) -> None:
        self.given = {
            name: value
            for name, value in (
                ("from", from_),
                ("start", start),
                ("to", to),
                ("end", end),
                ("step", step),
                ("group_by", group_by),
                ("timezone", timezone),
            )
            if value is not None
        }
        for name, alias in (("from", "start"), ("to", "end")):
            if name in self.given and alias in self.given:
                raise InvalidRequestError(
                    f"{alias}: it is another name of {name}; give one of them", alias
                )

    def query(self, zone: ZoneInfo, measures: str | None, compare: str | None = None) -> RangeQuery:
        """The question. Raises InvalidRequestError."""
        given = self.given
        if (name := given.get("timezone")) is not None:
            zone = time_ranges.zone_named(name, "timezone")
        # The minute that runs counts as a whole: the last hour has 60 of them.
        now = int(time.time()) // MINUTE * MINUTE + MINUTE
        moments = {
            field: time_ranges.moment(given[field], field, now, zone)
            for field in ("from", "start", "to", "end")
            if field in given
        }
        end = moments.get("to") or moments.get("end") or Moment(now)
        start = moments.get("from") or moments.get("start") or Moment(end.at - HOUR)
        step, group_by = given.get("step"), selection.grouping(given.get("group_by"))
        return RangeQuery(
            measures=selection.selected(measures, group_by),
            start=start,
            end=end,
            zone=zone,
            step=None if step is None else time_ranges.duration(step, "step"),
            group_by=group_by,
            compare=None if compare is None else time_ranges.duration(compare, "compare"),
        )


TheRange = Annotated[RangeParameters, Depends()]


async def _in_steps(
    asked: TheRange, zone: TheZone, planner: TheRangePlanner, measures: MeasuresParameter = None
) -> Prepared:
    """The question, in the usual steps where none were asked for."""
    query = asked.query(zone, measures)
    return await (planner.in_usual_steps(query) if query.step is None else planner.prepared(query))


TheQuestion = Annotated[Prepared, Depends(_in_steps)]


@scrape_router.get("/metrics", response_class=Response)
async def metrics(request: Request, observability: TheObservability) -> Response:
    """Prometheus exposition; OpenMetrics where the scraper asks for it."""
    return await observability.exposition(request)


@router.get(
    "/orchestrate/metrics",
    response_class=Response,
    responses={200: {"model": MetricsAnswer, "content": {"application/json": {}}}, **_REFUSED},
)
async def orchestrate_metrics(
    report: TheReport,
    planner: TheRangePlanner,
    figures: TheRangeFigures,
    zone: TheZone,
    asked: TheRange,
    selected: Annotated[
        str | None,
        Query(
            alias="metrics",
            max_length=MAX_TEXT,
            description=f"sections ({', '.join(SECTIONS)}) and measures ({_LIST}), comma "
            "separated; default: every section, and with a range every measure",
            examples=["last_hour,sms.received"],
        ),
    ] = None,
    compare: Annotated[
        str | None,
        Query(
            max_length=10,
            description="also give the same range, this much earlier by the calendar",
            examples=["1w"],
        ),
    ] = None,
) -> Response:
    """The business at a glance, counted exactly over all workers: now, today, this week.

    With measures or a range in the question, `range` holds them. A section has a time of its own.
    """
    sections, measures = _split(selected)
    about_range = asked.given | ({} if compare is None else {"compare": compare})
    if selected is not None and measures is None and about_range:
        first = next(iter(about_range))
        raise InvalidRequestError(
            f"{first}: the section {sections[0]} has a time of its own; leave {first} out, or "
            "name a measure, such as sms.received",
            first,
        )
    asks_for_range = measures is not None or bool(about_range)
    if selected is None:
        sections = () if asks_for_range else SECTIONS
    found = None
    if asks_for_range:
        query = await planner.prepared(asked.query(zone, measures, compare))
        read = await figures.read(query)
        found = await figures.off_loop(lambda: range_answer(query, read))
    answer = await overview_answer(report, sections)
    if found:
        answer.range = found
        answer.as_of = min(answer.as_of, found.as_of) if sections else found.as_of
        answer.complete = answer.complete and found.complete
    body = await asyncio.to_thread(answer.model_dump_json, exclude_unset=True, by_alias=True)
    # What isn't known now may be known in a moment.
    headers = None if answer.complete or found else NOT_KEPT
    return Response(body, media_type="application/json", headers=headers)


@router.get(
    "/orchestrate/metrics/series",
    response_class=Response,
    responses={200: {"model": Series, "content": {"text/csv": {}}}, **_REFUSED},
)
async def series(
    figures: TheRangeFigures,
    query: TheQuestion,
    format: Annotated[str, Query(pattern=JSON_OR_CSV, description="json or csv")] = "json",
) -> Response:
    """Time series ready to plot: flat rows of time, measure, labels and values, oldest first.

    Grafana's Infinity data source, `pandas.read_json` and a spreadsheet take it as it is.
    """
    steps = [step async for some in figures.rows(query) for step in some]

    def written() -> bytes:
        if format == "csv":
            return table(steps, Format.CSV)
        return orjson.dumps([record(step) for step in steps], option=orjson.OPT_UTC_Z)

    return Response(
        await figures.off_loop(written),
        media_type=MEDIA_TYPES[Format.CSV] if format == "csv" else "application/json",
        headers=None if all(step.complete for step in steps) else NOT_KEPT,
    )


@router.get(
    "/orchestrate/metrics/measures",
    responses={status: _REFUSED[status] for status in (401, 422, 429)},
)
async def measures(report: TheReport) -> Measures:
    """Every measure: its kind and unit, the labels it can be split by, how long it is kept."""
    return measures_answer(report.measures())


@export_router.get(
    "/orchestrate/metrics/export", responses=_REFUSED, response_class=StreamingResponse
)
async def export(
    figures: TheRangeFigures,
    query: TheQuestion,
    format: Annotated[
        Format,
        Query(
            description="openmetrics is the format that `promtool tsdb create-blocks-from` reads"
        ),
    ] = Format.CSV,
) -> StreamingResponse:
    """Any range as a file, streamed."""
    chunks = exported(figures, query, format)
    # Before the answer begins: what can't be read at all is an error, and no empty file.
    first = await anext(chunks)
    suffix = "txt" if format is Format.OPENMETRICS else format.value
    return StreamingResponse(
        _after(first, chunks),
        media_type=MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="metrics.{suffix}"'},
    )


async def _after(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        if chunk:
            yield chunk


def _split(selected: str | None) -> tuple[tuple[str, ...], str | None]:
    """The sections and the measures among what was selected."""
    if selected is None:
        return (), None
    names = [name.strip() for name in selected.split(",") if name.strip()]
    sections = tuple(name for name in names if name in SECTIONS)
    measures = [name for name in names if name not in SECTIONS]
    for name in measures:
        if name not in MEASURES:
            known = [*SECTIONS, *MEASURES]
            raise InvalidRequestError(selection.unknown("metrics", name, known), "metrics")
    if not names:
        raise InvalidRequestError("metrics: name at least one, such as last_hour", "metrics")
    return sections, ",".join(measures) if measures else None
