"""What a panel asks Prometheus, and how it is written in the dashboard."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboards import grafana
from dashboards.deployments import in_legend, is_told_apart, legend_with_where
from dashboards.grafana import Panel
from dashboards.known import now
from dashboards.sources import Source


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel and how its series are called in the legend.

    ``exemplars``: single observations are drawn as points that lead to their log lines. ``colour``
    is for queries with one series whose colour has a meaning. ``step`` is the least time between
    two points, such as ``1h`` for sums of an hour, so that none is counted twice. ``ending``: the
    end of the legend by which its lines are drawn dashed. ``of``: what its present value is known
    by, where that is not the sources of all series that it reads.
    """

    expr: str
    legend: str
    exemplars: bool = False
    colour: str | None = None
    step: str = ""
    ending: str = ""
    of: tuple[Source, ...] = ()


def over_time(queries: Sequence[Query], **further: Any) -> list[grafana.Target]:
    """``queries`` as targets with a value at each step of the range."""
    return [
        grafana.Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=name,
            datasource=grafana.PROMETHEUS,
            interval=query.step,
            extra={**further, **({"exemplar": True} if query.exemplars else {})},
        )
        for name, query in zip(_names(), queries, strict=False)
    ]


def while_known(query: Query) -> Query:
    """``query``, which gives nothing while the sources of its series are gone."""
    return replace(query, expr=now(query.expr, *query.of), of=())


def with_where(query: Query) -> Query:
    """``query`` with the deployment in the names of its series, where it tells them apart."""
    if not is_told_apart(query.expr):
        return query
    return replace(query, expr=in_legend(query.expr), legend=legend_with_where(query.legend))


def as_of_now(queries: Sequence[Query], **further: Any) -> list[grafana.Target]:
    """``queries`` as targets with one value, of the end of the range.

    What is no longer known then is not shown, however lately it was known.
    """
    known = [while_known(query) for query in queries]
    return over_time(known, instant=True, range=False, **further)


def of_loki(logql: str, legend: str = "", **further: Any) -> list[grafana.Target]:
    """LogQL as the one target of a panel."""
    return [
        grafana.Target(
            expr=logql,
            legendFormat=legend,
            refId="A",
            datasource=grafana.LOKI,
            extra={"queryType": "range", **further},
        )
    ]


def asked(panel: Panel) -> Iterator[str]:
    """The texts of ``panel`` that may read variables: its queries."""
    for target in panel.targets:
        yield target.expr


def _names() -> Iterator[str]:
    """A to Z, and on with AA."""
    letters = [chr(ord("A") + number) for number in range(26)]
    yield from letters
    for first in letters:
        yield from (first + second for second in letters)
