"""Pictures show what the dashboard's JSON says, with what a real Prometheus answers."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

from dashboards.command_line import main
from dashboards.preview.answers import Answers, Mark, Series
from dashboards.preview.colours import mixed
from dashboards.preview.dashboard import Dashboard
from dashboards.preview.frames import Outcome
from dashboards.preview.surface import Surface
from prometheus_tools import blocks
from prometheus_tools.scratch import scratch
from tests.project import command_line
from tests.test_dashboards.preview_samples import (
    DARK,
    END,
    SPAN,
    asked,
    drawn,
    override,
    panel,
    read,
    row,
    texts,
    thresholds,
    write,
)

RED, GREEN, ORANGE = "#f2495c", "#73bf69", "#ff9830"
TILE_RED, TILE_ORANGE = "#ef1931", "#fc7f00"
"""The middle of what a tile of that colour is filled with."""


def openmetrics() -> Iterator[str]:
    """An hour and a bit, a sample every 15 s: rates, a histogram, a breaker, a gap."""
    times = range(END - 4000, END + 1, 15)
    yield "# TYPE requests gauge"
    yield from (f'requests{{route="a"}} 10 {at}' for at in times)
    yield from (f'requests{{route="b"}} 20 {at}' for at in times)
    yield "# TYPE errors gauge"
    yield from (f'errors{{route="b"}} 0.25 {at}' for at in times)
    yield "# TYPE latency_bucket gauge"
    for bound, count in (("0.1", 1), ("0.5", 4), ("+Inf", 5)):
        yield from (f'latency_bucket{{le="{bound}"}} {count} {at}' for at in times)
    yield "# TYPE breaker gauge"
    yield from (f"breaker {2 * (at > END - 1800)} {at}" for at in times)
    yield "# TYPE gap gauge"
    yield from (f"gap 1 {at}" for at in times if not END - 2400 < at < END - 1200)
    yield "# EOF"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("preview")
    text = folder / "samples.om"
    text.write_text("\n".join(openmetrics()) + "\n")
    blocks.create(text, folder / "data")
    with scratch(folder / "data") as url:
        yield url


@pytest.fixture
def one(prometheus: str, tmp_path: Path) -> Callable[..., Surface]:
    """The surface of a single panel, drawn."""

    def draw(*arguments: Any, **more: Any) -> Surface:
        (surface,) = asked(prometheus, read(tmp_path, panel(*arguments, **more))).surfaces
        return surface

    return draw


def lines(axes: Axes) -> dict[str, list[float]]:
    """The values of each line by its label."""
    return {
        str(line.get_label()): [float(y) for y in np.asarray(line.get_ydata())]
        for line in axes.get_lines()
        if not str(line.get_label()).startswith("_")
    }


class TestTimeSeries:
    def test_lines_have_the_values_and_the_legend_names_them(
        self, one: Callable[..., Surface]
    ) -> None:
        legend = {"legend": {"displayMode": "table", "calcs": ["lastNotNull", "max"]}}
        surface = one("timeseries", "requests", defaults={"unit": "reqps"}, options=legend)
        found = lines(surface.plots[0])
        assert set(found) == {"a", "b"}
        assert set(found["a"]) == {10}
        assert set(found["b"]) == {20}
        assert {"P", "a", "b", "Last *", "Max", "10 req/s", "20 req/s"} <= set(texts(surface))

    def test_thresholds_are_lines_at_their_values(self, one: Callable[..., Surface]) -> None:
        style = {"thresholdsStyle": {"mode": "dashed"}, "axisSoftMax": 100}
        steps = thresholds(("green", None), ("orange", 30), ("red", 90))
        surface = one("timeseries", "requests", defaults={"thresholds": steps, "custom": style})
        dashed = {
            (float(np.asarray(line.get_ydata())[0]), to_hex(line.get_color()))
            for line in surface.plots[0].get_lines()
            if line.get_linestyle() == "--"
        }
        assert dashed == {(30, ORANGE), (90, RED)}

    def test_a_gap_stays_open_unless_it_is_spanned(self, one: Callable[..., Surface]) -> None:
        (open_gap,) = lines(one("timeseries", "gap", legend="gap").plots[0]).values()
        assert np.isnan(open_gap).any()
        spanned = one("timeseries", "gap", legend="gap", defaults={"custom": {"spanNulls": True}})
        assert not np.isnan(lines(spanned.plots[0])["gap"]).any()

    def test_bars_are_stacked(self, one: Callable[..., Surface]) -> None:
        look = {"drawStyle": "bars", "fillOpacity": 70, "stacking": {"mode": "normal"}}
        surface = one("timeseries", "requests", defaults={"custom": look})
        bottoms = {
            str(bars.get_label()): {(bar.get_y(), bar.get_height()) for bar in bars}
            for bars in surface.plots[0].containers
        }
        assert bottoms == {"a": {(0, 10)}, "b": {(10, 20)}}

    def test_a_band_is_filled_down_to_the_other_line(self, one: Callable[..., Surface]) -> None:
        overrides = [
            override("b", custom__fillBelowTo="a", custom__fillOpacity=15, custom__lineWidth=0),
            override("a", custom__lineWidth=0, custom__hideFrom={"legend": True}),
        ]
        surface = one("timeseries", "requests", overrides=overrides)
        (band,) = surface.plots[0].collections
        assert isinstance(band, FillBetweenPolyCollection)
        heights = {float(y) for y in np.asarray(band.get_paths()[0].vertices)[:, 1]}
        assert heights == {10, 20}
        assert "a" not in texts(surface)

    def test_overrides_colour_and_dash_a_series(self, one: Callable[..., Surface]) -> None:
        look = {"color": {"mode": "fixed", "fixedColor": "red"}}
        dash = {"custom__lineStyle": {"fill": "dash", "dash": [6, 6]}}
        surface = one("timeseries", "requests", overrides=[override("b", **look, **dash)])
        line = next(each for each in surface.plots[0].get_lines() if each.get_label() == "b")
        assert to_hex(line.get_color()) == RED
        assert line.get_linestyle() == "--"

    def test_another_unit_has_its_own_axis(self, one: Callable[..., Surface]) -> None:
        surface = one(
            *("timeseries", "requests{route='a'}", "errors"),
            overrides=[override("b", unit="percentunit")],
        )
        left, right = surface.plots
        assert (set(lines(left)), set(lines(right))) == ({"a"}, {"b"})
        assert [text for text in texts(surface) if text.endswith("%")]

    def test_limits_are_those_of_the_settings(self, one: Callable[..., Surface]) -> None:
        surface = one("timeseries", "requests", defaults={"min": 0, "max": 50})
        assert surface.plots[0].get_ylim() == (0, 50)
        assert surface.plots[0].get_xlim() == (SPAN.start, SPAN.end)

    def test_exemplars_and_annotations_are_marked(self, tmp_path: Path) -> None:
        board = read(tmp_path, panel("timeseries", "x", legend="x"))
        times = np.arange(SPAN.start, SPAN.end + 1, 60, dtype=float)
        series = Series("x", "A", {}, times, np.ones(len(times)))
        marks = (Mark(END - 900, END - 900, "blue"), Mark(END - 600, END - 300, "red"))
        answers = Answers(SPAN, 60, (series,), ((END - 100, 0.9), (END - 50, 9)), marks)
        (surface,) = drawn(board, [answers]).surfaces
        axes = surface.plots[0]
        assert lines(axes)["exemplars"] == [0.9, axes.get_ylim()[1]]
        upright = {float(np.asarray(line.get_xdata())[0]) for line in axes.get_lines()}
        assert {END - 900, END - 600, END - 300} <= upright


class TestAnnotations:
    def test_times_without_a_break_are_one_region(self, prometheus: str, tmp_path: Path) -> None:
        opened = {"name": "Open", "enable": True, "iconColor": "red", "expr": "breaker > 0"}
        board = read(tmp_path, panel("timeseries", "requests"), annotations={"list": [opened]})
        picture = asked(prometheus, board)
        (region,) = picture.surfaces[0].plots[0].patches
        assert to_hex(region.get_facecolor()) == RED
        assert region.get_extents().width > 0
        assert "Open" in texts(picture.head)


class TestValues:
    def test_a_stat_is_coloured_by_its_thresholds(self, one: Callable[..., Surface]) -> None:
        defaults = {"unit": "percentunit", "thresholds": thresholds(("green", None), ("red", 0.2))}
        look = {"colorMode": "background", "graphMode": "area"}
        surface = one("stat", "errors", defaults=defaults, options=look)
        assert texts(surface)[1:] == ["25", "%"]
        assert fillings(surface) == [TILE_RED]
        assert set(lines(surface.plots[0])["b"]) == {0.25}

    def test_a_mapping_has_the_last_word(self, one: Callable[..., Surface]) -> None:
        result = {"text": "open", "color": "orange", "index": 0}
        mapping = {"type": "value", "options": {"2": result}}
        surface = one(
            *("stat", "breaker"),
            defaults={"mappings": [mapping]},
            options={"colorMode": "background", "graphMode": "none"},
        )
        assert "open" in texts(surface)
        assert fillings(surface) == [TILE_ORANGE]
        assert surface.plots == []

    def test_several_values_stand_side_by_side_with_their_names(
        self, one: Callable[..., Surface]
    ) -> None:
        assert {"a", "10", "b", "20"} <= set(texts(one("stat", "requests")))

    def test_no_value_has_the_colour_of_its_mapping(self, one: Callable[..., Surface]) -> None:
        unknown = {"text": "unknown", "color": "#808080"}
        mapping = {"type": "special", "options": {"match": "null+nan", "result": unknown}}
        look = {"colorMode": "background_solid"}
        surface = one("stat", "nothing", defaults={"mappings": [mapping]}, options=look)
        assert texts(surface)[1:] == ["unknown"]
        assert fillings(surface) == ["#808080"]
        plain = one("stat", "nothing", options=look)
        assert (texts(plain)[1:], fillings(plain)) == (["No data"], [GREEN])

    def test_bars_are_as_long_as_the_value_between_the_limits(
        self, one: Callable[..., Surface]
    ) -> None:
        steps = thresholds(("green", None), ("red", 15))
        defaults = {"min": 0, "max": 40, "thresholds": steps}
        options = {"orientation": "horizontal"}
        surface = one(
            "bargauge", "requests", defaults=defaults, options=options, target={"instant": True}
        )
        assert {"a", "10", "b", "20"} <= set(texts(surface))
        track, a, _, b = rectangles(surface)
        assert a[1] / track[1] == pytest.approx(0.25, abs=0.01)
        assert b[1] / track[1] == pytest.approx(0.5, abs=0.01)
        assert (a[0], b[0]) == (mixed(DARK.panel, GREEN, 0.35), mixed(DARK.panel, RED, 0.35))


class TestTable:
    def test_queries_are_merged_and_columns_arranged(self, one: Callable[..., Surface]) -> None:
        names = {"route": "Route", "Value #A": "Rate", "Value #B": "Errors"}
        background = {"custom__cellOptions": {"type": "color-background"}}
        steps = {"thresholds": thresholds(("green", None), ("red", 0.2))}
        surface = one(
            *("table", "sum by (route) (requests)", "sum by (route) (errors)"),
            target={"instant": True, "format": "table"},
            transformations=[
                {"id": "merge", "options": {}},
                {
                    "id": "organize",
                    "options": {
                        "excludeByName": {"Time": True},
                        "renameByName": names,
                        "indexByName": {"Value #B": 0},
                    },
                },
            ],
            overrides=[override("Errors", unit="percentunit", **background, **steps)],
            options={"sortBy": [{"displayName": "Rate", "desc": True}]},
        )
        # "a" has no errors: nothing is written there, in the colour of the lowest threshold.
        shown = ["P", "Errors", "25%", "Route", "b", "a", "Rate", "20", "10"]
        assert texts(surface) == shown
        assert GREEN in [colour for colour, _ in rectangles(surface)]
        assert RED in [colour for colour, _ in rectangles(surface)]

    def test_rows_without_room_are_counted(self, one: Callable[..., Surface]) -> None:
        place = {"x": 0, "y": 0, "w": 12, "h": 3}
        surface = one(
            *("table", "requests or label_replace(requests, 'job', '$1', 'route', '(.)')"),
            target={"instant": True, "format": "table"},
            place=place,
        )
        assert surface.remarks[-1] == "4 rows are seen only by scrolling"
        assert surface.remarks[0].startswith("beyond its right edge: ")


class TestHeatmap:
    def test_cumulative_buckets_become_single_ones(self, one: Callable[..., Surface]) -> None:
        surface = one(
            *("heatmap", "latency_bucket"),
            legend="{{le}}",
            target={"format": "heatmap"},
            options={"yAxis": {"unit": "s"}},
        )
        mesh = cells(surface)
        assert [sorted(set(line)) for line in mesh] == [[1], [3], [1]]
        assert {"100 ms", "500 ms", "+Inf"} <= set(texts(surface))

    def test_rows_are_series_over_their_own_time(self, one: Callable[..., Surface]) -> None:
        surface = one("heatmap", "requests", timeFrom="30m", interval="5m")
        assert [len(line) for line in cells(surface)] == [7, 7]
        assert [sorted(set(line)) for line in cells(surface)] == [[10], [20]]
        assert {"a", "b", "Last 30 minutes"} <= set(texts(surface))


def test_states_are_spans_in_their_colours(one: Callable[..., Surface]) -> None:
    states = {
        "0": {"text": "closed", "color": "green", "index": 0},
        "2": {"text": "open", "color": "red", "index": 1},
    }
    surface = one(
        *("state-timeline", "breaker"),
        legend="ai",
        defaults={
            "color": {"mode": "palette-classic"},
            "mappings": [{"type": "value", "options": states}],
        },
    )
    colours = [
        to_hex(colour)
        for collection in surface.plots[0].collections
        for colour in np.asarray(collection.get_facecolor())
    ]
    assert colours == [mixed(DARK.panel, GREEN, 0.7), mixed(DARK.panel, RED, 0.7)]
    assert texts(surface).count("closed") == 2  # in the lane and in the legend
    assert {"ai", "open"} <= set(texts(surface))


class TestNothingToShow:
    def test_says_so_or_what_the_panel_says_of_it(self, prometheus: str, tmp_path: Path) -> None:
        board = read(
            tmp_path,
            panel("timeseries", "nothing"),
            panel("timeseries", "nothing", defaults={"noValue": "no SMS yet"}),
            panel("stat", "nothing", defaults={"noValue": "not scraped"}),
            panel("table", "nothing", target={"format": "table", "instant": True}),
        )
        picture = asked(prometheus, board)
        written = [texts(surface)[1:] for surface in picture.surfaces]
        assert written == [["No data"], ["no SMS yet"], ["not scraped"], ["No data"]]
        assert set(picture.outcomes) == {Outcome.EMPTY}

    def test_a_query_that_fails_says_why(self, prometheus: str, tmp_path: Path) -> None:
        board = read(
            tmp_path,
            panel("timeseries", "sum(requests"),
            panel("timeseries", "requests", "sum by (requests"),
        )
        picture = asked(prometheus, board)
        assert set(picture.outcomes) == {Outcome.FAILED}
        alone, beside = picture.surfaces
        assert "parse error" in " ".join(texts(alone))
        assert "B: " in " ".join(beside.remarks)
        assert set(lines(beside.plots[0])) == {"a", "b"}

    def test_what_is_not_of_prometheus_is_named(self, prometheus: str, tmp_path: Path) -> None:
        loki = panel("logs", '{service="x"}') | {"datasource": {"type": "loki", "uid": "l"}}
        picture = asked(prometheus, read(tmp_path, loki, panel("piechart", "requests")))
        assert 'Loki: {service="x"}' in texts(picture.surfaces[0])
        assert "panels of the kind piechart are not drawn here" in texts(picture.surfaces[1])
        assert any("piechart" in remark for remark in picture.remarks)

    def test_a_text_is_shown_plain(self, one: Callable[..., Surface]) -> None:
        content = "## Read this\n\n- the **first** [thing](https://x.example)"
        surface = one("text", options={"content": content})
        assert texts(surface) == ["P", "Read this", "• the first thing"]


class TestLayout:
    def board(self, tmp_path: Path) -> Dashboard:
        place = {"x": 12, "y": 1, "w": 12, "h": 8}
        inside = {"x": 0, "y": 10, "w": 24, "h": 4}
        return read(
            tmp_path,
            row("First", 0),
            panel("text", title="here", place=place),
            row("Closed", 9, panel("text", title="inside", place=inside)),
            row("Last", 10),
            panel("text", title="below", place={"x": 0, "y": 11, "w": 6, "h": 2}),
        )

    def test_is_that_of_the_grid(self, prometheus: str, tmp_path: Path) -> None:
        picture = asked(prometheus, self.board(tmp_path))
        boxes = {each.title: box for each, box in picture.layout.panels}
        assert set(boxes) == {"here", "below"}
        assert boxes["here"].right == pytest.approx(1440 - 15 - 300 - 16, abs=1)
        assert boxes["here"].height == 8 * 38 - 8
        assert "(1 panel)" in texts(picture.head)

    def test_collapsed_rows_can_be_opened(self, prometheus: str, tmp_path: Path) -> None:
        closed = asked(prometheus, self.board(tmp_path))
        opened = asked(prometheus, self.board(tmp_path), opened=True)
        assert [each.title for each, _ in opened.layout.panels] == ["here", "inside", "below"]
        assert opened.layout.bottom == closed.layout.bottom + 4 * 38


class TestCommand:
    @pytest.fixture
    def preview(self, prometheus: str, tmp_path: Path) -> Callable[..., Any]:
        def run(*options: str) -> subprocess.CompletedProcess[str]:
            folders = ("--dashboards", str(tmp_path), "--output", str(tmp_path / "out"))
            asked = ("preview", "--prometheus", prometheus, *folders, "--to", str_time(END))
            return command_line(main, *asked, *options)

        return run

    def test_draws_pictures_and_an_index_of_them(
        self, preview: Callable[..., Any], tmp_path: Path
    ) -> None:
        write(
            tmp_path,
            panel("timeseries", 'requests{route=~"$job"}', title="One"),
            panel("stat", "nothing", title="Two"),
        )
        done = preview("--last", "1h", "--set", "job=a")
        assert (done.returncode, done.stderr) == (0, "  empty: sample: Two\n")
        assert "sample: 2 panels, 1 empty: sample.png" in done.stdout
        index = (tmp_path / "out" / "index.html").read_text()
        links = set(re.findall(r'(?:src|href)="([^#"]+)"', index))
        assert links == {"sample.png"}
        picture = Image.open(tmp_path / "out" / "sample.png")
        picture.load()
        assert (picture.format, picture.width) == ("PNG", 1125)
        assert f'height="{picture.height}"' in index

    def test_fails_when_a_title_is_cut(self, preview: Callable[..., Any], tmp_path: Path) -> None:
        place = {"x": 0, "y": 0, "w": 6, "h": 4}
        title = "A title that is longer than a quarter"
        write(tmp_path, panel("timeseries", "requests", title=title, place=place))
        done = preview("--last", "1h")
        assert done.returncode == 1
        assert f"CUT: sample: {title!r} reads 'A title that is longer" in done.stderr
        assert preview("--last", "1h", "--window", "2000x900").returncode == 0

    def test_fails_when_a_query_fails(self, preview: Callable[..., Any], tmp_path: Path) -> None:
        write(tmp_path, panel("timeseries", "sum(requests", title="One"))
        done = preview("--last", "1h")
        assert done.returncode == 1
        assert "FAILED: sample: One: A: " in done.stderr

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (
                ("--dashboard", "smaple"),
                "--dashboard smaple: no such dashboard; did you mean sample?",
            ),
            (("--set", "jbo=a"), "--set jbo: no dashboard has this variable; did you mean job?"),
            (("--prometheus", "http://127.0.0.1:1"), "no Prometheus answers at http://127.0.0.1:1"),
        ],
    )
    def test_names_what_is_wrong(
        self, preview: Callable[..., Any], tmp_path: Path, options: tuple[str, ...], said: str
    ) -> None:
        write(tmp_path, panel("timeseries", "requests"))
        done = preview(*options)
        assert done.returncode == 1
        assert said in done.stderr

    def test_names_an_unknown_variable(self, preview: Callable[..., Any], tmp_path: Path) -> None:
        write(tmp_path, panel("timeseries", 'requests{route="$rout"}', title="One"))
        done = preview()
        assert done.returncode == 1
        assert "sample: panel 'One': no variable $rout" in done.stderr

    def test_names_a_file_that_is_no_dashboard(
        self, preview: Callable[..., Any], tmp_path: Path
    ) -> None:
        write(tmp_path, schemaVersion=12)
        done = preview()
        assert done.returncode == 1
        assert "sample.json: schemaVersion 12" in done.stderr


def str_time(second: int) -> str:
    return f"{np.datetime64(second, 's')}Z"


def rectangles(surface: Surface) -> list[tuple[str, float]]:
    """Colour and width of each box in the panel."""
    figure = surface.texts[0].get_figure(root=True)
    assert figure is not None
    return [
        (to_hex(each.get_facecolor()), each.get_width())
        for each in figure.artists
        if isinstance(each, (Rectangle, FancyBboxPatch))
        # Without the bar at the top and the panel's frame.
    ][2:]


def fillings(surface: Surface) -> list[str]:
    return [colour for colour, _ in rectangles(surface)]


def cells(surface: Surface) -> list[list[float]]:
    """The values of a heat map, a line for each row from below."""
    (mesh,) = (each for each in surface.plots[-1].collections if isinstance(each, QuadMesh))
    values = mesh.get_array()
    assert values is not None
    return [[float(value) for value in line] for line in values]
