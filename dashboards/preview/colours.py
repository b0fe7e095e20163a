"""Grafana's colours by name, its palette for series, and the two themes."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.colors import to_rgb

_SHADES = ("dark-{}", "semi-dark-{}", "{}", "light-{}", "super-light-{}")
_HUES = {
    "red": ("#C4162A", "#E02F44", "#F2495C", "#FF7383", "#FFA6B0"),
    "orange": ("#FA6400", "#FF780A", "#FF9830", "#FFB357", "#FFCB7D"),
    "yellow": ("#E0B400", "#F2CC0C", "#FADE2A", "#FFEE52", "#FFF899"),
    "green": ("#37872D", "#56A64B", "#73BF69", "#96D98D", "#C8F2C2"),
    "blue": ("#1F60C4", "#3274D9", "#5794F2", "#8AB8FF", "#C0D8FF"),
    "purple": ("#8F3BB8", "#A352CC", "#B877D9", "#CA95E5", "#DEB6F2"),
}
_NAMED = {
    shade.format(hue): value
    for hue, values in _HUES.items()
    for shade, value in zip(_SHADES, values, strict=True)
} | {"white": "#FFFFFF", "black": "#000000", "gray": "#808080", "grey": "#808080"}
_PALETTE = (
    *("green", "semi-dark-yellow", "light-blue", "semi-dark-orange", "red", "blue", "purple"),
    *("#705DA0", "dark-green", "yellow", "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62"),
    *("#584477", "light-green", "dark-yellow", "semi-dark-blue", "light-orange"),
)


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of everything that is not data."""

    page: str
    panel: str
    border: str
    text: str
    quiet_text: str
    grid: str
    track: str
    """Behind a bar that is not full."""
    failure: str
    is_dark: bool

    def colour(self, name: str) -> str:
        """The colour called ``name`` as #RRGGBB; ``text`` is the theme's, #… is itself.

        rgb() and names that Grafana does not have either are the theme's text.
        """
        if name.startswith("#"):
            return name
        if name == "transparent":
            return self.panel
        return _NAMED.get(name, self.text)

    def of_series(self, index: int) -> str:
        """The colour of the ``index``-th series of a panel."""
        return self.colour(_PALETTE[index % len(_PALETTE)])


THEMES = {
    "light": Theme(
        page="#F4F5F5",
        panel="#FFFFFF",
        border="#DFE0E1",
        text="#24292E",
        quiet_text="#6A6F75",
        grid="#EBECEC",
        track="#EDEEEF",
        failure="#CF0E5B",
        is_dark=False,
    ),
    "dark": Theme(
        page="#111217",
        panel="#181B1F",
        border="#2E3036",
        text="#CCCCDC",
        quiet_text="#8F8F9C",
        grid="#292B30",
        track="#26282D",
        failure="#FF5286",
        is_dark=True,
    ),
}


def readable_on(background: str) -> str:
    """White or near black, whichever can be read on ``background``."""
    red, green, blue = to_rgb(background)
    return "#FFFFFF" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.72 else "#24292E"


def mixed(colour: str, other: str, share: float) -> str:
    """``colour`` with the ``share`` of ``other`` in it, as #RRGGBB."""
    parts = zip(to_rgb(colour), to_rgb(other), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * share)):02X}" for a, b in parts)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Colours from a value on; the first has no limit. ``is_percentage``: of min to max."""

    limits: tuple[float, ...]
    colours: tuple[str, ...]
    is_percentage: bool = False

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> "Thresholds":
        """Those of a field's JSON; without any, everything is green, as in Grafana."""
        found = document or {}
        steps: Sequence[Mapping[str, Any]] = found.get("steps") or [{"color": "green"}]
        base, *others = steps
        return cls(
            tuple(float(step["value"]) for step in others),
            tuple(str(step["color"]) for step in (base, *others)),
            found.get("mode") == "percentage",
        )

    def colour(self, value: float) -> str:
        """The colour's name at ``value``; that of the base for NaN."""
        return self.colours[bisect_right(self.limits, value) if value == value else 0]

    def within(self, least: float, most: float) -> "Thresholds":
        """The same in the unit of the values, where ``least`` is 0 % and ``most`` 100 %."""
        if not self.is_percentage:
            return self
        limits = tuple(least + (most - least) * limit / 100 for limit in self.limits)
        return Thresholds(limits, self.colours)
