"""What panels are drawn on: texts, boxes and plots, in pixels of the page."""

from functools import cache
from typing import Literal

from matplotlib import get_data_path, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import ImageFont

from dashboards.preview import facts
from dashboards.preview.colours import Theme
from dashboards.preview.lettering import Weight, cut, text_width
from dashboards.preview.screen import Box

DPI = 72
"""So that a point is a pixel."""
_FONT = "DejaVu Sans"
"""It comes with matplotlib, so that a picture is the same everywhere."""
_LARGEST = 0.9
"""Of the size, as it is wider than Inter: a text ends where it does there, or a little before."""
_SMALLEST = 0.75
"""A 1 is narrow in Inter alone: as wide as there, it would look like a footnote."""
# Letters are where they are, not at the next pixel; else lines would be longer than measured.
rcParams["text.hinting"] = "none"

Align = Literal["left", "center", "right"]


class Surface:
    """The part ``box`` of a page. What was drawn on it is in ``texts`` and ``plots``."""

    def __init__(self, figure: Figure, box: Box, theme: Theme) -> None:
        self.box = box
        self.theme = theme
        self.texts: list[Text] = []
        self.plots: list[Axes] = []
        self.remarks: list[str] = []
        """What is not seen of it, or would look otherwise in Grafana."""
        self._figure = figure
        self._width, self._height = (float(size) * DPI for size in figure.get_size_inches())

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        width: float | None = None,
        clip: Box | None = None,
        size: float = facts.TEXT,
        weight: Weight = "regular",
        colour: str = "",
        align: Align = "left",
    ) -> float:
        """Write one line at a point, cut to ``width`` pixels or seen only in ``clip``.

        Gives how wide it is.
        """
        shown = text if width is None else cut(text, width, size, weight)
        wanted = text_width(shown, size, weight)
        if not shown.strip():
            return wanted
        drawn = self._figure.text(
            x / self._width,
            1 - y / self._height,
            shown,
            fontfamily=_FONT,
            fontsize=size * min(max(wanted / _drawn_width(shown) / size, _SMALLEST), _LARGEST),
            color=colour or self.theme.text,
            horizontalalignment=align,
            verticalalignment="center_baseline",
            parse_math=False,
        )
        if clip is not None:
            low, high = self._height - clip.bottom, self._height - clip.y
            drawn.set_clip_box(Bbox.from_extents(clip.x, low, clip.right, high))
            drawn.set_clip_on(True)
        self.texts.append(drawn)
        return wanted

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
        shape.set(facecolor=colour, edgecolor=edge or "none", linewidth=1)
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
                linewidth=width,
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
def _drawn_width(text: str) -> float:
    """How wide a line is in the font that is drawn with, one pixel high."""
    return max(_font().getlength(text), 1) / _font().size


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 100)
