"""The conditions of which an alert's expression consists: its threshold, and those beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import promql_parser
from promql_parser import BinaryExpr, NumberLiteral, ParenExpr

from alerts.model import Comparison
from dashboards.changes.excerpts import one_line

_JOINTS = ("and", "unless")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number, and on which side of it a series is bad."""

    comparison: Comparison
    value: float

    def less_sensitive_than(self, other: "Limit") -> bool | None:
        """Whether this fires later than ``other``; None where the two can't be compared."""
        above = {Comparison.ABOVE, Comparison.AT_LEAST}
        if (self.comparison in above) != (other.comparison in above) or self.value == other.value:
            return None
        return (self.value > other.value) == (self.comparison in above)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that has to hold.

    ``joint`` is how PromQL joins it to the one before, such as ``and on (job)``; ``series`` is all
    of it but the ``limit``, which is None where it compares with no number.
    """

    joint: str
    series: str
    limit: Limit | None


@cache
def conditions(expr: str) -> tuple[Condition, ...]:
    """The conditions of an alert's expression, the signal's own first."""
    try:
        parsed = promql_parser.parse(expr)
    except ValueError:
        return (Condition("", one_line(expr), None),)
    return tuple(_split(parsed))


def _split(node: promql_parser.Expr) -> Iterator[Condition]:
    while isinstance(node, ParenExpr):
        node = node.expr
    if isinstance(node, BinaryExpr) and str(node.op) in _JOINTS:
        yield from _split(node.lhs)
        # What stands in parentheses behind "unless" is not split: it holds, or not, as a whole.
        yield _condition(node.rhs, f"{node.op} {node.modifier or ''}".strip())
    else:
        yield _condition(node, "")


def _condition(node: promql_parser.Expr, joint: str) -> Condition:
    if isinstance(node, BinaryExpr) and (limit := _limit(node)):
        return Condition(joint, one_line(str(node.lhs)), limit)
    return Condition(joint, one_line(str(node)), None)


def _limit(node: BinaryExpr) -> Limit | None:
    if not isinstance(node.rhs, NumberLiteral):
        return None
    plain = not (node.modifier and node.modifier.return_bool)
    compares = plain and str(node.op) in list(Comparison)
    return Limit(Comparison(str(node.op)), node.rhs.val) if compares else None
