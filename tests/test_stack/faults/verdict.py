"""What happened against what was expected, and the table of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.test_stack.faults.answers import name_of, written
from tests.test_stack.faults.expected import Expected
from tests.test_stack.faults.run import Observation

LEGEND = "fires, notified: seconds since the fault is on; resolved: since it is off, as notified"
COLUMNS = ("fault", "alert", "fires", "notified", "resolved", "remark")
_NUMBERS = frozenset({"fires", "notified", "resolved"})


@dataclass(frozen=True, slots=True)
class Row:
    """One alert of one fault. ``wrong`` is what was not as expected, ``notes`` what was."""

    fault: str
    alert: str = "(none)"
    fires: str = ""
    notified: str = ""
    resolved: str = ""
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """What is wrong, in capitals, and what else there is to say."""
        return ", ".join((*(text.upper() for text in self.wrong), *self.notes))


def rows(seen: Observation, expected: Expected | None) -> list[Row]:
    """The alerts in the order in which they fired, and then those that did not.

    Without ``expected`` nothing is unexpected and nothing missing.
    """
    fired = dict.fromkeys(name_of(spell.labels) for spell in seen.spells)
    found = [_row(seen, name, expected) for name in fired]
    if expected:
        missing = sorted((expected.notified | expected.inhibited) - fired.keys())
        found += [Row(seen.fault, name, wrong=("missing",)) for name in missing]
    return found or [Row(seen.fault)]


def problems(seen: Observation, expected: Expected) -> list[str]:
    """What was not as expected, each with the alerts' labels; empty when all was."""
    labels = dict.fromkeys(spell.labels for spell in seen.spells)
    return [
        f"{row.alert}: {', '.join(row.wrong)} "
        + " ".join(written(each) for each in labels if name_of(each) == row.alert)
        for row in rows(seen, expected)
        if row.wrong
    ]


def entry(seen: Observation) -> str:
    """The line of EXPECTED that would expect what happened."""
    notified = {name_of(notice.labels) for notice in seen.notices if notice.status == "firing"}
    held = {name_of(spell.labels) for spell in seen.spells} - notified
    arguments = [f'"{name}"' for name in sorted(notified)]
    if held:
        quoted = ", ".join(f'"{name}"' for name in sorted(held))
        arguments.append(f"inhibited=({quoted}{',' if len(held) == 1 else ''})")
    return f'    "{seen.fault}": _of({", ".join(arguments)}),'


def table(found: Iterable[Row]) -> list[str]:
    """The lines of a Markdown table that can also be read as it is."""
    cells = [list(COLUMNS)]
    shown = ""
    for row in found:
        cells.append([getattr(row, column) for column in COLUMNS])
        # The fault stands in the first of its lines only.
        if row.fault == shown:
            cells[-1][0] = ""
        shown = row.fault
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(COLUMNS, line, widths, strict=True)
        )
        + " |"
        for line in cells
    ]
    dashes = [
        "-" * (width + 1) + (":" if name in _NUMBERS else "-")
        for name, width in zip(COLUMNS, widths, strict=True)
    ]
    return [lines[0], f"|{'|'.join(dashes)}|", *lines[1:]]


def _row(seen: Observation, name: str, expected: Expected | None) -> Row:
    spells = [spell for spell in seen.spells if name_of(spell.labels) == name]
    notices = [notice for notice in seen.notices if name_of(notice.labels) == name]
    firing = [notice.at for notice in notices if notice.status == "firing"]
    resolved = [notice.at for notice in notices if notice.status == "resolved"]
    was_inhibited = any(name_of(labels) == name for labels in seen.inhibited)
    began = min(spell.began for spell in spells)
    wrong, notes = [], []
    if began < seen.on:
        wrong.append("before the fault")
    if any(name_of(labels) == name for labels in seen.remaining):
        wrong.append("not resolved")
    if was_inhibited:
        notes.append("inhibited" if not firing else "inhibited at times")
    if expected and name in expected.inhibited:
        if firing:
            wrong.append("notified")
        if not was_inhibited:
            wrong.append("not inhibited")
    elif expected and name not in expected.notified:
        wrong.append("unexpected")
    elif not firing and not was_inhibited:
        wrong.append("not notified")
    elif expected and not firing:
        wrong.append("inhibited")
    if (times := len(spells) - len({spell.labels for spell in spells})) > 0:
        notes.append(f"fires again {times} times" if times > 1 else "fires again")
    return Row(
        seen.fault,
        name,
        f"{began - seen.on:.0f}",
        f"{min(firing) - seen.on:.0f}" if firing else "",
        f"{max(resolved) - seen.off:.0f}" if resolved else "",
        tuple(wrong),
        tuple(notes),
    )
