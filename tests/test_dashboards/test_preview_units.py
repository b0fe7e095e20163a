"""Numbers are written as Grafana writes them."""

import pytest

from dashboards.preview import units
from dashboards.preview.answers import Span
from dashboards.preview.draw.axes import (
    time_ticks,
    value_label,
    value_range,
    value_ticks,
)
from dashboards.preview.steps import step_seconds, time_variables
from tests.not_empty import not_empty


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234, "none", "1.23"),
        (12, "none", "12"),
        (0.000123, "none", "0.000123"),
        (-0.0, "none", "0"),
        (1234, "short", "1.23 K"),
        (1_500_000, "short", "1.50 Mil"),
        (999, "short", "999"),
        (0.452, "percentunit", "45.2%"),
        (0.07, "percentunit", "7%"),
        (0.9995, "percentunit", "100.0%"),
        (45.25, "percent", "45.2%"),
        (1.234, "s", "1.23 s"),
        (0, "s", "0 s"),
        (0.25, "s", "250 ms"),
        (0.00025, "s", "250 µs"),
        (90, "s", "1.50 mins"),
        (3600, "s", "1 hour"),
        (93600, "s", "1.08 days"),
        (1209600, "s", "2 weeks"),
        (1500, "ms", "1.50 s"),
        (0.5, "ms", "0.500 ms"),
        (12_900_000, "bytes", "12.3 MiB"),
        (12_900_000, "decbytes", "12.9 MB"),
        (512, "bytes", "512 B"),
        (1234, "reqps", "1.23K req/s"),
        (0.5, "ops", "0.500 ops/s"),
        (3, "cps", "3 c/s"),
        (3, "mps", "3 msg/s"),
        (93600, "dtdurations", "1 day"),
        (59, "dtdurations", "59 seconds"),
        (1_764_000_000_000, "dateTimeAsIso", "2025-11-24 16:00:00"),
        (3723, "clocks", "01:02:03"),
        (1, "bool", "true"),
        (4, "burritos", "4 burritos"),
        (4, "suffix:SMS", "4 SMS"),
        (4, "prefix:$", "$4"),
        (float("nan"), "s", "NaN"),
        (float("inf"), "s", "∞"),
    ],
)
def test_a_number_with_its_unit(value: float, unit: str, text: str) -> None:
    assert units.text(value, unit) == text


def test_decimals_are_as_asked() -> None:
    assert units.text(99.9, "percent", 3) == "99.900%"
    assert units.text(93784, "dtdurations", 2) == "1 day, 2 hours, 3 minutes"


class TestAxes:
    @pytest.mark.parametrize(
        ("least", "most", "unit", "labels"),
        [
            (0, 1, "s", ["0 s", "500 ms", "1 s"]),
            (0.9979, 1, "percentunit", ["99.8%", "99.9%", "100%"]),
            (0.9985, 0.9995, "percentunit", ["99.85%", "99.9%", "99.95%"]),
            (0, 300 * 2**20, "bytes", ["0 B", "128 MiB", "256 MiB"]),
            (0, 7200, "s", ["0 s", "1 hour", "2 hours"]),
        ],
    )
    def test_ticks_are_round_and_told_apart(
        self, least: float, most: float, unit: str, labels: list[str]
    ) -> None:
        assert [value_label(v, unit) for v in value_ticks(least, most, 60, unit)] == labels

    def test_the_range_is_as_the_data_ask_and_the_settings_allow(self) -> None:
        neither = (None, None)
        assert value_range(5, 10, neither, neither) == pytest.approx((4.6, 10.4))
        assert value_range(0.1, 10, neither, neither)[0] == 0
        assert value_range(5, 10, neither, (0, 20)) == (0, 20)
        assert value_range(1, 1, neither, (0, None)) == pytest.approx((0, 1.08))
        assert value_range(5, 30, (1, None), (0, 20)) == pytest.approx((1, 32.4))
        assert value_range(5, 5, (0, 1), neither) == (0, 1)

    def test_times_are_whole_hours_or_days(self) -> None:
        noon = 1_764_072_000
        day = time_ticks(Span(noon - 6 * 3600, noon), 300)
        assert [label for _, label in day] == ["06:00", "08:00", "10:00", "12:00"]
        weeks = time_ticks(Span(noon - 35 * 86400, noon), 400)
        assert all(at % 86400 == 0 and len(label) == len("11-24") for at, label in not_empty(weeks))


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
