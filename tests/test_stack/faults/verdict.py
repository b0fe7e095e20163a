"""What happened against what was expected, and the table of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.test_stack.faults.answers import Message, name_of, written
from tests.test_stack.faults.expected import OF_A_BUSY_MACHINE, Expected
from tests.test_stack.faults.run import Observation, machine_is_busy

LEGEND = "fires, notified: seconds since the fault is on; resolved: since it is off, as notified"
_HEAD = ("fault → alerts", "fires", "notified", "resolved", "remark")
_ALIGNED_RIGHT = (False, True, True, True, False)


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


def named(message: Message) -> list[str]:
    """The names of the alerts that fire in a message, each once; a group has one of them."""
    firing = (name_of(notice.labels) for notice in message.notices if notice.status == "firing")
    return list(dict.fromkeys(firing))


def entry(seen: Observation) -> str:
    """The line of EXPECTED that would expect what happened."""
    paged = list(dict.fromkeys(name for message in seen.pages for name in named(message)))
    told = {name for message in seen.tickets for name in named(message)} - set(paged)
    held = {name_of(spell.labels) for spell in seen.spells} - told - set(paged)
    arguments = [f'"{name}"' for name in paged]
    for field, names in (("tickets", told), ("inhibited", held)):
        if names:
            quoted = ", ".join(f'"{name}"' for name in sorted(names))
            arguments.append(f"{field}=({quoted}{',' if len(names) == 1 else ''})")
    return f'    "{seen.fault}": _of({", ".join(arguments)}),'


def table(found: Iterable[Row]) -> list[str]:
    """The lines of a Markdown table that can also be read as it is."""
    cells = [_HEAD]
    fault = ""
    for row in found:
        if row.fault != fault:
            cells.append((row.fault, "", "", "", ""))
            fault = row.fault
        cells.append((f"→ {row.alert}", row.fires, row.notified, row.resolved, row.remark))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    columns = list(zip(widths, _ALIGNED_RIGHT, strict=True))
    head, *body = [
        " | ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, (width, right) in zip(line, columns, strict=True)
        )
        for line in cells
    ]
    rule = "|".join("-" * (width + 1) + ("-:"[right]) for width, right in columns)
    return [f"| {head} |", f"|{rule}|", *(f"| {line} |" for line in body)]


def _row(seen: Observation, name: str, expected: Expected | None) -> Row:
    spells = [spell for spell in seen.spells if name_of(spell.labels) == name]
    notices = [notice for notice in seen.notices if name_of(notice.labels) == name]
    firing = [notice.at for notice in notices if notice.status == "firing"]
    resolved = [notice.at for notice in notices if notice.status == "resolved"]
    pages = sum(name in names for names in map(named, seen.pages))
    was_inhibited = any(name_of(labels) == name for labels in seen.inhibited)
    began = min(spell.began for spell in spells)
    wrong, notes = [], []
    if began < seen.on:
        wrong.append("before the fault")
    of_the_machine = name in OF_A_BUSY_MACHINE and machine_is_busy(seen.load)
    if any(name_of(labels) == name for labels in seen.remaining) and not of_the_machine:
        wrong.append("not resolved")
    if was_inhibited:
        notes.append("inhibited" if not firing else "inhibited at times")
    if expected and name in expected.inhibited:
        if firing:
            wrong.append("notified")
        if not was_inhibited:
            wrong.append("not inhibited")
    elif expected and of_the_machine and name not in expected.notified and not pages:
        notes.append("of the machine")
    elif expected and name not in expected.notified | expected.possible:
        wrong.append("unexpected")
    elif expected and pages and name != expected.page:
        wrong.append("paged")
    elif expected and pages > 1:
        wrong.append(f"paged {pages} times")
    elif expected and name == expected.page and firing and not pages:
        wrong.append("not paged")
    elif not firing and not was_inhibited:
        wrong.append("not notified")
    elif expected and not firing and name not in expected.possible:
        wrong.append("inhibited")
    if (times := len(spells) - len({spell.labels for spell in spells})) > 0:
        notes.append(f"fires again {times} times" if times > 1 else "fires again")
    return Row(
        seen.fault,
        name,
        fires=f"{began - seen.on:.0f}",
        notified=f"{min(firing) - seen.on:.0f}" if firing else "",
        resolved=f"{max(resolved) - seen.off:.0f}" if resolved else "",
        wrong=tuple(wrong),
        notes=tuple(notes),
    )
