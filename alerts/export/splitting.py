"""Groups of at most so many rules, for engines that limit them.

What reads a record stays in the record's group where it can: another group may be an evaluation
behind.
"""

import re
from collections.abc import Iterator
from typing import Any

Group = dict[str, Any]
Rule = dict[str, Any]

_NAME = re.compile(r"[a-zA-Z_:][\w:]*")


def names_in(expr: str) -> set[str]:
    """The words of an expression, the series that it reads among them."""
    return set(_NAME.findall(expr))


def split(group: Group, most: int) -> Iterator[Group]:
    """``group`` as groups of at most ``most`` rules, called NAME-1, NAME-2 and so on."""
    rules = group["rules"]
    if len(rules) <= most:
        yield group
        return
    for number, part in enumerate(_packed(_together(rules), most), start=1):
        yield {**group, "name": f"{group['name']}-{number}", "rules": part}


def _packed(bundles: list[list[Rule]], most: int) -> Iterator[list[Rule]]:
    """Bundles put together as long as there is room; one that is too long is cut."""
    room: list[Rule] = []
    for bundle in bundles:
        if room and len(room) + len(bundle) > most:
            yield room
            room = []
        room = [*room, *bundle]
        while len(room) > most:
            yield room[:most]
            room = room[most:]
    if room:
        yield room


def _together(rules: list[Rule]) -> list[list[Rule]]:
    """The rules in bundles, each with all that its members read, in their order."""
    recorded = {rule["record"] for rule in rules if "record" in rule}
    of_rule: list[set[str]] = [
        (names_in(rule["expr"]) | {rule.get("record", "")}) & recorded for rule in rules
    ]
    bundles: list[tuple[set[str], list[int]]] = []
    for position, names in enumerate(of_rule):
        joined, members, apart = set(names), [position], []
        for bundle in bundles:
            if bundle[0] & names:
                joined |= bundle[0]
                members += bundle[1]
            else:
                apart.append(bundle)
        bundles = [*apart, (joined, members)]
    ordered = sorted((sorted(members) for _, members in bundles), key=lambda each: each[0])
    return [[rules[position] for position in members] for members in ordered]
