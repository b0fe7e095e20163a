"""Whether rules stand where what they read is fresh."""

from promql_parser import MatrixSelector, VectorSelector

from alerts.expressions import selectors
from alerts.model import Group
from alerts.rules import expressions
from prometheus_tools.promql_nodes import nodes


def misordered_in(all_groups: tuple[Group, ...]) -> list[str]:
    """Rules that read a record before it is evaluated, or from a group they don't follow."""
    home = {record.name: group for group in all_groups for record in group.all_records()}
    found = []
    for group in all_groups:
        fresh: set[str] = set()
        for name, expr in expressions(group):
            for read in _names(expr) & home.keys():
                if home[read] is not group and home[read].name not in group.follows:
                    found.append(
                        f"group {group.name}: rule {name}: reads {read} of group "
                        f"{home[read].name}, which may be an evaluation behind; move it there, or "
                        "name the group in follows"
                    )
                elif home[read] is group and read not in fresh and read not in _looked_back(expr):
                    found.append(
                        f"group {group.name}: rule {name}: reads {read}, which is evaluated after "
                        "it; declare that first"
                    )
            fresh.add(name)
    return found


def _names(expr: str) -> set[str]:
    return {selector.name or "" for selector in selectors(expr)}


def _looked_back(expr: str) -> set[str]:
    """The series that are read over a range or at an offset: their present does not matter."""
    found = set()
    for node in nodes(expr):
        if isinstance(node, MatrixSelector):
            found.add(node.vector_selector.name or "")
        elif isinstance(node, VectorSelector) and node.offset:
            found.add(node.name or "")
    return found
