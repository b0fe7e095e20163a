"""What a test loops over, shown to hold something: a loop over nothing asserts nothing."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def not_empty(found: Iterable[T]) -> list[T]:
    """All of ``found``; AssertionError where that is nothing."""
    everything = list(found)
    assert everything, "there is nothing to look at, so this test would pass by accident"
    return everything
