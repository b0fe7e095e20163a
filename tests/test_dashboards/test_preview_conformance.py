"""The preview's texts and colours are those of Grafana's own library.

`conformance/expected.json` is what the library said, written by `conformance/expected.cjs`.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alerts import paths
from dashboards.preview import units
from dashboards.preview.answers import Answers, Series
from dashboards.preview.colours import THEMES
from dashboards.preview.dashboard import Transformation
from dashboards.preview.draw.axes import value_range
from dashboards.preview.fields import Cell, Field, FieldConfig, Kind
from dashboards.preview.reduce import reduced
from dashboards.preview.single import shown_values
from dashboards.preview.tables import table
from tests.not_empty import not_empty
from tests.test_dashboards.preview_samples import SPAN, table_query

FOLDER = Path(__file__).parent / "conformance"
EXPECTED = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
THEME_NAMES = ("dark", "light")
SETTINGS = frozenset(
    ("unit", "decimals", "min", "max", "noValue", "color", "thresholds", "mappings", "displayName")
)
SINGLE = ("stat", "bargauge", "gauge")
SHOWN = (*SINGLE, "table", "state-timeline")
AGAIN = """\
a dashboard's settings are not in the expected data; write them again:
  npm install --ignore-scripts --prefix /tmp/grafana-data @grafana/data@12.3.0
  NODE_PATH=/tmp/grafana-data/node_modules node tests/test_dashboards/conformance/expected.cjs"""


def decoded(value: Any) -> Any:
    """A number that JSON can't have, from `{"number": "NaN"}`."""
    if isinstance(value, dict):
        return float(value["number"])
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def differences(found: Iterator[tuple[Any, Any, Any]]) -> list[str]:
    """Each case of which the preview and Grafana differ."""
    return [
        f"{case}: {ours!r}, Grafana: {theirs!r}"
        for case, ours, theirs in not_empty(found)
        if ours != theirs
    ]


def both_colours(shown: Sequence[Any]) -> list[str]:
    return [each.colour for each in shown]


def test_numbers_with_units() -> None:
    values = [decoded(value) for value in EXPECTED["values"]]

    def cases() -> Iterator[tuple[Any, Any, Any]]:
        for each in EXPECTED["formats"]:
            for value, theirs in zip(values, each["texts"], strict=True):
                ours = units.text(value, each["unit"], each["decimals"])
                yield (each["unit"], each["decimals"], value), ours, theirs

    assert differences(cases()) == []


def test_times(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.fromtimestamp(EXPECTED["now"] / 1000, UTC)
    monkeypatch.setattr(units, "now", lambda: now)
    assert (
        differences(
            ((each["unit"], value), units.text(value, each["unit"]), theirs)
            for each in EXPECTED["times"]
            for value, theirs in each["cells"]
        )
        == []
    )


def test_labels_of_axes() -> None:
    assert (
        differences(
            (
                (each["unit"], at, decimals),
                Field({"unit": each["unit"]}).show(float(at), THEMES["dark"], decimals).text,
                theirs,
            )
            for each in EXPECTED["ticks"]
            for decimals, texts in each["texts"]
            for at, theirs in zip(each["at"], texts, strict=True)
        )
        == []
    )


def test_ends_of_axes() -> None:
    def cases() -> Iterator[tuple[Any, Any, Any]]:
        for each in EXPECTED["axes"]:
            least, most = each["values"]
            ends = value_range(least, most, each["hard"], each["soft"])
            yield each, *([float(f"{end:.12g}") for end in side] for side in (ends, each["range"]))

    assert differences(cases()) == []


def test_series_reduced_to_one_number() -> None:
    def cases() -> Iterator[tuple[Any, Any, Any]]:
        for each in EXPECTED["series"]:
            values = [decoded(value) for value in each["values"]]
            for way, theirs in each["results"].items():
                yield (values, way), repr(reduced(values, way)), repr(decoded(theirs))

    assert differences(cases()) == []


def cells(
    config: FieldConfig, name: str, kind: Kind, expected: Sequence[Sequence[Any]]
) -> Iterator[tuple[Any, Any, Any]]:
    """Of each value: what it is, and text and both colours, as here and as in Grafana."""
    values = [decoded(value) for value, _, _ in expected]
    numbers = [v for v in values if isinstance(v, float) and not math.isnan(v)] or [0.0]
    field = config.of(name, kind=kind, span=(min(numbers), max(numbers)))
    field = config.defaults if kind == "other" else field
    for value, (_, text, colour) in zip(values, expected, strict=True):
        shown = [field.show(value, THEMES[theme]) for theme in THEME_NAMES]
        ours = (shown[0].text, both_colours(shown))
        yield (dict(field.settings), kind, value), ours, (text, EXPECTED["colours"][colour])


def test_fields_by_mapping_threshold_and_colour() -> None:
    found = (
        case
        for each in EXPECTED["fields"]
        for kind, expected in each["cells"].items()
        for case in cells(FieldConfig.read({"defaults": each["config"]}), "x", kind, expected)
    )
    assert differences(found) == []


def test_fields_of_the_dashboards_at_their_thresholds() -> None:
    found = (
        case
        for panel in EXPECTED["panels"]
        for name, kinds in panel["cells"].items()
        for kind, expected in kinds.items()
        for case in cells(FieldConfig.read(panel["config"], panel["kind"]), name, kind, expected)
    )
    assert differences(found) == []


def test_panels_of_single_values_with_data_and_without() -> None:
    def cases() -> Iterator[tuple[Any, Any, Any]]:
        for panel in EXPECTED["panels"]:
            for case in panel.get("shown", ()):
                config = FieldConfig.read(panel["config"], panel["kind"])
                series: list[tuple[str, list[Cell]]] = [
                    (name, [decoded(value) for value in values]) for name, values in case["series"]
                ]
                shown = [
                    shown_values(config, panel["calcs"], series, THEMES[theme])
                    for theme in THEME_NAMES
                ]
                ours = [
                    [dark.text, [dark.colour, light.colour]]
                    for (_, dark), (_, light) in zip(*shown, strict=True)
                ]
                theirs = [[text, EXPECTED["colours"][colour]] for text, colour in case["shows"]]
                yield (panel["config"], case["series"]), ours, theirs

    assert differences(cases()) == []


def test_tables_after_their_transformations() -> None:
    def cases() -> Iterator[tuple[Any, Any, Any]]:
        for each in EXPECTED["tables"]:
            series = [
                Series(
                    "",
                    query["ref"],
                    row["labels"],
                    np.array([EXPECTED["now"] / 1000]),
                    np.array([float(row["value"])]),
                )
                for query in each["queries"]
                for row in query["rows"]
            ]
            targets = [table_query(query["ref"]) for query in each["queries"]]
            ways = [Transformation(one["id"], one["options"]) for one in each["transformations"]]
            found = table(Answers(SPAN, 15, tuple(series)), targets, ways)
            ours = [[row.get(name) for name in found.columns] for row in found.rows]
            theirs = [[decoded(value) for value in row] for row in each["rows"]]
            yield each["transformations"], (list(found.columns), ours), (each["columns"], theirs)

    assert differences(cases()) == []


def plain(value: Any) -> Any:
    """Without a difference between 1 and 1.0, as JavaScript has none."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """Of a panel's settings, those that decide about texts and colours."""
    overrides = [
        {
            "matcher": each["matcher"],
            "properties": [one for one in each["properties"] if one["id"] in SETTINGS],
        }
        for each in config.get("overrides", ())
    ]
    defaults = config.get("defaults", {})
    return {
        "defaults": {name: defaults[name] for name in SETTINGS if name in defaults},
        "overrides": [each for each in overrides if each["properties"]],
    }


def panels(documents: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        yield document
        yield from panels(document.get("panels", ()))


@pytest.mark.parametrize("file", sorted(paths.DASHBOARDS.glob("*.json")), ids=lambda f: f.stem)
def test_all_settings_of_the_dashboards_are_in_the_expected_data(file: Path) -> None:
    known = {
        key(panel["kind"], panel["config"], panel.get("calcs")) for panel in EXPECTED["panels"]
    }
    formats = {each["unit"] for each in EXPECTED["formats"]}
    for panel in not_empty(panels(json.loads(file.read_text(encoding="utf-8"))["panels"])):
        config = kept(panel.get("fieldConfig", {}))
        fields = [config["defaults"]]
        fields += [{p["id"]: p["value"]} for o in config["overrides"] for p in o["properties"]]
        for unit in (field.get("unit", "") for field in fields):
            assert unit in formats or unit.startswith("dateTime"), AGAIN
        if panel["type"] in SHOWN:
            reduce = panel.get("options", {}).get("reduceOptions", {})
            calcs = reduce.get("calcs", []) if panel["type"] in SINGLE else None
            assert key(panel["type"], config, calcs) in known, AGAIN


def key(kind: str, config: Mapping[str, Any], calcs: Sequence[str] | None) -> str:
    return json.dumps([kind, plain(config), calcs], sort_keys=True)
