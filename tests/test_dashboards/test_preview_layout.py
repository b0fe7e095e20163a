"""Nothing on a picture overlaps or leaves its panel, however long the names and numbers."""

import re
from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from alerts import paths
from dashboards.deployments import WHERE
from dashboards.preview import dashboard, page, steps
from dashboards.preview.answers import Answers, Series, Span
from dashboards.preview.colours import THEMES
from dashboards.preview.dashboard import Panel
from dashboards.preview.surface import DPI
from tests.length import only_long
from tests.not_empty import not_empty
from tests.test_dashboards.preview_samples import SPAN, texts

FILES = sorted(paths.DASHBOARDS.glob("*.json"))
DRAWN = ("logs", "overview", "slos_and_alerts", "trends")
"""The dashboards that `make test` draws: between them they have every kind of panel."""
NAMES = ("a", "POST /orchestrate/payment-plan-detected", "collections_monitor get_tenant_context")
SLACK = 1.5
"""Pixels: a letter's edge is not its advance."""


def crowded(panel: Panel) -> Answers:
    """Answers with many series, long names and awkward numbers."""
    span = Span(SPAN.end - 35 * 86400, SPAN.end).of(panel)
    step = max(steps.step_seconds(span.seconds, 60, 15), 60)
    times = np.arange(span.start // step * step, span.end + 1, step, dtype=float)
    series = []
    for target in panel.targets:
        labels = re.findall(r"\{\{\s*(\w+)\s*\}\}", target.legend)
        if panel.kind == "heatmap" and target.format == "heatmap":
            labels = ["le"]
        # Lanes that are named beforehand are there once for each of two deployments.
        count = 2 if labels == [WHERE] else 12 if labels else 1
        for number in range(count):
            given = dict.fromkeys(labels, f"{NAMES[number % 3]} {number}")
            if "le" in given:
                given["le"] = str(0.05 * 2**number)
            name = " ".join(given.values()) or target.legend
            values = 987654.321 * (1.1 + np.sin(times / 5000 + number))
            at = times[-1:] if target.instant else times
            series.append(Series(name, target.ref, given, at, values[: len(at)]))
    return Answers(span, step, tuple(series))


@pytest.fixture(
    scope="module",
    params=[f if f.stem in DRAWN else pytest.param(f, marks=only_long) for f in FILES],
    ids=lambda file: file.stem,
)
def drawn(request: pytest.FixtureRequest) -> page.Page:
    """A committed dashboard with all its rows open."""
    board = dashboard.read(request.param)
    places = page.layout(board, opened=True)
    answers = [crowded(panel) for panel, _ in places.panels]
    return page.draw(board, places, answers, SPAN, THEMES["dark"], "http://127.0.0.1:9090")


def written(text: Text) -> tuple[float, float, float, float]:
    """The ends of what is seen of a text."""
    extent = text.get_window_extent()
    clip = text.get_clip_box() if text.get_clip_on() else None
    if clip is not None:
        seen = Bbox.intersection(extent, clip)
        extent = seen if seen is not None else Bbox.from_extents(clip.x0, clip.y0, clip.x0, clip.y0)
    return float(extent.x0), float(extent.y0), float(extent.x1), float(extent.y1)


def test_no_text_leaves_its_panel_or_meets_another(drawn: page.Page) -> None:
    height = drawn.figure.get_size_inches()[1] * DPI
    for (panel, box), surface in not_empty(zip(drawn.layout.panels, drawn.surfaces, strict=True)):
        places = [(text.get_text(), written(text)) for text in surface.texts if text.get_text()]
        for said, (left, bottom, right, top) in not_empty(places):
            assert box.x - SLACK <= left, f"{panel.title!r}: {said!r}"
            assert right <= box.right + SLACK, f"{panel.title!r}: {said!r}"
            assert height - box.bottom - SLACK <= bottom, f"{panel.title!r}: {said!r}"
            assert top <= height - box.y + SLACK, f"{panel.title!r}: {said!r}"
        for (one, a), (other, b) in not_empty(combinations(places, 2)):
            width = min(a[2], b[2]) - max(a[0], b[0])
            depth = min(a[3], b[3]) - max(a[1], b[1])
            assert width <= SLACK or depth <= SLACK, f"{panel.title!r}: {one!r} on {other!r}"


def test_every_panel_has_its_place_and_title(drawn: page.Page) -> None:
    boxes = [box for _, box in drawn.layout.panels]
    assert all(
        one.right <= other.x
        or other.right <= one.x
        or one.bottom <= other.y
        or other.bottom <= one.y
        for one, other in not_empty(combinations(boxes, 2))
    )
    for (panel, _), surface in not_empty(zip(drawn.layout.panels, drawn.surfaces, strict=True)):
        assert panel.title.startswith(texts(surface)[0].rstrip("…"))
