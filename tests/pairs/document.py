"""The table in docs/pairs.md: how often each incident was told under each fault, and how late."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from tests.pairs.faults import FAULTS, ONCE, ONCE_OR_TWICE, SEVERAL, TWICE, Fault
from tests.pairs.outcome import Outcome, problems
from tests.project import ROOT

PAGE = ROOT / "docs" / "pairs.md"
NOT_PROMISED = "NOT AS PROMISED"
_BEGIN = "<!-- written by `python -m tests.pairs` -->\n"
_END = "<!-- end of what is written -->\n"
_HEAD = (
    *("fault under an incident", "beginning told, after s", "end told, after s"),
    *("told besides", "alerts of the fault", "promised: beginning, end"),
)
_TIMES = {1: "once", 2: "twice", 3: "three times"}
_PROMISED = {
    ONCE: "once",
    ONCE_OR_TWICE: "once or twice",
    TWICE: "twice",
    SEVERAL: "until they agree",
}

Seen = Mapping[str, Mapping[str, Any]]
"""By fault what was kept of it: the outcome, the day, the machine's load."""


def write(seen: Seen) -> int:
    """Put the table into the page; gives 1 where a fault is missing or not as promised."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    written = "".join(f"{line}\n" for line in table(seen))
    PAGE.write_text(f"{before}{_BEGIN}\n{written}\n{_END}{after}", encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    wrong = [
        fault.name
        for fault in FAULTS
        if fault.name not in seen or problems(fault, _outcome(seen, fault))
    ]
    if wrong:
        print("not seen, or not as promised:", ", ".join(wrong))
    return int(bool(wrong))


def table(seen: Seen) -> Iterator[str]:
    """It in Markdown, line by line, with a row for each fault."""
    for row in (_HEAD, ("---",) * len(_HEAD), *(_row(fault, seen) for fault in FAULTS)):
        yield f"| {' | '.join(row)} |"
    loads = [each["load"] for each in seen.values()]
    days = ", ".join(dict.fromkeys(each["day"] for each in seen.values()))
    if loads:
        yield ""
        machine = (
            f"{os.cpu_count()} cores and a load average of {min(loads):.0f} to {max(loads):.0f}"
        )
        yield f"Seen on {days}. The machine had {machine}."


def _row(fault: Fault, seen: Seen) -> tuple[str, ...]:
    promised = f"{_PROMISED[fault.begins]}, {_PROMISED[fault.ends]}"
    if fault.name not in seen:
        return (fault.title, "not seen", *([""] * (len(_HEAD) - 3)), promised)
    outcome = _outcome(seen, fault)
    besides = [f"{each} (held back)" for each in outcome.held_back]
    besides += [f"{each} (again)" for each in dict.fromkeys(outcome.repeated)]
    wrong = problems(fault, outcome)
    return (
        fault.title,
        _told(outcome.begins),
        _told(outcome.ends),
        ", ".join(besides) or "nothing",
        ", ".join(dict.fromkeys(each.split()[0] for each in outcome.others)) or "none",
        f"{promised}; {NOT_PROMISED}: {'; '.join(wrong)}" if wrong else promised,
    )


def _outcome(seen: Seen, fault: Fault) -> Outcome:
    return Outcome(**seen[fault.name]["outcome"])


def _told(times: list[float]) -> str:
    if not times:
        return "never"
    count = _TIMES.get(len(times), f"{len(times)} times")
    return f"{count}: {', '.join(f'{each:.0f}' for each in times)}"
