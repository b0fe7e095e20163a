"""What a scraper accepts: the format and the coding of an answer, by RFC 9110.

Whatever a client sends there, something is answered: what can't be read counts as not sent.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_ELEMENT = re.compile(rf"(?:{_QUOTED}|[^,\"])+")
_PART = re.compile(rf"(?:{_QUOTED}|[^;\"])+")
_QUALITY = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
# Prometheus sends 350 characters; reading more must not take long.
_MAX_HEADER = 1024
_UNKNOWN_QUALITY = 1.0


class Format(Enum):
    """The formats of an exposition, with their content types."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Offer:
    format: Format
    type: str
    versions: frozenset[str]
    is_default: bool


# What 1.0.0 of the text adds, UTF-8 names, is not used: it reads the same.
_OFFERS = (
    _Offer(
        Format.OPENMETRICS, "application/openmetrics-text", frozenset({"1.0.0", "0.0.1"}), False
    ),
    _Offer(Format.TEXT, "text/plain", frozenset({"0.0.4", "1.0.0"}), True),
)


@dataclass(frozen=True, slots=True)
class _Element:
    """One of a header's values, in lower case, with its parameters and its weight in 0..1."""

    value: str
    quality: float
    parameters: Mapping[str, str] = field(default_factory=dict)


def format_of(accept: str) -> Format:
    """The format that ``accept`` prefers; text where it says nothing or nothing that there is.

    OpenMetrics is chosen only by its name: ``*/*`` is what a browser and curl say.
    """
    elements = [*_elements(accept)]
    weighed = [(_weight(offer, elements), offer.format) for offer in _OFFERS]
    # The first of equals: who names OpenMetrics knows what to do with it.
    quality, best = max(weighed, key=lambda pair: pair[0])
    return best if quality > 0 else Format.TEXT


def _weight(offer: _Offer, elements: list[_Element]) -> float:
    """The weight of the range that says most about this offer."""
    best: tuple[int, float] = (-1, 0.0)
    for element in elements:
        specific = _specificity(offer, element)
        if specific >= 0:
            best = max(best, (specific, element.quality))
    return best[1]


def _specificity(offer: _Offer, element: _Element) -> int:
    """How precisely the range means this offer: -1 for not at all."""
    if element.value == offer.type:
        version = element.parameters.get("version")
        if version is None:
            return 2
        return 3 if version in offer.versions else -1
    if not offer.is_default:
        return -1
    if element.value == "text/*":
        return 1
    return 0 if element.value == "*/*" else -1


def takes_gzip(accept_encoding: str) -> bool:
    """Whether the scraper takes gzip, and not rather the answer as it is."""
    weights = {element.value: element.quality for element in _elements(accept_encoding)}
    every = weights.get("*", 0.0)
    gzip = max(weights.get("gzip", every), weights.get("x-gzip", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)


def _elements(header: str) -> Iterator[_Element]:
    for found in _ELEMENT.finditer(header[:_MAX_HEADER]):
        value, *parts = [part.strip() for part in _PART.findall(found.group())] or [""]
        parameters: dict[str, str] = {}
        for part in parts:
            name, _, text = part.partition("=")
            parameters.setdefault(name.strip().lower(), _unquoted(text.strip()))
        quality = _quality(parameters.pop("q", "1"))
        if value:
            yield _Element(value.lower(), quality, parameters)


def _quality(text: str) -> float:
    """A weight; one that is none says nothing."""
    return float(text) if _QUALITY.fullmatch(text) else _UNKNOWN_QUALITY


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return text.lower()
