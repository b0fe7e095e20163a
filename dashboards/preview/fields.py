"""How values are shown: the settings of a field, by default and as overridden, and mappings."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.preview import units
from dashboards.preview.colours import Theme, Thresholds

NO_DATA = "No data"


@dataclass(frozen=True, slots=True)
class Field:
    """The settings of one series or column, by the ids that overrides use, as in ``custom.x``."""

    settings: Mapping[str, Any]

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
        """What is said where there is nothing."""
        return str(self.settings.get("noValue") or NO_DATA)

    @property
    def thresholds(self) -> Thresholds:
        """Colours from a value on."""
        return Thresholds.read(self.settings.get("thresholds"))

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

    def shown(self, value: float) -> "Shown":
        """``value`` as it is written, with the colour that a mapping gives it."""
        if mapped := self._mapped(value):
            text = mapped.get("text")
            written = self.text(value) if text is None else str(text)
            return Shown(written, str(mapped.get("color") or ""))
        return Shown(self.no_value if math.isnan(value) else self.text(value))

    def text(self, value: float) -> str:
        """``value`` with its unit."""
        return units.text(value, self.unit, self.decimals)

    def colour(self, value: float, theme: Theme, least: float = 0, most: float = 100) -> str:
        """The colour of ``value`` by mapping, by a fixed colour, or by threshold."""
        mode = self.settings.get("color") or {}
        if named := self.shown(value).colour:
            return theme.colour(named)
        if mode.get("mode") == "fixed":
            return theme.colour(str(mode.get("fixedColor", "text")))
        return theme.colour(self.thresholds.within(least, most).colour(value))

    def series_colour(self, index: int, last: float, theme: Theme) -> str:
        """The colour of the ``index``-th series, which ends with the value ``last``."""
        mode = (self.settings.get("color") or {}).get("mode", "palette-classic")
        if mode in ("fixed", "shades"):
            return theme.colour(str(self.settings["color"].get("fixedColor", "text")))
        if mode == "thresholds":
            return theme.colour(self.thresholds.within(0, 100).colour(last))
        return theme.of_series(index)

    def mapped_text(self, text: str) -> "Shown":
        """A text in a table as a mapping writes it."""
        for mapping in self._mappings("value"):
            if found := mapping.get(text):
                written = found.get("text")
                shown = text if written is None else str(written)
                return Shown(shown, str(found.get("color") or ""))
        for mapping in self._mappings("regex"):
            if re.fullmatch(str(mapping.get("pattern", "")).strip("/"), text):
                result = mapping.get("result", {})
                return Shown(str(result.get("text", text)), str(result.get("color") or ""))
        return Shown(text)

    def states(self) -> list["Shown"]:
        """The texts of the mappings with a colour, in their order."""
        found = [
            (result.get("index", 0), Shown(str(result.get("text") or key), str(result["color"])))
            for mapping in self.settings.get("mappings") or ()
            for key, result in _results(mapping)
            if result.get("color")
        ]
        return list(dict.fromkeys(shown for _, shown in sorted(found, key=lambda each: each[0])))

    def _mappings(self, kind: str) -> list[Mapping[str, Any]]:
        mappings: Sequence[Mapping[str, Any]] = self.settings.get("mappings") or ()
        return [mapping.get("options") or {} for mapping in mappings if mapping["type"] == kind]

    def _mapped(self, value: float) -> Mapping[str, Any] | None:
        for options in self._mappings("value"):
            for key, result in options.items():
                if _is_number(key) and float(key) == value:
                    return _mapping(result)
        for options in self._mappings("range"):
            least, most = options.get("from"), options.get("to")
            above = least is None or value >= least
            if above and (most is None or value <= most) and not math.isnan(value):
                return _mapping(options.get("result"))
        for options in self._mappings("special"):
            match = options.get("match")
            if (math.isnan(value) and match in ("null", "nan", "null+nan")) or (
                match in ("true", "false") and value == (match == "true")
            ):
                return _mapping(options.get("result"))
        return None


@dataclass(frozen=True, slots=True)
class Shown:
    """A value as it is written; ``colour`` is a name, empty where no mapping gives one."""

    text: str
    colour: str = ""


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
                return re.search(_pattern(str(self.wanted)), name) is not None
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
    def read(cls, document: Mapping[str, Any]) -> "FieldConfig":
        """That of a panel's ``fieldConfig``."""
        return cls(
            Field(_flat(document.get("defaults") or {})),
            tuple(
                Override(
                    str(each["matcher"]["id"]),
                    each["matcher"].get("options"),
                    {each["id"]: each.get("value") for each in each.get("properties", ())},
                )
                for each in document.get("overrides") or ()
            ),
        )

    def of(self, name: str, ref: str = "", kind: str = "number") -> Field:
        """The settings of the field called ``name``; later overrides win."""
        settings = dict(self.defaults.settings)
        for override in self.overrides:
            if override.fits(name, ref, kind):
                settings |= override.settings
        return Field(settings)


def _flat(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults under the ids that overrides use."""
    custom = defaults.get("custom") or {}
    flat = {key: value for key, value in defaults.items() if key != "custom"}
    return flat | {f"custom.{key}": value for key, value in custom.items()}


def _results(mapping: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    options = mapping.get("options") or {}
    if mapping["type"] == "value":
        return list(options.items())
    return [("", options.get("result") or {})]


def _mapping(result: Any) -> Mapping[str, Any]:
    return result if isinstance(result, Mapping) else {}


def _pattern(written: str) -> str:
    """A regular expression that Grafana has between slashes, with flags behind them."""
    if found := re.fullmatch(r"/(.*)/(\w*)", written, re.DOTALL):
        return f"(?i){found[1]}" if "i" in found[2] else found[1]
    return written


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
