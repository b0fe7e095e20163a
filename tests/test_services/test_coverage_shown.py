"""A share of time as it is shown: 0 says that nobody counted, 1 that it is all of the time."""

import pytest

from app.services.range_figures import rounded_coverage


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, 0),
        # Twenty seconds of a month.
        (20 / (30 * 86400), 0.0001),
        (0.12345, 0.1235),
        (0.99999, 0.9999),
        (sum([0.1] * 10), 1),
        (1, 1),
        # The clock passed a moment twice.
        (1.00001, 1.0001),
        (1.5, 1.5),
    ],
)
def test_only_nothing_is_shown_as_0_and_only_the_whole_as_1(share: float, shown: float) -> None:
    assert rounded_coverage(share) == pytest.approx(shown, abs=1e-9)
    assert (rounded_coverage(share) == 0) == (share == 0)
