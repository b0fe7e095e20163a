"""Grafana's colours: their names, the palette of series, colours by value, and the two themes."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import dataclass
from typing import Any

from matplotlib.colors import CSS4_COLORS, to_rgb

FALLBACK = "#808080"
"""Where a colour is asked for and none is named."""
_SHADES = ("super-light-{}", "light-{}", "{}", "semi-dark-{}", "dark-{}")
# From the lightest; the light theme leaves out the first, the dark one the last.
_HUES = {
    "red": ("#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A", "#AD0317"),
    "orange": ("#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400", "#E55400"),
    "yellow": ("#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400", "#CC9D00"),
    "green": ("#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D", "#19730E"),
    "blue": ("#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4", "#1250B0"),
    "purple": ("#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8", "#7C2EA3"),
}
_PALETTE = (
    *("green", "semi-dark-yellow", "blue", "orange", "red", "purple"),
    *("dark-green", "dark-yellow", "dark-blue", "dark-orange", "dark-red", "dark-purple"),
    *("super-light-green", "super-light-yellow", "super-light-blue", "super-light-orange"),
    *("super-light-red", "super-light-purple", "#447EBC", "#C15C17", "#890F02", "#0A437C"),
    *("#6D1F62", "#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F", "#F29191", "#82B5D8"),
    *("#E5A8E2", "#AEA2E0", "#629E51", "#E5AC0E", "#64B0C8", "#E0752D", "#BF1B00", "#0A50A1"),
    *("#962D82", "#614D93", "#9AC48A", "#F2C96D", "#65C5DB", "#F9934E", "#EA6460", "#5195CE"),
    *("#D683CE", "#806EB7", "#3F6833", "#967302", "#2F575E", "#99440A", "#58140C", "#052B51"),
    *("#511749", "#3F2B5B", "#E0F9D7", "#FCEACA", "#CFFAFF", "#F9E2D2", "#FCE2DE", "#BADFF4"),
    *("#F9D9F9", "#DEDAF7"),
)
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "continuous-GrYlRd": ("green", "yellow", "red"),
    "continuous-RdYlGr": ("red", "yellow", "green"),
    "continuous-BlYlRd": ("dark-blue", "super-light-yellow", "dark-red"),
    "continuous-YlRd": ("super-light-yellow", "dark-red"),
    "continuous-BlPu": ("blue", "purple"),
    "continuous-YlBl": ("super-light-yellow", "dark-blue"),
    "continuous-blues": ("panel-bg", "dark-blue"),
    "continuous-reds": ("panel-bg", "dark-red"),
    "continuous-greens": ("panel-bg", "dark-green"),
    "continuous-purples": ("panel-bg", "dark-purple"),
}
"""Colours between which values are blended, from least to most."""
_SHADE_STEPS, _SHADE_SPIN, _SHADE_REACH = 6, 10, 0.35
_SHADES_OF_ONE = 2 * _SHADE_STEPS - 1
"""Shades of one colour: steps to either side, how far the hue turns in degrees, and the light."""
_RGB = re.compile(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+)(?:[\s,/]+([\d.]+))?\s*\)")


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of everything that is not data."""

    page: str
    panel: str
    border: str
    text: str
    quiet_text: str
    link: str
    grid: str
    track: str
    """Behind a bar that is not full."""
    failure: str
    is_dark: bool

    def colour(self, name: str) -> str:
        """The colour called ``name`` as #rrggbb or #rrggbbaa."""
        if not name:
            return FALLBACK
        own = {"text": self.text, "panel-bg": self.panel, "transparent": "#ffffff00"}
        if self.is_dark:
            own["transparent"] = "#00000000"
        if name in own:
            return own[name].lower()
        for hue, shades in _HUES.items():
            for number, shade in enumerate(_SHADES):
                if name == shade.format(hue):
                    return shades[number + (not self.is_dark)].lower()
        if found := _RGB.fullmatch(name):
            red, green, blue = (int(part) for part in found.groups()[:3])
            alpha = round(255 * float(found[4] or 1))
            return f"#{red:02x}{green:02x}{blue:02x}" + (f"{alpha:02x}" if alpha < 255 else "")
        known = name if name.startswith("#") else CSS4_COLORS.get(name.lower(), self.text)
        return str(known).lower()

    def of_series(self, index: int) -> str:
        """The colour of the ``index``-th series of a panel."""
        return self.colour(_PALETTE[index % len(_PALETTE)])

    def shaded(self, name: str, index: int) -> str:
        """The shade of the colour ``name`` that the ``index``-th series has: lighter, darker."""
        step, is_darker = divmod((index % _SHADES_OF_ONE) + 1, 2)
        base = [round(part * 255) for part in to_rgb(self.colour(name)[:7])]
        if not step:
            return self.colour(name)
        hue, light, full = _to_four_places(rgb_to_hls(*(part / 255 for part in base)))
        share = step / _SHADE_STEPS
        hue = (hue + (-1 if is_darker else 1) * share * _SHADE_SPIN / 360) % 1
        if is_darker:
            hue, light, full = _to_four_places(rgb_to_hls(*hls_to_rgb(hue, light, full)))
            darker = _to_four_places((hue, max(light - share * _SHADE_REACH, 0), full))
            parts = [255 * part for part in hls_to_rgb(*darker)]
        else:
            more = int(255 * share * _SHADE_REACH + 0.5)
            parts = [int(255 * p + 0.5) + more for p in hls_to_rgb(hue, light, full)]
        return "#" + "".join(f"{max(0, min(255, int(part + 0.5))):02x}" for part in parts)

    def blended(self, scheme: str, share: float) -> str:
        """The colour at ``share``, from 0 to 1, of a scheme: a spline through its colours."""
        ends = [to_rgb(self.colour(name)) for name in SCHEMES[scheme]]
        parts = [_spline([end[channel] * 255 for end in ends], share) for channel in range(3)]
        return "#" + "".join(f"{max(0, min(255, int(part + 0.5))):02x}" for part in parts)


THEMES = {
    "dark": Theme(
        page="#111217",
        panel="#181b1f",
        border="#2e3036",
        text="#ccccdc",
        quiet_text="#8d8e9a",
        link="#6e9fff",
        grid="#2b2f33",
        track="#22252b",
        failure="#ff5286",
        is_dark=True,
    ),
    "light": Theme(
        page="#fbfbfb",
        panel="#ffffff",
        border="#e5e5e6",
        text="#24292e",
        quiet_text="#5b5f62",
        link="#1f62e0",
        grid="#e8e9ea",
        track="#f4f5f5",
        failure="#cf0e5b",
        is_dark=False,
    ),
}


def readable_on(background: str) -> str:
    """Nearly white or nearly black: what a filled tile or cell of that colour is written in."""
    red, green, blue = (255 * part for part in to_rgb(background[:7]))
    is_bright = (red * 299 + green * 587 + blue * 114) / 1000 > 180
    return "#202226" if is_bright else "#f7f8fa"


def contrasting(background: str) -> str:
    """White, or black where white has no contrast of 3 to the ``background``."""
    linear = [
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(background[:7])
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= 3 else "#000000"


def mixed(colour: str, other: str, share: float) -> str:
    """``colour`` with the ``share`` of ``other`` in it, as #rrggbb."""
    parts = zip(to_rgb(colour[:7]), to_rgb(other[:7]), strict=True)
    return "#" + "".join(f"{round(255 * (a + (b - a) * share)):02x}" for a, b in parts)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Colours from a value on; the first has no limit. ``is_percentage``: of min to max."""

    limits: tuple[float, ...]
    colours: tuple[str, ...]
    is_percentage: bool = False

    @classmethod
    def read(cls, document: Mapping[str, Any] | None) -> "Thresholds":
        """Those of a field's JSON; without any, green and from 80 on red, as in Grafana."""
        found = document or {}
        steps: Sequence[Mapping[str, Any]] | None = found.get("steps")
        if steps is None:
            steps = [{"color": "green"}, {"color": "red", "value": 80}]
        return cls(
            tuple(float(step["value"]) for step in steps[1:]),
            tuple(str(step["color"]) for step in steps) or (FALLBACK,),
            found.get("mode") == "percentage",
        )

    def at(self, value: float) -> int:
        """Which of the colours holds at ``value``; for NaN the first."""
        return bisect_right(self.limits, value) if value == value else 0

    def colour(self, value: float) -> str:
        """The colour's name at ``value``."""
        return self.colours[self.at(value)]

    def within(self, least: float, most: float) -> "Thresholds":
        """The same in the unit of the values, where ``least`` is 0 % and ``most`` 100 %."""
        if not self.is_percentage:
            return self
        limits = tuple(least + (most - least) * limit / 100 for limit in self.limits)
        return Thresholds(limits, self.colours)


def _to_four_places(hls: tuple[float, float, float]) -> tuple[float, float, float]:
    """Light and fullness as the library holds them between two changes: cut, not rounded."""
    hue, light, full = hls
    return hue, int(light * 1e4 + 1e-9) / 1e4, int(full * 1e4 + 1e-9) / 1e4


def _spline(values: Sequence[float], share: float) -> float:
    """A uniform cubic B-spline through ``values``, with ends that go on as they begin."""
    parts = len(values) - 1
    share = max(0.0, min(1.0, share))
    at = min(int(share * parts), parts - 1)
    one, two = values[at], values[at + 1]
    before = values[at - 1] if at > 0 else 2 * one - two
    after = values[at + 2] if at < parts - 1 else 2 * two - one
    t = (share - at / parts) * parts
    return (
        (1 - 3 * t + 3 * t**2 - t**3) * before
        + (4 - 6 * t**2 + 3 * t**3) * one
        + (1 + 3 * t + 3 * t**2 - 3 * t**3) * two
        + t**3 * after
    ) / 6
