"""What panels are drawn on: boxes in pixels, texts that fit into them, plots."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.text import Text

from dashboards.preview.colours import Theme

DPI = 100
FONT = "DejaVu Sans"
"""It comes with matplotlib, so that a picture is the same everywhere."""
TEXT_SIZE = 9.0
SMALL_SIZE = 8.0
"""Points."""

Align = Literal["left", "center", "right"]
Vertical = Literal["top", "center_baseline", "center", "baseline", "bottom"]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the page; ``y`` is measured downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends to the right."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def inside(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> "Box":
        """The box that is smaller by this much on each side; never less than a pixel."""
        width = max(self.width - left - right, 1)
        return Box(self.x + left, self.y + top, width, max(self.height - top - bottom, 1))


class Surface:
    """The part ``box`` of a page. What was drawn on it is in ``texts`` and ``plots``."""

    def __init__(self, figure: Figure, box: Box, theme: Theme) -> None:
        self.box = box
        self.theme = theme
        self.texts: list[Text] = []
        self.plots: list[Axes] = []
        self._figure = figure
        self._width, self._height = (float(size) * DPI for size in figure.get_size_inches())

    @property
    def page_width(self) -> float:
        """The width of the whole page in pixels."""
        return self._width

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        width: float | None = None,
        size: float = TEXT_SIZE,
        colour: str = "",
        bold: bool = False,
        align: Align = "left",
        vertical: Vertical = "center_baseline",
    ) -> None:
        """Write one line at a point, cut to ``width`` pixels."""
        weight = "bold" if bold else "normal"
        shown = text if width is None else cut(text, width, size, weight)
        self.texts.append(
            self._figure.text(
                x / self._width,
                1 - y / self._height,
                shown,
                fontfamily=FONT,
                fontsize=size,
                fontweight=weight,
                color=colour or self.theme.text,
                horizontalalignment=align,
                verticalalignment=vertical,
                parse_math=False,
            )
        )

    def rectangle(self, box: Box, colour: str, *, edge: str = "", radius: float = 0) -> None:
        """Fill a box, with rounded corners where there is a ``radius``."""
        x, y, width, height = self._fractions(box)
        shape: Patch = Rectangle((x, y), width, height)
        if radius:
            shape = FancyBboxPatch(
                *((x, y), width, height),
                boxstyle=f"round,pad=0,rounding_size={radius / self._width}",
                mutation_aspect=self._width / self._height,
            )
        shape.set(facecolor=colour, edgecolor=edge or "none", linewidth=0.8)
        shape.set_transform(self._figure.transFigure)
        # Below plots, which are at 0.
        shape.set_zorder(-1)
        self._figure.add_artist(shape)

    def line(self, x: float, y: float, to_x: float, to_y: float, colour: str, width: float) -> None:
        """Draw a line from point to point, ``width`` pixels wide."""
        self._figure.add_artist(
            Line2D(
                (x / self._width, to_x / self._width),
                (1 - y / self._height, 1 - to_y / self._height),
                color=colour,
                linewidth=width * 72 / DPI,
                solid_capstyle="butt",
                transform=self._figure.transFigure,
            )
        )

    def plot(self, box: Box) -> Axes:
        """Axes that fill ``box``, without frame or ticks."""
        axes = self._figure.add_axes(self._fractions(box))
        axes.set_facecolor("none")
        for spine in axes.spines.values():
            spine.set_visible(False)
        axes.tick_params(length=0, labelbottom=False, labelleft=False)
        axes.set_xticks([])
        axes.set_yticks([])
        self.plots.append(axes)
        return axes

    def _fractions(self, box: Box) -> tuple[float, float, float, float]:
        return (
            box.x / self._width,
            1 - box.bottom / self._height,
            box.width / self._width,
            box.height / self._height,
        )


@cache
def text_width(text: str, size: float = TEXT_SIZE, weight: str = "normal") -> float:
    """How wide a line is, in pixels."""
    measured = Text(0, 0, text, parse_math=False)
    measured.set_fontfamily(FONT)
    measured.set_fontsize(size)
    measured.set_fontweight(weight)
    measured.set_figure(_measuring())
    return float(measured.get_window_extent().width)


def widest(texts: Iterable[str], size: float = TEXT_SIZE) -> float:
    """The width of the widest of ``texts``, in pixels."""
    return max((text_width(text, size) for text in texts), default=0)


def cut(text: str, width: float, size: float = TEXT_SIZE, weight: str = "normal") -> str:
    """As much of ``text`` as fits into ``width`` pixels, with … where something is missing."""
    if text_width(text, size, weight) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(text[:middle].rstrip() + "…", size, weight) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def wrapped(text: str, width: float, size: float = TEXT_SIZE) -> list[str]:
    """``text`` in lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [cut(line, width, size) for line in lines]


@cache
def _measuring() -> Figure:
    figure = Figure(dpi=DPI)
    FigureCanvasAgg(figure)
    return figure
