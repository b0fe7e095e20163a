"""docs/outages.md, from what was seen."""

from collections.abc import Mapping
from typing import Any


def write(kept: Mapping[str, Mapping[str, Any]]) -> int:
    return 0
