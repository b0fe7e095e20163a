"""How far apart the points of a query are."""

import pytest

from dashboards.preview.steps import step_seconds, time_variables


@pytest.mark.parametrize(
    ("hours", "width", "least", "step"),
    [
        (1, 500, 15, 15),
        (6, 500, 15, 30),
        (24, 500, 15, 120),
        (840, 1000, 15, 3600),
        (1, 500, 60, 60),
    ],
)
def test_the_step_follows_range_and_width(hours: int, width: int, least: int, step: int) -> None:
    assert step_seconds(hours * 3600, width, least) == step


def test_rates_look_back_over_four_scrapes() -> None:
    assert time_variables(3600, 15, 15)["__rate_interval"] == "60s"
    assert time_variables(86400, 120, 15)["__rate_interval"] == "135s"
    assert time_variables(3600, 15, 15)["__range"] == "3600s"
