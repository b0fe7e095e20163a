"""Which thing of an old revision is which of the new one."""

from collections import defaultdict, deque
from collections.abc import Hashable, Mapping, Sequence

from dashboards.changes.things import Thing


def partners(old: Sequence[Thing], new: Sequence[Thing]) -> dict[int, int]:
    """The old position of each new one that was there before; equals in order.

    What the first identity pairs is settled before the next is looked at.
    """
    found: dict[int, int] = {}
    for level in range(max((len(thing.identities) for thing in new), default=0)):
        taken = {*found.values()}
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for position, thing in enumerate(old):
            if position not in taken:
                waiting[_known_by(thing, level)].append(position)
        for position, thing in enumerate(new):
            key = _known_by(thing, level)
            if position not in found and key is not None and waiting[key]:
                found[position] = waiting[key].popleft()
    return found


def reordered(old: Sequence[Thing], new: Sequence[Thing], kept: Mapping[int, int]) -> list[str]:
    """The places in which what stayed is in another order."""
    order: dict[str, list[int]] = defaultdict(list)
    for position, before in sorted(kept.items()):
        if (place := new[position].place) == old[before].place != "":
            order[place].append(before)
    return [place for place, positions in order.items() if positions != sorted(positions)]


def _known_by(thing: Thing, level: int) -> Hashable:
    identity = thing.identities[level] if level < len(thing.identities) else None
    return None if identity is None else (thing.kind, repr(identity))
