"""What several kinds of panels have in common: units, empty values, overrides."""

from collections.abc import Mapping, Sequence
from typing import Any

from alerts.model import Unit
from dashboards.colours import Colour
from dashboards.grafana import Panel

GRAFANA_UNITS = {
    Unit.RATIO: "percentunit",
    Unit.SECONDS: "s",
    Unit.PER_SECOND: "suffix:/s",
    Unit.COUNT: "short",
    Unit.BYTES: "bytes",
}

LAST = {"calcs": ["last"], "fields": "", "values": False}

NO_VALUE = "No data"


def over(last: str, panel: Panel) -> Panel:
    """``panel`` with the ``last`` time, such as ``30d``, whatever is chosen."""
    panel.timeFrom = last
    return panel


def values(
    unit: Unit,
    empty: str,
    mapped: Mapping[str, tuple[str, str]] | None = None,
    decimals: int | None = None,
) -> dict[str, Any]:
    """The settings of how values are written: their unit, and what has no value in grey.

    ``mapped`` has the text and the colour of certain values. Without the mapping of null, Grafana
    gives what has no value the colour of the first threshold, which is mostly that of good.
    """
    texts = mapped or {}
    options = {
        value: {"text": text, "color": str(colour), "index": index}
        for index, (value, (text, colour)) in enumerate(texts.items())
    }
    unknown = {"text": empty or NO_VALUE, "color": Colour.UNKNOWN.value, "index": len(texts)}
    return {
        "unit": GRAFANA_UNITS[unit],
        "mappings": [
            *([{"type": "value", "options": options}] if options else []),
            {"type": "special", "options": {"match": "null+nan", "result": unknown}},
        ],
        **({} if decimals is None else {"decimals": decimals}),
        **no_value(empty),
    }


def no_value(empty: str) -> dict[str, str]:
    """What a panel says where its query gives nothing."""
    return {"noValue": empty or NO_VALUE}


def override(name: str, **properties: Any) -> dict[str, Any]:
    """Settings of the series called ``name``; ``custom__x`` sets the graph's own ``x``."""
    settings = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": settings}


def is_neutral(steps: Sequence[Mapping[str, Any]]) -> bool:
    """Whether ``steps`` give every number one colour that says neither good nor bad."""
    return [step["color"] for step in steps] == [Colour.NEUTRAL]
