"""A dashboard: its rows, its head, and what is marked on all of its panels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from grafanalib import core

from alerts.exporters import ALERTS
from alerts.model import Dashboard, Severity, Team
from app.core import catalogue
from app.core.catalogue import BreakerState
from dashboards import grafana
from dashboards.choices import ALERTS_OF, of, read_by
from dashboards.colours import Colour
from dashboards.grafana import Panel
from dashboards.links import TAG
from dashboards.panels.query import asked

GRID_WIDTH = 24
TILES_IN_A_ROW = 5
"""More would leave their titles a few letters, on a screen of 1,440 pixels with Grafana's menu."""
LEAST_WIDTH = 8
"""A graph narrower than a third of the page cuts its title, its legend and its last time."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading, all of one height in grid units.

    They share the width evenly, as many side by side as there are ``columns``, or have the
    ``widths``. A ``closed`` row asks nothing of Prometheus before somebody opens it. Without a
    ``title`` there is no heading: what comes first needs none.
    """

    title: str
    panels: tuple[Panel, ...]
    height: int = 8
    widths: tuple[int, ...] = ()
    columns: int = 0
    closed: bool = False


def tiles(title: str, *panels: Panel) -> Row:
    """A row of numbers, `TILES_IN_A_ROW` at most."""
    return Row(title, panels, height=4, widths=_shared(len(panels)))


def dashboard(
    which: Dashboard,
    title: str,
    description: str,
    rows: Iterable[Row],
    variables: Sequence[core.Template] = (),
    last: str = "1h",
    refresh: str = "30s",
) -> core.Dashboard:
    """The dashboard ``which``, of ``rows``, that opens with the ``last`` time.

    It has the variables that its panels read, and these further ``variables`` of its own.
    """
    rows = list(rows)
    panels = [panel for row in rows for panel in row.panels]
    of_prometheus = any(panel.dataSource == grafana.PROMETHEUS for panel in panels)
    marks = list(_annotations()) if of_prometheus else []
    texts = [text for panel in panels for text in asked(panel)]
    texts += [mark["expr"] for mark in marks]
    chosen = read_by(texts, variables)
    if not of_prometheus:
        # Only the offers of other variables come from there.
        chosen = [grafana.hidden(each) if each.name == "datasource" else each for each in chosen]
    return core.Dashboard(
        uid=which.value,
        title=f"SMS orchestrator: {title}",
        description=description,
        tags=[TAG],
        editable=False,
        schemaVersion=grafana.SCHEMA_VERSION,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        refresh=refresh,
        time=core.Time(f"now-{last}", "now"),
        timezone="browser",
        templating=core.Templating(list=chosen),
        annotations=core.Annotations(list=marks),
        links=[grafana.links_by_tag("Dashboards", TAG, "The others, in the same range")],
        panels=list(_laid_out(rows)),
    )


def panel_id(title: str) -> int:
    """From the title, so that links to a panel outlive its neighbours and its moves."""
    return crc32(title.encode()) % 1_000_000_000


def _annotations() -> Iterator[dict[str, Any]]:
    """What explains a change, each once: releases, restarts, pages, breakers that are not closed.

    Pages and breakers are regions, as long as they last.
    """
    build, started = catalogue.BUILD_INFO, catalogue.PROCESS_START_TIME
    by_version = "count by (job, version)"
    yield grafana.annotation(
        "Releases",
        f"{by_version} ({of(build)}) unless {by_version} ({of(build)} offset $__rate_interval)",
        Colour.NEUTRAL,
        "{{job}} runs version {{version}}",
    )
    yield grafana.annotation(
        "Restarts",
        f"changes({of(started)}[$__rate_interval]) > 0",
        Colour.OTHER,
        "{{job}} at {{instance}} started anew",
    )
    ours = f'severity="{Severity.PAGE}",team=~"{"|".join(Team)}",{ALERTS_OF}'
    yield grafana.annotation(
        "Pages",
        f'max by (alertname) ({ALERTS}{{alertstate="firing",{ours}}})',
        Colour.BAD,
        "{{alertname}} called somebody",
    )
    closed = of(catalogue.CIRCUIT_BREAKER_STATE, f'state="{BreakerState.CLOSED}"')
    yield grafana.annotation(
        "Breakers not closed",
        f"(min by (job, component) ({closed}) == 0) + 1",
        Colour.WARNING,
        "{{job}} does not call {{component}}",
    )


def _laid_out(rows: Iterable[Row]) -> Iterator[core.Panel]:
    """The panels with ids and places."""
    y = 0
    for each in rows:
        end = _place(each, y + 1 if each.title else y)
        inside = each.panels if each.closed else ()
        if each.title:
            yield grafana.row(each.title, panel_id(f"row {each.title}"), y, GRID_WIDTH, inside)
        yield from () if each.closed else each.panels
        y = y + 1 if each.closed else end


def _place(row: Row, y: int) -> int:
    """Give the panels their ids and places from ``y`` on; returns where they end."""
    columns = row.columns or len(row.panels)
    widths = row.widths or (GRID_WIDTH // columns,) * len(row.panels)
    x = 0
    for panel, width in zip(row.panels, widths, strict=True):
        if x + width > GRID_WIDTH:
            x, y = 0, y + row.height
        panel.id = panel_id(panel.title)
        panel.gridPos = core.GridPos(h=row.height, w=width, x=x, y=y)
        x += width
    return y + row.height


def _shared(count: int) -> tuple[int, ...]:
    """The width of the grid, shared by ``count`` tiles; the first ones get what remains."""
    least, more = divmod(GRID_WIDTH, count)
    return tuple(least + (number < more) for number in range(count))
