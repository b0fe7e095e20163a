"""`python -m dashboards preview`: each dashboard as a picture."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alerts import paths
from alerts.prometheus_config import scrape_seconds
from asgi_observability.nearest import did_you_mean
from dashboards.preview import dashboard as dashboards
from dashboards.preview import index, page
from dashboards.preview.answers import Asking, Span
from dashboards.preview.choices import with_all_values
from dashboards.preview.colours import THEMES
from dashboards.preview.dashboard import Dashboard
from dashboards.preview.frames import Outcome
from dashboards.preview.screen import WINDOW
from dashboards.preview.titles import cut_titles
from prometheus_tools import time_range
from prometheus_tools.api import PrometheusAPI, PrometheusError

_LEAST = 600
"""Pixels of a window."""
DESCRIPTION = """\
Draws each dashboard as one picture, and writes an index.html with all of them. It reads the JSON of
the dashboards, and a Prometheus:

  python -m dashboards preview --dashboard overview --last 6h --set job=orchestrator

It is a drawing of the JSON by Grafana's rules; Grafana is not needed. Each picture is as wide as
what a window has beside Grafana's menu. What is not seen there, and what is not drawn as Grafana
would, stands at its foot. Empty panels are listed at the end. The exit code is 1 if Prometheus
refused a query or a panel's title is cut.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command to ``parser``."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--prometheus",
        default="http://127.0.0.1:9090",
        metavar="URL",
        help="address of Prometheus (default %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=paths.ROOT / ".state" / "preview",
        metavar="FOLDER",
        help="folder to write to (default .state/preview)",
    )
    time_range.add_options(parser, None)
    parser.add_argument(
        "--dashboard",
        dest="names",
        action="append",
        default=[],
        metavar="NAME",
        help="only this dashboard, such as overview; may be repeated",
    )
    parser.add_argument(
        "--set",
        dest="chosen",
        type=_chosen,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a dashboard variable (default: all values); may be repeated, also for the "
        "same variable",
    )
    parser.add_argument("--all-rows", action="store_true", help="draw collapsed rows too")
    parser.add_argument(
        "--theme", choices=tuple(THEMES), default="dark", help="colours (default %(default)s)"
    )
    parser.add_argument(
        "--window",
        type=_window,
        default=WINDOW,
        metavar="WIDTHxHEIGHT",
        help="size of the window in pixels (default {}x{})".format(*WINDOW),
    )
    parser.add_argument(
        "--dashboards",
        type=Path,
        default=paths.DASHBOARDS,
        metavar="FOLDER",
        help="folder of the JSON files; default grafana/dashboards",
    )


def run(options: argparse.Namespace) -> int:
    """Draw and print; returns the exit code. Raises ValueError for what can't be meant."""
    boards = [_with_choices(board, options.chosen) for board in _wanted(options)]
    spans = [_span(options, board) for board in boards]
    _check_choices(options.chosen, boards)
    url: str = options.prometheus
    options.output.mkdir(parents=True, exist_ok=True)
    drawn: list[_Drawn] = []
    try:
        with PrometheusAPI(url) as prometheus:
            every = prometheus.scrape_seconds() or scrape_seconds()
            for board, span in zip(boards, spans, strict=True):
                _progress(f"{len(drawn) + 1} of {len(boards)}: {board.title}")
                asking = Asking(prometheus, span, every)
                chosen = with_all_values(board, prometheus, span.start, span.end)
                drawn.append(_draw(chosen, asking, options, url))
                _progress("")
                print(f"{board.name}: {drawn[-1].summary}", flush=True)
    except PrometheusError as error:
        _progress("")
        print(error, file=sys.stderr)
        return 1
    theme = THEMES[options.theme]
    html = index.page(
        [each.picture for each in drawn],
        f"Drawn from {url} without Grafana.",
        index.Look(theme.text, theme.page, theme.border),
    )
    (options.output / "index.html").write_text(html, encoding="utf-8")
    for remark in (remark for each in drawn for remark in each.remarks):
        print(remark, file=sys.stderr)
    print(paths.in_checkout(f"{options.output}/index.html"))
    return 1 if any(each.failed or each.cut for each in drawn) else 0


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A dashboard that was drawn, and what is to be said about it."""

    picture: index.Picture
    panels: int
    empty: tuple[str, ...]
    failed: tuple[str, ...]
    """What Prometheus said, behind the panel's title."""
    cut: tuple[str, ...]
    """The titles that are cut."""

    @property
    def summary(self) -> str:
        """One line about it."""
        parts = [f"{self.panels} panels"]
        parts += [f"{len(self.empty)} empty"] if self.empty else []
        parts += [f"{len(self.failed)} FAILED"] if self.failed else []
        parts += [f"{len(self.cut)} CUT"] if self.cut else []
        return f"{', '.join(parts)}: {self.picture.file}"

    @property
    def remarks(self) -> Iterator[str]:
        """A line for each panel that is not as it should be."""
        yield from (f"  empty: {self.picture.name}: {title}" for title in self.empty)
        yield from (f"  FAILED: {self.picture.name}: {said}" for said in self.failed)
        yield from (f"  CUT: {self.picture.name}: {said}" for said in self.cut)


def _draw(board: Dashboard, asking: Asking, options: argparse.Namespace, url: str) -> _Drawn:
    places = page.layout(board, opened=options.all_rows, window=options.window)
    widths = [(panel, box.width) for panel, box in places.panels]
    answers, failed = asking.answers(board, widths)
    drawn = page.draw(board, places, answers, asking.span, THEMES[options.theme], url)
    file = options.output / f"{board.name}.png"
    drawn.save(file)
    titles = [panel.title for panel, _ in places.panels]
    failed += [
        f"{title}: {failure}"
        for title, answer in zip(titles, answers, strict=True)
        for failure in answer.failures
    ]
    return _Drawn(
        index.Picture(
            board.name,
            board.uid,
            title=board.title,
            about=board.description,
            file=file.name,
            width=drawn.size[0],
            height=drawn.size[1],
        ),
        len(titles),
        tuple(t for t, o in zip(titles, drawn.outcomes, strict=True) if o is Outcome.EMPTY),
        tuple(failed),
        tuple(map(str, cut_titles(board.document, options.window[0]))),
    )


def _wanted(options: argparse.Namespace) -> list[Dashboard]:
    files = {file.stem: file for file in sorted(options.dashboards.glob("*.json"))}
    if not files:
        raise ValueError(f"{options.dashboards}: no dashboards there; run `make generate`")
    for name in options.names:
        if name not in files:
            raise ValueError(f"--dashboard {name}: no such dashboard; {_hint(name, list(files))}")
    return [dashboards.read(files[name]) for name in options.names or files]


def _with_choices(board: Dashboard, chosen: Sequence[tuple[str, str]]) -> Dashboard:
    """The dashboard with the chosen values; several of one variable are alternatives."""
    values: dict[str, list[str]] = {}
    for name, value in chosen:
        values.setdefault(name, []).append(value)
    found = {name: "|".join(values.get(name, [value])) for name, value in board.variables.items()}
    return replace(board, variables=found)


def _check_choices(chosen: Sequence[tuple[str, str]], boards: Sequence[Dashboard]) -> None:
    known = sorted({name for board in boards for name in board.variables})
    for name, _ in chosen:
        if name not in known:
            raise ValueError(f"--set {name}: no dashboard has this variable; {_hint(name, known)}")


def _span(options: argparse.Namespace, board: Dashboard) -> Span:
    """The range that was asked for, or the one that the dashboard opens with."""
    last = options.last or round(board.range_seconds)
    return Span(*time_range.chosen(argparse.Namespace(**{**vars(options), "last": last})))


def _hint(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known, otherwise=f"there are {', '.join(known)}")


def _chosen(text: str) -> tuple[str, str]:
    name, equal, value = text.partition("=")
    if not (name and equal and value):
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=VALUE")
    return name.strip(), value.strip()


def _window(text: str) -> tuple[int, int]:
    width, x, height = text.partition("x")
    if not (x and width.isdigit() and height.isdigit()) or min(int(width), int(height)) < _LEAST:
        raise argparse.ArgumentTypeError(
            f"{text!r}: write WIDTHxHEIGHT, such as 1280x720, each {_LEAST} or more"
        )
    return int(width), int(height)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text:<90}", end="" if text else "\r", file=sys.stderr, flush=True)
