"""Snapshots as text: Prometheus's own format, and OpenMetrics 1.0.

All of a series' lines but their numbers are made once; a scrape only fills the numbers in.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate
from math import inf

from prometheus_client.utils import floatToGoString

from asgi_observability.negotiation import Format
from asgi_observability.pacing import Pace
from asgi_observability.snapshot import Exemplar, FamilySnapshot, HistogramRow, Key

MAX_EXEMPLAR_CHARACTERS = 128
"""Of names and values together; a longer exemplar is left out, as OpenMetrics wants it."""

_TEXT_KINDS = {
    "info": "gauge",
    "stateset": "gauge",
    "gaugehistogram": "histogram",
    "unknown": "untyped",
}
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_:]")
# What belongs to a family of OpenMetrics, but is a family of its own as text.
_OWN_FAMILY_IN_TEXT = {"_created": "gauge", "_gsum": "gauge", "_gcount": "gauge"}


class Renderer:
    """Writes snapshots in one format; keeps what of a series' lines does not change."""

    def __init__(self, format: Format) -> None:
        self._is_openmetrics = format is Format.OPENMETRICS
        # By family: what its lines depend on, and the lines of each series.
        self._lines: dict[str, tuple[object, dict[Key, str]]] = {}

    def render(self, families: Iterable[FamilySnapshot]) -> bytes:
        """The whole exposition."""
        pace = Pace()
        parts: list[str] = []
        lines_before, self._lines = self._lines, {}
        for family in families:
            if family.is_foreign:
                parts.extend(self._foreign(family, pace))
                continue
            depends_on = (family.kind, family.label_names, family.bounds)
            known_for, lines = lines_before.get(family.name, (None, {}))
            if known_for != depends_on or len(lines) > 2 * len(family.rows) + 100:
                lines = {}
            self._lines[family.name] = depends_on, lines
            parts.append(self._head(family))
            if family.kind == "histogram":
                self._histogram(family, lines, parts, pace)
            else:
                self._numbers(family, lines, parts, pace)
        if self._is_openmetrics:
            parts.append("# EOF\n")
        return "".join(parts).encode("utf-8", "replace")

    def _head(self, family: FamilySnapshot) -> str:
        name, kind = _legacy(family.name), family.kind
        if not self._is_openmetrics:
            name += "_info" if kind == "info" else ""
            return _described(name, _TEXT_KINDS.get(kind, kind), _escaped_help(family.help))
        if kind == "counter":
            name = name.removesuffix("_total")
        unit = _legacy(family.unit) if family.unit else ""
        # A unit is named only where the name ends in it.
        line = f"# UNIT {name} {unit}\n" if unit and name.endswith(f"_{unit}") else ""
        return _described(name, kind, _escaped(family.help)) + line

    def _numbers(
        self, family: FamilySnapshot, lines: dict[Key, str], parts: list[str], pace: Pace
    ) -> None:
        for values, row in family.rows.items():
            pace.step()
            start = lines.get(values)
            if start is None:
                start = lines[values] = f"{family.name}{_labelled(family, values)} "
            parts.append(f"{start}{_number(row)}\n")  # type: ignore[arg-type]

    def _histogram(
        self, family: FamilySnapshot, lines: dict[Key, str], parts: list[str], pace: Pace
    ) -> None:
        for values, row in family.rows.items():
            pace.step()
            template = lines.get(values)
            if template is None:
                template = lines[values] = _template(family, values)
            assert isinstance(row, HistogramRow)
            cumulative = [*accumulate(row.counts)]
            text = template % (*cumulative, cumulative[-1], _number(row.sum))
            if row.exemplar and self._is_openmetrics:
                text = _with_exemplar(text, family.bounds, row.exemplar)
            parts.append(text)

    def _foreign(self, family: FamilySnapshot, pace: Pace) -> Iterator[str]:
        yield self._head(family)
        apart: dict[str, list[str]] = {}
        base = family.name.removesuffix("_total") if family.kind == "counter" else family.name
        for key, row in family.rows.items():
            pace.step()
            name, *pairs = key
            labels = _pairs(zip(map(_legacy, pairs[::2]), pairs[1::2], strict=True))
            line = f"{_legacy(name)}{labels} {_number(row)}"  # type: ignore[arg-type]
            at = family.timestamps.get(key)
            if self._is_openmetrics:
                exemplar = family.exemplars.get(key)
                line += f" {_seconds(at)}" if at is not None else ""
                line += _exemplar(exemplar) if exemplar else ""
            elif at is not None:
                line += f" {int(at * 1000)}"
            suffix = name.removeprefix(base)
            if not self._is_openmetrics and suffix in _OWN_FAMILY_IN_TEXT:
                apart.setdefault(suffix, []).append(f"{line}\n")
            else:
                yield f"{line}\n"
        for suffix, own in apart.items():
            name = _legacy(base + suffix)
            yield _described(name, _OWN_FAMILY_IN_TEXT[suffix], _escaped_help(family.help))
            yield from own


def bound_text(bound: float) -> str:
    """A bucket's upper bound as prometheus-client writes it, which is how rules name it."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


def _described(name: str, kind: str, text: str) -> str:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def _template(family: FamilySnapshot, values: Key) -> str:
    """All lines of one series of a histogram, with places for its numbers."""
    pairs = [*zip(family.label_names or (), values, strict=True)]
    labels = _pairs(pairs)
    bounds = [bound_text(bound) for bound in (*family.bounds, inf)]
    lines = [f"{family.name}_bucket{_pairs([*pairs, ('le', bound)])}" for bound in bounds]
    lines += [f"{family.name}_count{labels}"]
    counts = "".join(f"{line.replace('%', '%%')} %d\n" for line in lines)
    return f"{counts}{family.name}_sum{labels.replace('%', '%%')} %s\n"


def _with_exemplar(text: str, bounds: tuple[float, ...], exemplar: Exemplar) -> str:
    """The lines of one series, with the exemplar at the bucket that its value lies in."""
    shown = _exemplar(exemplar)
    if not shown:
        return text
    lines = text.split("\n")
    lines[bisect_left(bounds, exemplar.value)] += shown
    return "\n".join(lines)


def _exemplar(exemplar: Exemplar) -> str:
    characters = sum(len(name) + len(value) for name, value in exemplar.labels.items())
    if characters > MAX_EXEMPLAR_CHARACTERS:
        return ""
    labels = _pairs(exemplar.labels.items()) or "{}"
    at = f" {_seconds(exemplar.timestamp)}" if exemplar.timestamp else ""
    return f" # {labels} {_number(exemplar.value)}{at}"


def _seconds(at: float) -> str:
    return f"{at:.3f}"


def _labelled(family: FamilySnapshot, values: Key) -> str:
    return _pairs(zip(family.label_names or (), values, strict=True))


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    inner = ",".join([f'{name}="{_escaped(value)}"' for name, value in sorted(pairs)])
    return f"{{{inner}}}" if inner else ""


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _legacy(name: str) -> str:
    """A name as every scraper reads it: what is not in it becomes ``_``."""
    if _NAME.fullmatch(name):
        return name
    name = _NOT_IN_A_NAME.sub("_", name)
    return name if _NAME.match(name) else f"_{name}"


def _number(value: float) -> str:
    if -inf < value < inf:
        return repr(value)
    if value == inf:
        return "+Inf"
    return "-Inf" if value == -inf else "NaN"
