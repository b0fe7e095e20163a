"""What is untrue of what a surface says now: well of what isn't, or anything of what isn't known.

Each outage declares which parts are not well, and which can't be known. What a part said in the
minutes before is true of those minutes, and is not judged.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.outages.causes import Outage
from tests.outages.overview import Part
from tests.outages.surfaces import Surface

USUAL = frozenset({"SMS vs usual"})
"""Known only with weeks of history, which no stack of these has."""

_MOST_MINUTES = 30
"""No stack of these runs for as long."""

_COUNTS = frozenset({"Pages", "Tickets"})
"""They count what was decided elsewhere: any number is as true as the alerts are."""


def untruths(outage: Outage, sight: Mapping[str, Any]) -> Iterator[str]:
    """A line for each surface that says what isn't so, with its words."""
    words, evidence = sight["words"], sight["evidence"]
    for surface in sorted(outage.told_by - {Surface.OVERVIEW}):
        if _is_well(surface, words, evidence):
            yield f"{surface}: says nothing of it"
    if "Pages" in outage.unknown and any("none fires" in text for text in words[Surface.STATUS]):
        yield f"{Surface.STATUS}: says that no alert fires, which can't be known"
    parts = [Part(**each) for each in evidence["overview"]]
    yield from (f"{Surface.OVERVIEW}: {text}" for text in of_overview(outage, parts))
    if (minutes := _minutes_that_were_not_counted(evidence["page"])) is not None:
        yield (
            f"{Surface.PAGE}: only {minutes} of the hour's minutes are not known, and the service "
            "has not run for half of it"
        )
    body = evidence["json"]["body"] if isinstance(evidence["json"], dict) else {}
    if (body.get("health") or {}).get("rollup_store", {}).get("complete") is False:
        known = [name for name in ("last_hour", "today", "throughput") if body[name] is not None]
        yield from (f"{Surface.JSON}: {name} is not null" for name in known)
    if (body.get("throughput") or {}).get("per_hour") is not None:
        yield f"{Surface.JSON}: throughput.per_hour is known, and no hour has been counted"


def _minutes_that_were_not_counted(page: Mapping[str, Any]) -> int | None:
    """How many the chart of the last hour shows as unknown, where these are too few."""
    unknown = int(page["unknown"])
    return unknown if page["bars"] and unknown < _MOST_MINUTES else None


def of_overview(outage: Outage, parts: Sequence[Part]) -> Iterator[str]:
    """What is untrue of the tiles, lanes and bars."""
    for part in parts:
        if part.is_judged and (reason := _reason(outage, part)):
            yield f'{part.name or part.panel} "{part.text}" {part.colour}: {reason}'
    shown = {name for part in parts for name in (part.name, part.panel)}
    # Lanes whose query failed are one part without names, which says that nothing is known.
    nameless = any(part.kind == "state-timeline" and not part.name for part in parts)
    if not nameless:
        for name in sorted((outage.ill | outage.unknown) - shown):
            yield f"{name} is not there"


def _reason(outage: Outage, part: Part) -> str:
    def is_among(declared: frozenset[str]) -> bool:
        return bool({part.name, part.panel} & declared)

    claims = part.colour != "grey" or bool(re.search(r"\d", part.text))
    if re.match(r"(No|Not) ", part.text):
        return "nothing is known, but its colour judges" if part.colour != "grey" else ""
    if is_among(outage.unknown | USUAL) and claims:
        return "it can't be known"
    if is_among(outage.ill) and part.colour == "green":
        return "it is not well"
    may_be_bad = outage.ill | outage.touched | _COUNTS
    if part.colour == "red" and not is_among(may_be_bad):
        return "nothing is wrong with it"
    return ""


def _is_well(surface: Surface, words: Mapping[str, list[str]], evidence: Any) -> bool:
    match surface:
        case Surface.JSON:
            return "complete true, health ok" in words[surface][0]
        case Surface.PAGE:
            return bool(evidence["page"]["health"] == "Fine")
        case Surface.MESSAGE:
            return words[surface] == ["none"]
        case Surface.STATUS:
            return bool(evidence["status"]["code"] == 0)
        case Surface.OVERVIEW:
            raise ValueError("the overview is judged by its parts")
