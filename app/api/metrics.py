"""`GET /metrics` for Prometheus; `GET /orchestrate/metrics` and its family for everybody else."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.api.dependencies import TheObservability, TheOrchestrator
from app.api.routing import CachedRoute, GuardedRoute, ScrapeRoute
from app.assembly import Orchestrator
from app.core.errors import InvalidRequestError
from app.schemas.errors import ErrorAnswer
from app.schemas.metrics import SECTIONS, MetricsAnswer
from app.services import metrics_query
from app.services.export import MEDIA_TYPES, Format, exported, record
from app.services.measures import MEASURES
from app.services.metrics_query import MINUTE, RangeQuery

router = APIRouter(tags=["metrics"], route_class=CachedRoute)
export_router = APIRouter(tags=["metrics"], route_class=GuardedRoute)
scrape_router = APIRouter(tags=["metrics"], route_class=ScrapeRoute)

MAX_TEXT = 1000
_HOUR = 3600
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer} for status in (401, 422, 429)
}
_LIST = ", ".join(MEASURES)

From = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=60,
        description="start: ISO 8601, or a time before now such as -6h; default -1h",
        examples=["-6h"],
    ),
]
To = Annotated[
    str | None,
    Query(max_length=60, description="end: ISO 8601, now, or a time before now; default now"),
]
StepParameter = Annotated[
    str | None,
    Query(max_length=10, description="length of a step: 1m, 5m, 1h, 1d …", examples=["5m"]),
]
GroupBy = Annotated[
    str | None,
    Query(max_length=200, description="labels to split by, comma separated", examples=["route"]),
]
Measures = Annotated[
    str | None,
    Query(alias="metrics", max_length=MAX_TEXT, description=f"measures, comma separated: {_LIST}"),
]


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
    orchestrator: TheOrchestrator,
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
    start: From = None,
    to: To = None,
    step: StepParameter = None,
    group_by: GroupBy = None,
    compare: Annotated[
        str | None,
        Query(
            max_length=10,
            description="also give the same range, this much earlier",
            examples=["1w"],
        ),
    ] = None,
) -> Response:
    """The business at a glance, counted exactly over all workers: now, today, this week.

    With measures or a range in the question, `range` holds them.
    """
    sections, measures = _split(selected)
    about_range = (measures, start, to, step, group_by, compare)
    asks_for_range = any(parameter is not None for parameter in about_range)
    if selected is None:
        sections = () if asks_for_range else SECTIONS
    answer = await orchestrator.report.overview(sections)
    if asks_for_range:
        query = _query(orchestrator, measures, start, to, group_by, step, compare)
        answer.range = await orchestrator.ranges.answer(query)
    body = answer.model_dump_json(exclude_unset=True, by_alias=True)
    return Response(body, media_type="application/json")


@router.get("/orchestrate/metrics/series", responses=_REFUSED, response_class=Response)
async def series(
    orchestrator: TheOrchestrator,
    measures: Annotated[
        str,
        Query(
            alias="metrics", max_length=MAX_TEXT, description=f"measures, comma separated: {_LIST}"
        ),
    ] = "sms.received",
    start: From = None,
    to: To = None,
    step: StepParameter = None,
    group_by: GroupBy = None,
    format: Annotated[str, Query(pattern="^(json|csv)$", description="json or csv")] = "json",
) -> Response:
    """Time series ready to plot: flat rows of time, measure, labels and values, oldest first.

    Grafana's Infinity data source, `pandas.read_json` and a spreadsheet take it as it is.
    """
    step = _usual_step(orchestrator, start, to) if step is None else step
    query = _query(orchestrator, measures, start, to, group_by, step)
    if format == "csv":
        body = b"".join([chunk async for chunk in exported(orchestrator.ranges, query, Format.CSV)])
        return Response(body, media_type=MEDIA_TYPES[Format.CSV])
    records = [record(each) async for each in orchestrator.ranges.steps(query)]
    return Response(orjson.dumps(records, option=orjson.OPT_UTC_Z), media_type="application/json")


@export_router.get(
    "/orchestrate/metrics/export", responses=_REFUSED, response_class=StreamingResponse
)
async def export(
    orchestrator: TheOrchestrator,
    format: Annotated[
        Format,
        Query(
            description="openmetrics is the format that `promtool tsdb create-blocks-from` reads"
        ),
    ] = Format.CSV,
    measures: Measures = None,
    start: From = None,
    to: To = None,
    step: StepParameter = None,
    group_by: GroupBy = None,
) -> StreamingResponse:
    """Any range as a file, streamed."""
    step = _usual_step(orchestrator, start, to) if step is None else step
    query = _query(orchestrator, measures, start, to, group_by, step)
    suffix = "txt" if format is Format.OPENMETRICS else format.value
    return StreamingResponse(
        _started(exported(orchestrator.ranges, query, format)),
        media_type=MEDIA_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="metrics.{suffix}"'},
    )


async def _started(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
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
            raise InvalidRequestError(metrics_query.unknown("metrics", name, known), "metrics")
    if not names:
        raise InvalidRequestError("metrics: name at least one, such as last_hour", "metrics")
    return sections, ",".join(measures) if measures else None


def _query(
    orchestrator: Orchestrator,
    measures: str | None,
    start: str | None,
    to: str | None,
    group_by: str | None,
    step: str | None,
    compare: str | None = None,
) -> RangeQuery:
    begin, end = _bounds(orchestrator, start, to)
    groups = metrics_query.groups(group_by)
    return orchestrator.ranges.prepared(
        RangeQuery(
            metrics_query.measures(measures, groups),
            begin,
            end,
            None if step is None else metrics_query.duration(step, "step"),
            groups,
            None if compare is None else metrics_query.duration(compare, "compare"),
        )
    )


def _bounds(orchestrator: Orchestrator, start: str | None, to: str | None) -> tuple[int, int]:
    # The minute that runs counts as a whole: the last hour has 60 of them.
    now, zone = int(time.time()) // MINUTE * MINUTE + MINUTE, orchestrator.zone
    end = now if to is None else metrics_query.instant(to, "to", now, zone)
    if start is None:
        return end - _HOUR, end
    return metrics_query.instant(start, "from", now, zone), end


def _usual_step(orchestrator: Orchestrator, start: str | None, to: str | None) -> str:
    """A step that gives a plot of some hundred points, and is kept at that age."""
    begin, end = _bounds(orchestrator, start, to)
    for seconds in (60, 300, 3600):
        if (end - begin) / seconds <= 400 and orchestrator.ranges.is_kept(begin, seconds):
            return metrics_query.spelled(seconds)
    return "1d"
