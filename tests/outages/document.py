"""docs/outages.md, made from what was seen, and what is untrue in it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.outages.causes import OUTAGES
from tests.outages.overview import Part
from tests.outages.surfaces import Surface
from tests.outages.untrue import untruths
from tests.project import ROOT

FILE = ROOT / "docs" / "outages.md"

Seen = Mapping[str, Mapping[str, Any]]
"""Sights by outage, as they were kept."""

_HEAD = """\
# Outages, and what each surface says of them

Each outage was made on a native stack at real speed: processes stopped or halted, a disk filled,
faults of the simulator. Every surface was then looked at, five minutes later at most. What stands
here was seen on {days}; `python -m tests.outages` makes all of it anew,
`python -m tests.outages NAME` one outage. None of the texts is written by hand.

| surface | what was looked at |
| --- | --- |
| JSON endpoint | `GET /orchestrate/metrics` and `GET /health/dependencies` |
| live page | `/orchestrate/metrics/live` in a Chromium that was open before the outage |
| overview | the overview: texts and colours of its panels, by the rules of `make preview` |
| message | what Alertmanager delivered to the receiver |
| make status | its exit code and its lines |

The JSON endpoint and the live page tell of the service. Prometheus, Alertmanager and the receiver
are no part of it: when these are gone, the service is as well as before, and both go on.

Not told: while Prometheus, Alertmanager or the receiver is gone, no message can come; only a
[dead man's switch](notifying.md) tells of that. After a clock was set ahead, ages are by that
clock: an answer that waits for a minute is an hour old. `make status` names the clock; no alert
does within five minutes.
"""

_LEGEND = """\
Of the overview, the table has the tiles and lanes that are not well or not known. No stack here is
old enough to know what is usual, and few know what is left of an error budget.
`null`, "not known" and a dash stand for what isn't known; 0 is said only of what was counted. On a
busy machine, what is slow is told of as well: the objective of SMS in time, and tickets.
"""


@dataclass(frozen=True, slots=True)
class _Before:
    """The document as it was: what stands there of outages that were not seen again, stays."""

    text: str

    @property
    def days(self) -> list[str]:
        found = re.search(r"^here was seen on (.+?);", self.text, re.MULTILINE)
        return found[1].split(", ") if found else []

    def row(self, title: str) -> str | None:
        """Its line in the table of all."""
        lines = self.text.splitlines()
        return next((line for line in lines if line.startswith(f"| [{title}](")), None)

    def untrue(self, title: str) -> list[str]:
        """What was untrue of it, as it is written."""
        return [line for line in self.text.splitlines() if line.startswith(f"- {title}, ")]

    def section(self, title: str) -> str:
        """What each surface said."""
        _, _, rest = self.text.partition(f"## {title}\n")
        return f"## {title}\n" + rest.partition("\n## ")[0].rstrip("\n") + "\n"


def write(kept: Seen, file: Path = FILE) -> int:
    """Write the document; gives 1 where a cell is missing or untrue.

    Of outages that were not seen stays what the document says of them.
    """
    before = _Before(file.read_text(encoding="utf-8") if file.exists() else "")
    chosen = [outage for outage in OUTAGES if outage.name in kept]
    missing = [o.name for o in OUTAGES if o.name not in kept and not before.row(o.title)]
    untrue = [
        f"{outage.title}, {text}"
        for outage in chosen
        for text in untruths(outage, kept[outage.name])
    ]
    for line in untrue:
        print("UNTRUE:", line)
    if missing:
        print("not seen:", ", ".join(missing))
    file.write_text("\n".join(_document(before, kept, untrue)) + "\n", encoding="utf-8")
    print(f"written: {file.name}")
    return 1 if missing or untrue else 0


def _document(before: _Before, kept: Seen, untrue: Sequence[str]) -> Iterator[str]:
    told = [each for each in OUTAGES if each.name in kept or before.row(each.title)]
    stays = [each for each in told if each.name not in kept]
    days = dict.fromkeys(before.days if stays else [])
    days |= dict.fromkeys(kept[each.name]["day"] for each in told if each.name in kept)
    yield _HEAD.format(days=", ".join(days))
    yield f"| outage | {' | '.join(Surface)} |"
    yield f"| --- |{' --- |' * len(Surface)}"
    for outage in told:
        if outage in stays:
            yield str(before.row(outage.title))
            continue
        cells = [_short(surface, kept[outage.name]) for surface in Surface]
        yield f"| [{outage.title}](#{_anchor(outage.title)}) | {' | '.join(cells)} |"
    yield "\n" + _LEGEND
    lines = [line for outage in stays for line in before.untrue(outage.title)]
    if lines := [*lines, *(f"- {_escaped(text)}" for text in untrue)]:
        yield "Untrue, as seen:\n"
        yield from lines
        yield ""
    for outage in told:
        if outage in stays:
            yield before.section(outage.title)
            continue
        sight = kept[outage.name]
        yield f"## {outage.title}\n"
        when = f"{sight['seconds']:.0f} s after it began" if sight["seconds"] >= 1 else "at once"
        yield f"How: {outage.made}. Looked at {when}.\n"
        yield "| surface | says |\n| --- | --- |"
        for surface in Surface:
            words = "<br>".join(_escaped(text) for text in sight["words"][surface])
            yield f"| {surface} | {words} |"
        yield ""


def _short(surface: Surface, sight: Mapping[str, Any]) -> str:
    """A cell of the table of all: the one thing to know."""
    words: list[str] = sight["words"][surface]
    match surface:
        case Surface.JSON:
            return _escaped(words[0])
        case Surface.PAGE:
            page = sight["evidence"]["page"]
            return _escaped(page["health"] + ("" if page["connection"] == "live" else ", old"))
        case Surface.OVERVIEW:
            return _escaped(_not_well(Part(**each) for each in sight["evidence"]["overview"]))
        case Surface.MESSAGE:
            names = dict.fromkeys(text.partition(":")[0] for text in words)
            return _escaped(", ".join(names))
        case Surface.STATUS:
            ill = [
                " ".join(text.split()[:2])
                for text in words
                if re.search(r"\b(DOWN|DEGRADED)", text)
            ]
            return _escaped(", ".join(ill) or "all up")


def _not_well(parts: Iterable[Part]) -> str:
    """The tiles and lanes that are not well or not known, by what they say."""
    found: dict[str, list[str]] = {"red": [], "orange": [], "grey": []}
    for part in parts:
        if part.is_judged and part.colour in found:
            name = part.name or part.panel
            # A lane is named after a part, a tile says how much.
            says = "" if part.kind == "state-timeline" or part.colour == "grey" else part.text
            found[part.colour].append(f"{name} {says}".strip())
    titles = {"red": "red", "orange": "orange", "grey": "not known"}
    groups = [f"{titles[colour]}: {', '.join(names)}" for colour, names in found.items() if names]
    return "; ".join(groups) or "all well"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
