"""The parts of a PromQL expression.

promql_parser's own walk gives every part a copy of all below it, again at each level: for long
expressions that takes forty times as long.
"""

from collections.abc import Iterator

import promql_parser
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
)


def nodes(expr: str) -> Iterator[Expr]:
    """``expr`` as a whole, and each part of it, from left to right.

    Raises ValueError where it can't be parsed.
    """
    return _nodes(promql_parser.parse(expr))


def _nodes(node: Expr) -> Iterator[Expr]:
    yield node
    match node:
        case Call():
            for argument in node.args:
                yield from _nodes(argument)
        case AggregateExpr():
            yield from _nodes(node.expr)
            if node.param is not None:
                yield from _nodes(node.param)
        case BinaryExpr():
            yield from _nodes(node.lhs)
            yield from _nodes(node.rhs)
        case ParenExpr() | UnaryExpr() | SubqueryExpr():
            yield from _nodes(node.expr)
        case MatrixSelector():
            yield from _nodes(node.vector_selector)
