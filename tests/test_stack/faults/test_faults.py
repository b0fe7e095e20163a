"""Each fault brings the alerts that are expected of it, and only those; all of them resolve."""

from collections.abc import Callable

import pytest

from simulator.faults import FAULTS
from tests.test_stack.faults import verdict
from tests.test_stack.faults.expected import EXPECTED, mend
from tests.test_stack.faults.run import Observation


@pytest.mark.parametrize("fault", FAULTS)
def test_fault(fault: str, observation: Callable[[str], Observation]) -> None:
    assert fault in EXPECTED, mend(fault)
    assert verdict.problems(observation(fault), EXPECTED[fault]) == []
