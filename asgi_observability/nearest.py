"""The name that a misspelt one was meant to be.

A wrong suggestion sends people the wrong way, so there is one only where it is plain: each word
has few wrong letters, or whole words are missing or too many, and no second name is as near.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_SEPARATORS = re.compile(r"[\W_]+")
_SHARED = 0.45
"""The part of the longer name that two names with unlike numbers of words have in common."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean PORT?`` for ``PROT``; ``otherwise`` where no known name is near."""
    close = nearest(name, known)
    return f"did you mean {close}?" if close else otherwise


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that ``name`` was meant to be; None where that is not plain."""
    costs = {each: cost for each in known if (cost := _cost(name, each)) is not None}
    least = min(costs.values(), default=None)
    best = [each for each, cost in costs.items() if cost == least]
    return best[0] if len(best) == 1 else None


def _cost(name: str, known: str) -> int | None:
    """How far apart the two are; None where that is too far to be a slip."""
    given, wanted = _words(name), _words(known)
    if not given or not wanted:
        return None
    # A separator too few or too many is one slip.
    joined = _slips("".join(given), "".join(wanted), at_most=1)
    candidates = [joined] if joined is not None and len("".join(given)) > 2 else []
    if len(given) <= len(wanted):
        candidates += _cost_of_words(given, wanted)
    else:
        candidates += _cost_of_words(wanted, given)
    return min(candidates, default=None)


def _cost_of_words(fewer: Sequence[str], more: Sequence[str]) -> list[int]:
    """The cost where all of ``fewer`` are found in ``more``, in that order; else nothing.

    A word that only one of them has costs its letters.
    """
    letters = len("".join(fewer))
    if letters < 3 or letters < _SHARED * len("".join(more)):
        return []
    cost, position = 0, 0
    for word in fewer:
        near = [
            (slips, index)
            for index in range(position, len(more))
            if (slips := _slips(word, more[index], at_most=_allowed(word))) is not None
        ]
        if not near:
            return []
        slips, index = min(near)
        cost += slips + sum(map(len, more[position:index]))
        position = index + 1
    return [cost + sum(map(len, more[position:]))]


@lru_cache(maxsize=2048)
def _words(name: str) -> tuple[str, ...]:
    return tuple(word for word in _SEPARATORS.split(name.casefold()) if word)


def _allowed(word: str) -> int:
    """How many letters of a word may be wrong: one in four, and none where there are only two."""
    return max(1, len(word) // 4) if len(word) > 2 else 0


# Bounded: what is misspelt comes from clients, too.
@lru_cache(maxsize=2048)
def _slips(one: str, other: str, at_most: int) -> int | None:
    """Letters that are wrong, missing, too many or swapped with their neighbour.

    None where there are more than ``at_most``, as lengths tell of nearly all pairs of words.
    """
    if abs(len(one) - len(other)) > at_most:
        return None
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, wanted in enumerate(other, start=1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != wanted))
            swapped = row > 1 and column > 1 and letter == other[column - 2]
            if swapped and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, above = above, current
    return above[-1] if above[-1] <= at_most else None
