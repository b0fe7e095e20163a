"""The engines that rules are exported for, and what each of them allows."""

from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """What evaluates the exported rules."""

    PROMETHEUS = "prometheus"
    OPERATOR = "operator"
    MIMIR = "mimir"
    VMALERT = "vmalert"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an engine takes.

    ``rules_per_group`` is None where there is no limit.
    """

    rules_per_group: int | None = None


ALLOWANCES = {
    Engine.PROMETHEUS: Allowance(),
    Engine.OPERATOR: Allowance(),
    # Mimir's -ruler.max-rules-per-rule-group is 20 unless it is set.
    Engine.MIMIR: Allowance(rules_per_group=20),
    Engine.VMALERT: Allowance(),
}
