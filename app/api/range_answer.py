"""The answer to a question about a range of time, made of its figures."""

from datetime import UTC, datetime
from typing import Any

from app.schemas.metrics import Point, Range, RangeMeasure, RangeValue
from app.services.measures import Measure, Value
from app.services.range_figures import Figures, grouped, rounded_coverage
from app.services.range_queries import Prepared
from app.services.rollups import Totals


def range_answer(query: Prepared, figures: Figures) -> Range:
    """Each measure with its groups and points. What isn't known is null."""

    def values(measure: Measure, totals: Totals) -> list[RangeValue]:
        return [
            RangeValue.model_construct(
                labels=labels,
                **_fields(value),
                complete=totals.complete,
                coverage=share(totals),
                as_of=figures.as_of,
            )
            for labels, value in grouped(measure, totals, query.group_by)
        ]

    def points(measure: Measure) -> list[Point] | None:
        if not figures.steps:
            return None
        return [
            Point.model_construct(
                time=_utc(start),
                labels=labels,
                **_fields(value),
                complete=totals.complete,
                coverage=share(totals),
                as_of=figures.as_of,
            )
            for (start, _), totals in figures.steps
            for labels, value in grouped(measure, totals, query.group_by)
        ]

    earlier = figures.compared
    return Range.model_construct(
        start=_utc(query.start),
        end=_utc(query.end),
        step_seconds=query.step.seconds if query.step else None,
        compared_start=_utc(query.compared[0]) if query.compared else None,
        compared_end=_utc(query.compared[1]) if query.compared else None,
        complete=figures.complete,
        as_of=figures.as_of,
        measures=[
            RangeMeasure.model_construct(
                measure=measure.name,
                kind=measure.kind,
                unit=measure.unit,
                values=values(measure, figures.whole),
                compared=None if earlier is None else values(measure, earlier),
                points=points(measure),
            )
            for measure in query.measures
        ],
    )


def share(totals: Totals) -> float | None:
    """The share of a range in which there was counting."""
    return None if totals.coverage is None else rounded_coverage(totals.coverage)


def _fields(value: Value) -> dict[str, Any]:
    """The fields that this kind of value has; the value itself always."""
    return {
        name: part for name, part in value.details().items() if part is not None or name == "value"
    }


def _utc(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
