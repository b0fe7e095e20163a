"""Dashboards for the tests of the preview, and what is drawn of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dashboards.preview import dashboard, page
from dashboards.preview.answers import Answers, Asking, Span
from dashboards.preview.colours import THEMES
from dashboards.preview.dashboard import Dashboard, Target
from dashboards.preview.page import Page
from dashboards.preview.surface import Surface
from prometheus_tools.api import PrometheusAPI

END = 1_764_000_000
"""A full hour."""
SPAN = Span(END - 3600, END)
DARK = THEMES["dark"]

Panel = dict[str, Any]


def panel(kind: str, *exprs: str, title: str = "P", **more: Any) -> Panel:
    """A panel of Grafana; queries are called A, B … and their series by ``legend``."""
    legend = more.pop("legend", "{{route}}")
    target = more.pop("target", {})
    targets = [
        {"refId": chr(ord("A") + number), "expr": expr, "legendFormat": legend, **target}
        for number, expr in enumerate(exprs)
    ]
    return {
        "type": kind,
        "title": title,
        "gridPos": more.pop("place", {"x": 0, "y": 0, "w": 12, "h": 8}),
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "targets": targets,
        "fieldConfig": {
            "defaults": more.pop("defaults", {}),
            "overrides": more.pop("overrides", []),
        },
        "options": more.pop("options", {}),
        **more,
    }


def table_query(ref: str) -> Target:
    """An instant query for a table."""
    return Target(
        *(ref, "up"),
        legend="",
        instant=True,
        format="table",
        exemplars=False,
        min_step_seconds=0,
        datasource="prometheus",
    )


def row(title: str, y: int, *inside: Panel) -> Panel:
    """A heading; with panels inside, it is collapsed."""
    place = {"x": 0, "y": y, "w": 24, "h": 1}
    panels = list(inside)
    return {
        "type": "row",
        "title": title,
        "gridPos": place,
        "collapsed": bool(inside),
        "panels": panels,
    }


def thresholds(*steps: tuple[str, float | None]) -> dict[str, Any]:
    """Threshold steps: a colour from a value on."""
    found = [{"color": colour, "value": value} for colour, value in steps]
    return {"mode": "absolute", "steps": found}


def override(name: str, **settings: Any) -> dict[str, Any]:
    """Settings of the series called ``name``; ``custom__x`` is ``custom.x``."""
    properties = [{"id": k.replace("__", "."), "value": v} for k, v in settings.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def write(folder: Path, *panels: Panel, **more: Any) -> Path:
    """The file of a dashboard with these panels."""
    job = {"name": "job", "type": "query", "current": {"value": ["$__all"]}}
    document = {
        "title": "Sample",
        "schemaVersion": 41,
        "panels": list(panels),
        "templating": {"list": [job]},
        **more,
    }
    file = folder / "sample.json"
    file.write_text(json.dumps(document))
    return file


def asked(url: str, board: Dashboard, *, opened: bool = False) -> Page:
    """The dashboard, drawn with what the Prometheus at ``url`` answers."""
    places = page.layout(board, opened=opened)
    widths = [(each, box.width) for each, box in places.panels]
    with PrometheusAPI(url) as prometheus:
        answers, failed = Asking(prometheus, SPAN, 15).answers(board, widths)
    assert failed == []
    return page.draw(board, places, answers, SPAN, DARK, url)


def drawn(board: Dashboard, answers: Sequence[Answers]) -> Page:
    """The dashboard, drawn with made-up answers."""
    return page.draw(board, page.layout(board, opened=True), answers, SPAN, DARK, "nowhere")


def read(folder: Path, *panels: Panel, **more: Any) -> Dashboard:
    """A dashboard of these panels, as it is read."""
    return dashboard.read(write(folder, *panels, **more))


def texts(surface: Surface) -> list[str]:
    """What is written on a panel."""
    return [text.get_text() for text in surface.texts]
