"""The table in docs/faults.md: what somebody was told of each fault, when, and how often."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from simulator.faults import FAULTS
from tests.project import ROOT
from tests.test_stack.faults.answers import name_of
from tests.test_stack.faults.expected import EXPECTED
from tests.test_stack.faults.run import Observation
from tests.test_stack.faults.verdict import named, problems

PAGE = ROOT / "docs" / "faults.md"
_BEGIN = "<!-- written by `python -m tests.test_stack.faults --write FOLDER` -->\n"
_END = "<!-- end of what is written -->\n"
_HEAD = (
    *("fault", "told whom", "first after min", "pages", "tickets"),
    *("messages in all", "over after min", "expected"),
)


def write(seen: Mapping[str, Observation]) -> None:
    """Put the table of what was ``seen``, by fault, into the documentation."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    PAGE.write_text(f"{before}{_BEGIN}\n{document(seen)}\n{_END}{after}", encoding="utf-8")


def document(seen: Mapping[str, Observation]) -> str:
    """The table in Markdown, with a row for each fault, and how it was measured."""
    cells = [_HEAD, *(_row(fault, seen.get(fault)) for fault in FAULTS)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    head, *rows = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |\n"
        for line in cells
    ]
    rule = f"|{'|'.join('-' * (width + 2) for width in widths)}|\n"
    return f"{head}{rule}{''.join(rows)}\n{_measured(seen)}\n"


def _row(fault: str, seen: Observation | None) -> tuple[str, ...]:
    expected = EXPECTED[fault]
    if seen is None:
        return (fault, "not run", *([""] * 5), str(expected))
    told = [
        f"{kind} {name}"
        for kind, messages in (("page", seen.pages), ("ticket", seen.tickets))
        for name in dict.fromkeys(name for message in messages for name in named(message))
    ]
    wrong = problems(seen, expected)
    return (
        fault,
        "; ".join(told) or "nobody",
        _minutes(min((each.at for each in (*seen.pages, *seen.tickets)), default=None), seen.on),
        str(len(seen.pages)),
        str(len(seen.tickets)),
        str(len(seen.messages)),
        _over(seen, expected.notified),
        str(expected) if not wrong else f"{expected}; NOT AS EXPECTED",
    )


def _over(seen: Observation, notified: frozenset[str]) -> str:
    """When the last of what was expected was told to be over; of what was not, it is said apart."""
    if {name_of(labels) for labels in seen.remaining} & notified:
        return "not over"
    ends = (
        notice.at
        for notice in seen.notices
        if notice.status == "resolved" and name_of(notice.labels) in notified
    )
    return _minutes(max(ends, default=None), seen.off)


def _minutes(at: float | None, since: float) -> str:
    return "-" if at is None else f"{(at - since) / 60:.1f}"


def _measured(seen: Mapping[str, Observation]) -> str:
    """On what it was measured, and whether Prometheus kept up."""
    if not seen:
        return "Not measured yet.\n"
    every = seen.values()
    days = sorted({datetime.fromtimestamp(each.on, UTC).date() for each in every})
    faults = sorted({round((each.off - each.on) / 60) for each in every})
    scrapes = sum(each.monitoring.scrapes for each in every)
    failed = sum(each.monitoring.scrapes_failed for each in every)
    slowest = max(each.monitoring.slowest_scrape for each in every)
    missed = sum(each.monitoring.evaluations_missed for each in every)
    return (
        f"Measured on {' and '.join(map(str, days))}; each fault was on for "
        f"{' to '.join(map(str, dict.fromkeys((faults[0], faults[-1]))))} minutes. The machine had "
        f"{os.cpu_count()} cores and a load average of {min(e.load for e in every):.0f} to "
        f"{max(e.load for e in every):.0f}. Of {scrapes} scrapes {failed} failed; the slowest took "
        f"{slowest:.1f} s. {missed} evaluations of rules were missed."
    )
