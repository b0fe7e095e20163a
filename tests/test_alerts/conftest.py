"""The versions of Prometheus that rules and configuration have to work with."""

import pytest

from stack.toolchain import Tool, locate, locate_floor


@pytest.fixture(params=[locate, locate_floor], ids=["current", "floor"])
def each_promtool(request: pytest.FixtureRequest) -> Tool:
    """promtool of the version that the stack runs, and of the oldest that will do."""
    tool: Tool = request.param("promtool")
    return tool
