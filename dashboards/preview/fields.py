"""How values are shown: the settings of a field, by default and as overridden, and mappings."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dashboards.preview import units
from dashboards.preview.colours import FALLBACK, SCHEMES, Theme, Thresholds
from dashboards.preview.numbers import written
from dashboards.preview.units import Formatted

NO_DATA = "No data"
Cell = float | str | None
"""A value: NaN is one, None is none."""
Kind = Literal["number", "string", "time", "other"]
"""What a field holds; times are milliseconds, ``other`` is a panel without any field."""

_COLOUR_MODES = {"timeseries": "palette-classic", "state-timeline": "continuous-GrYlRd"}
"""Of the kinds of panels; without a wish, of all others by thresholds."""
_PLAIN_MODES = ("fixed", "shades", "thresholds", "palette-classic")
_OF_NUMBERS = ("min", "max", "decimals")
"""Settings that other fields have only by an override, as times have mappings."""
_DATE_UNITS = ("dateTime", "time:")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?Infinity")


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it is shown; ``colour`` is #rrggbb or #rrggbbaa."""

    parts: Formatted
    colour: str
    share: float = 0
    """Of the way from the least to the greatest value."""

    @property
    def text(self) -> str:
        """What is written."""
        return str(self.parts)


@dataclass(frozen=True, slots=True)
class Field:
    """The settings of one series or column, by the ids that overrides use, as in ``custom.x``."""

    settings: Mapping[str, Any]
    kind: Kind = "number"
    index: int = 0
    """Which of the panel's fields it is; times are not counted."""
    least: float = 0
    most: float = 100
    """Of all values of the panel, where nothing is set."""

    @property
    def unit(self) -> str:
        """Grafana's name of the unit; empty where there is none."""
        return str(self.settings.get("unit") or "")

    @property
    def decimals(self) -> int | None:
        """Digits after the point, where they are given."""
        return self.settings.get("decimals")

    @property
    def no_value(self) -> str:
        """What a panel says that has nothing to show."""
        return str(self.settings.get("noValue") or NO_DATA)

    @property
    def thresholds(self) -> Thresholds:
        """Colours from a value on."""
        return Thresholds.read(self.settings.get("thresholds"))

    @property
    def colour_mode(self) -> str:
        """By what the colour is chosen."""
        return str((self.settings.get("color") or {}).get("mode") or "thresholds")

    @property
    def unknown(self) -> Iterator[str]:
        """Settings that would look otherwise in Grafana."""
        if self.colour_mode not in (*_PLAIN_MODES, *SCHEMES):
            yield f"colours by {self.colour_mode}"
        if not units.is_known(self.unit) and not self.unit.startswith(_DATE_UNITS):
            yield f"the unit {self.unit}"

    def limit(self, name: str) -> float | None:
        """``min``, ``max`` and the like; None where it is left to the data."""
        value = self.settings.get(name)
        return None if value is None else float(value)

    def custom(self, name: str, default: Any = None) -> Any:
        """A setting of the kind of panel."""
        value = self.settings.get(f"custom.{name}")
        return default if value is None else value

    def hidden_from(self, where: str) -> bool:
        """Whether it is left out of the ``legend`` or the ``viz``."""
        return bool((self.custom("hideFrom") or {}).get(where))

    def maps(self, *special: str) -> bool:
        """Whether a mapping is meant for one of the ``special`` values, such as ``null``."""
        mappings = self.settings.get("mappings") or ()
        return any(
            each["type"] == "special" and each["options"].get("match") in special
            for each in mappings
        )

    def show(self, value: Cell, theme: Theme, decimals: int | None = None) -> Shown:
        """``value`` as it is written and coloured.

        ``decimals`` are those of the values beside it on an axis; zeros at the end go there.
        """
        unit = self.unit
        if self.kind == "time" and not unit.startswith(_DATE_UNITS):
            unit = "dateTimeAsSystem"
        elif self.kind == "string" and not unit:
            unit = "string"
        number = math.nan if unit == "string" else _number(value)
        mapped = self._mapped(value) or {}
        colour = theme.colour(mapped["color"]) if mapped.get("color") is not None else ""
        parts = None if mapped.get("text") is None else Formatted(str(mapped["text"]))
        share = 0.0
        if not math.isnan(number):
            parts = parts or self._formatted(number, unit, decimals)
            if not colour:
                colour, share = self._by_value(number, theme)
        if parts is None:
            plain = _plain(value) or str(self.settings.get("noValue") or "")
            parts = Formatted(plain)
        if not colour:
            colour, share = self._by_value(-math.inf, theme)
        return Shown(parts, colour, share)

    def series_colour(self, last: Cell, theme: Theme) -> str:
        """The colour of the line of a series that ends with the value ``last``."""
        number = 0.0 if last is None else _number(last)
        return self._by_value(number, theme)[0]

    def span(self) -> tuple[float, float]:
        """The least and the greatest value, as set or as they are."""
        if self.kind != "number":
            return 0, 100
        least, most = self.limit("min"), self.limit("max")
        return self.least if least is None else least, self.most if most is None else most

    def _formatted(self, number: float, unit: str, decimals: int | None) -> Formatted:
        if decimals is None or self.decimals is not None or not _trims(unit):
            return units.formatted(number, unit, self.decimals)
        found = units.formatted(number, unit, decimals)
        as_number = _number(found.text)
        return found if math.isnan(as_number) else found._replace(text=written(as_number))

    def _by_value(self, number: float, theme: Theme) -> tuple[str, float]:
        least, most = self.span()
        share = 0.0
        if number != -math.inf and most != least:
            share = (number - least) / (most - least)
        elif number != -math.inf and number != least:
            share = math.copysign(math.inf, number - least)
        share = 0.0 if math.isnan(share) else share
        match self.colour_mode:
            case "fixed":
                return theme.colour(self.settings["color"].get("fixedColor") or FALLBACK), share
            case "shades":
                of = self.settings["color"].get("fixedColor") or FALLBACK
                return theme.shaded(of, self.index), share
            case "thresholds":
                at = share * 100 if self.thresholds.is_percentage else number
                return theme.colour(self.thresholds.colour(at)), share
            case mode if mode in SCHEMES:
                return theme.blended(mode, share), share
            case _:
                return theme.of_series(self.index), share

    def _mapped(self, value: Cell) -> Mapping[str, Any] | None:
        for mapping in self.settings.get("mappings") or ():
            found = _MAPPINGS[mapping["type"]](mapping["options"], value)
            if found is not None:
                return found
        return None


@dataclass(frozen=True, slots=True)
class Override:
    """Settings of the fields that ``matcher`` fits, such as ``byName``, with what it looks for."""

    matcher: str
    wanted: Any
    settings: Mapping[str, Any]

    def fits(self, name: str, ref: str, kind: str) -> bool:
        """Whether it is meant for the field of this name, query and kind."""
        match self.matcher:
            case "byName":
                return bool(name == self.wanted)
            case "byRegexp":
                return _pattern(str(self.wanted)).search(name) is not None
            case "byFrameRefID":
                return bool(ref == self.wanted)
            case "byType":
                return bool(kind == self.wanted)
            case "byNames":
                return name in (self.wanted or {}).get("names", ())
            case _:
                return False


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """The settings of all fields of a panel."""

    defaults: Field
    overrides: tuple[Override, ...]

    @classmethod
    def read(cls, document: Mapping[str, Any], kind: str = "") -> "FieldConfig":
        """That of a ``fieldConfig`` of a panel of this ``kind``."""
        defaults = _flat(document.get("defaults") or {})
        if not (defaults.get("color") or {}).get("mode"):
            defaults["color"] = {"mode": _COLOUR_MODES.get(kind, "thresholds")}
        return cls(
            Field(defaults, "other"),
            tuple(
                Override(
                    str(each["matcher"]["id"]),
                    each["matcher"].get("options"),
                    {each["id"]: each.get("value") for each in each.get("properties", ())},
                )
                for each in document.get("overrides") or ()
            ),
        )

    def of(
        self,
        name: str,
        ref: str = "",
        kind: Kind = "number",
        index: int = 0,
        span: tuple[float, float] = (0, 100),
    ) -> Field:
        """The settings of the field called ``name``; later overrides win."""
        unfit = _OF_NUMBERS if kind != "number" else ()
        unfit = (*unfit, "mappings") if kind == "time" else unfit
        settings = {k: v for k, v in self.defaults.settings.items() if k not in unfit}
        name = str(settings.get("displayName") or name)
        for override in self.overrides:
            if override.fits(name, ref, kind):
                settings |= override.settings
        return Field(settings, kind, index, *span)


def _flat(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults under the ids that overrides use."""
    custom = defaults.get("custom") or {}
    flat = {key: value for key, value in defaults.items() if key != "custom"}
    return flat | {f"custom.{key}": value for key, value in custom.items()}


def _by_text(options: Mapping[str, Any], value: Cell) -> Mapping[str, Any] | None:
    return None if value is None else options.get(_plain(value))


def _by_range(options: Mapping[str, Any], value: Cell) -> Mapping[str, Any] | None:
    number = _leading_number(value)
    if number is None:
        return None
    least, most = options.get("from"), options.get("to")
    inside = (least is None or number >= least) and (most is None or number <= most)
    return (options.get("result") or {}) if inside else None


def _by_pattern(options: Mapping[str, Any], value: Cell) -> Mapping[str, Any] | None:
    if not isinstance(value, str):
        return None
    pattern = _pattern(str(options.get("pattern", "")))
    if not pattern.search(value):
        return None
    result = dict(options.get("result") or {})
    if result.get("text") is not None:
        into = re.sub(r"\$(\d)", r"\\\1", str(result["text"]))
        result["text"] = pattern.sub(into, value, count=1)
    return result


def _by_meaning(options: Mapping[str, Any], value: Cell) -> Mapping[str, Any] | None:
    is_nan = isinstance(value, float) and math.isnan(value)
    fits = {
        "null": value is None,
        "nan": is_nan,
        "null+nan": value is None or is_nan,
        "true": value == "true",
        "false": value == "false",
        "empty": value == "",
    }
    return (options.get("result") or {}) if fits.get(str(options.get("match"))) else None


_MAPPINGS = {
    "value": _by_text,
    "range": _by_range,
    "regex": _by_pattern,
    "special": _by_meaning,
}


def _trims(unit: str) -> bool:
    is_date = unit.startswith(_DATE_UNITS)
    return not is_date and not unit.startswith(("currency", "bool"))


def _plain(value: Cell) -> str:
    """``value`` as JavaScript makes a text of it; empty for none."""
    if value is None:
        return ""
    return value if isinstance(value, str) else written(value)


def _number(value: Cell) -> float:
    """``value`` as a number; NaN where it is none."""
    if isinstance(value, float | int):
        return float(value)
    found = _NUMBER.fullmatch((value or "").strip())
    return float(found[0]) if found else math.nan


def _leading_number(value: Cell) -> float | None:
    if isinstance(value, str):
        found = _NUMBER.match(value.strip())
        return float(found[0]) if found else None
    return None if value is None or math.isnan(value) else value


def _pattern(text: str) -> re.Pattern[str]:
    """A regular expression: between slashes, with flags behind them; without, of a whole text."""
    if found := re.fullmatch(r"/(.*)/(\w*)", text, re.DOTALL):
        return re.compile(found[1], re.IGNORECASE if "i" in found[2] else 0)
    return re.compile(f"^{text}$")
