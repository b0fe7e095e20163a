"""The table in docs/pairs.md: how often each incident was told under each fault, and how late."""

from collections.abc import Mapping

from tests.pairs.faults import FAULTS, Fault
from tests.pairs.outcome import Outcome, problems
from tests.project import ROOT

PAGE = ROOT / "docs" / "pairs.md"
_BEGIN = "<!-- written by `python -m tests.pairs` -->\n"
_END = "<!-- end of what is written -->\n"
_HEAD = (
    *("fault under an incident", "told", "first after s", "told over", "first after s "),
    *("told besides", "alerts of the fault", "as promised"),
)
_NUMBERS = {0: "never", 1: "once", 2: "twice", 3: "three times"}


def write(seen: Mapping[str, Outcome], days: str) -> int:
    """Put the table into the page; gives 1 where a fault is missing or not as expected."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{table(seen, days)}\n{_END}{after}", encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}")
    return int(any(_wrong(fault, seen.get(fault.name)) for fault in FAULTS))


def table(seen: Mapping[str, Outcome], days: str) -> str:
    """It in Markdown, with a row for each fault."""
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(each, seen.get(each.name)) for each in FAULTS)]
    lines = (f"| {' | '.join(cell.strip() for cell in row)} |\n" for row in rows)
    return f"{''.join(lines)}\nSeen on {days}."


def _row(fault: Fault, outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return (fault.title, "not seen", *([""] * (len(_HEAD) - 2)))
    others = [f"{each}, held back" for each in outcome.held_back]
    others += [f"{each}, again" for each in outcome.repeated]
    return (
        fault.title,
        *_told(outcome.begins),
        *_told(outcome.ends),
        "; ".join(others) or "nothing",
        ", ".join(dict.fromkeys(each.split()[0] for each in outcome.others)) or "none",
        "; ".join(_wrong(fault, outcome)) or "yes",
    )


def _told(times: list[float]) -> tuple[str, str]:
    count = _NUMBERS.get(len(times), f"{len(times)} times")
    return count, ", ".join(f"{each:.0f}" for each in times) or "-"


def _wrong(fault: Fault, outcome: Outcome | None) -> list[str]:
    return ["not seen"] if outcome is None else problems(fault, outcome)
