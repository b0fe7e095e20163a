"""Which thing of an old revision is which of the new one."""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Pairing(Generic[Thing]):
    """What is in both revisions, as it was and as it is; and what is in only one."""

    both: tuple[tuple[Thing, Thing], ...]
    removed: tuple[Thing, ...]
    added: tuple[Thing, ...]


def paired(
    old: Iterable[Thing], new: Iterable[Thing], *identities: Callable[[Thing], Hashable]
) -> Pairing[Thing]:
    """Pairs by the first of ``identities`` first, what is left by the next; equals in order.

    An identity of None pairs with nothing. Pairs and additions are in the order of ``new``.
    """
    before, after = list(old), list(new)
    partners: dict[int, int] = {}
    for identity in identities:
        taken = set(partners.values())
        waiting: dict[Hashable, deque[int]] = defaultdict(deque)
        for number, thing in enumerate(before):
            if number not in taken:
                waiting[identity(thing)].append(number)
        for number, thing in enumerate(after):
            key = identity(thing)
            if number not in partners and key is not None and waiting[key]:
                partners[number] = waiting[key].popleft()
    taken = set(partners.values())
    return Pairing(
        tuple((before[partners[n]], thing) for n, thing in enumerate(after) if n in partners),
        tuple(thing for number, thing in enumerate(before) if number not in taken),
        tuple(thing for number, thing in enumerate(after) if number not in partners),
    )
