"""Label values without end: each label is bounded for itself, and what is told stays told."""

from enum import Enum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi_observability import catalogue, families
from asgi_observability.families import MAX_CHARACTERS, MAX_COMBINATIONS, MAX_SERIES
from asgi_observability.instruments import Instruments
from asgi_observability.operation_log import OperationLog
from tests.captured_logs import captured_logs

REQUESTS = catalogue.HTTP_SERVER_REQUEST_DURATION


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


def value(instruments: Instruments, name: str, **labels: str) -> float | None:
    return instruments.registry.get_sample_value(name, labels)


def test_the_first_5xx_of_a_known_route_is_seen_however_many_routes_there_are(
    instruments: Instruments,
) -> None:
    requests = instruments.histogram(REQUESTS)
    for number in range(MAX_SERIES + 500):
        requests.series("GET", f"/route/{number}", "200").note(0.1)
    assert requests.series("GET", "/route/7", "503").series.values == ("GET", "/route/7", "503")
    assert requests.series("PUT", "/route/8", "409").series.values == ("PUT", "/route/8", "409")
    invented = requests.series("GET", "/route/2400", "503").series.values
    assert invented == ("GET", "other", "503")


def test_every_route_with_every_status_is_bounded_as_well(instruments: Instruments) -> None:
    family = instruments.counter_of("asked_total", "Asked.", route=None, status=None)
    for route in range(250):
        for status in range(60):
            family.inc(route=f"/{route}", status=f"{status}")
    snapshot = family.snapshot()
    assert sum(snapshot.rows.values()) == 250 * 60  # type: ignore[arg-type]
    assert len(snapshot.rows) <= MAX_COMBINATIONS + 61
    # The label that has most values is the one that is folded.
    assert family.series("/249", "59").series.values == ("other", "59")


@given(
    notes=st.lists(st.tuples(*[st.integers(0, 30).map(str)] * 3), min_size=1, max_size=200),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_noted_nothing_is_lost_and_series_are_few(
    notes: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in (("MAX_SERIES", 5), ("RESERVED_VALUES", 2), ("MAX_COMBINATIONS", 20)):
        monkeypatch.setattr(families, name, limit)
    instruments = Instruments()
    family = instruments.counter_of("asked_total", "Asked.", one=None, two=None, three=None)
    for values in notes:
        family.series(*values).note()
    rows = family.snapshot().rows
    assert sum(rows.values()) == len(notes)  # type: ignore[arg-type]
    assert len(rows) <= 41
    folded = sum(instruments.counter(catalogue.LABEL_OVERFLOWS).snapshot().rows.values())  # type: ignore[arg-type]
    assert bool(folded) == any("other" in values for values in rows)


def test_a_first_failure_has_a_zero_before_it(instruments: Instruments) -> None:
    instruments.histogram(REQUESTS).series("GET", "/letters", "200").note(0.1)
    with instruments.operation("bank", "charge"):
        pass
    labels = {"http_request_method": "GET", "http_route": "/letters"}
    assert value(instruments, REQUESTS.count, **labels, http_response_status_code="500") == 0
    failed = {"component": "bank", "operation": "charge", "outcome": "error"}
    assert value(instruments, catalogue.OPERATION_DURATION.count, **failed) == 0


def test_what_is_exposed_before_it_happens_is_zero(instruments: Instruments) -> None:
    family = instruments.counter_of("sent_total", "Sent.", kind=["paper", "mail"])
    family.expose("paper")
    assert value(instruments, "sent_total", kind="paper") == 0
    assert value(instruments, "sent_total", kind="mail") is None


class Colour(str, Enum):  # noqa: UP042 - as hosts of Python 3.10 have it
    RED = "red"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("x" * MAX_CHARACTERS, "x" * MAX_CHARACTERS),
        ("x" * (MAX_CHARACTERS + 1), "other"),
        ("\ud800", "other"),
        ("Ärger", "Ärger"),
        (Colour.RED, "red"),
        (7, "7"),
        (None, "None"),
        (["a"], "['a']"),
    ],
)
def test_a_label_is_text_that_can_be_written(
    instruments: Instruments, given: str, shown: str
) -> None:
    family = instruments.counter_of("sent_total", "Sent.", kind=None)
    family.inc(kind=given)
    assert family.snapshot().rows == {(shown,): 1.0}


def test_a_value_that_has_no_words_is_folded(instruments: Instruments) -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    family = instruments.counter_of("sent_total", "Sent.", kind=None)
    family.inc(kind=Silent())
    assert family.snapshot().rows == {("other",): 1.0}


def test_operations_with_invented_names_fill_neither_memory_nor_log() -> None:
    instruments = Instruments(operation_log=OperationLog({}))
    with captured_logs() as lines:
        for number in range(3 * MAX_SERIES):
            with instruments.operation("bank", f"charge-{number}"):
                pass
    assert len(instruments.snapshot()[2].rows) == 2 * (MAX_SERIES + 1)
    assert len(instruments._succeeded) == MAX_SERIES
    names = {line["operation"] for line in lines if "operation" in line}
    assert len(names) == MAX_SERIES + 1
    assert "other" in names


def test_an_error_is_called_by_its_class_or_as_it_says(instruments: Instruments) -> None:
    class DeclinedError(Exception):
        error_type = "declined"

    class OddError(Exception):
        @property
        def error_type(self) -> str:
            raise RuntimeError("odd")

    class WordyError(Exception):
        error_type = "x" * 1000

    for error in (DeclinedError(), OddError(), WordyError(), KeyError("x")):
        with pytest.raises(type(error)), instruments.operation("bank", "charge"):
            raise error
    rows = instruments.counter(catalogue.OPERATION_ERRORS).snapshot().rows
    assert {error_type for _, _, error_type in rows} == {
        *("declined", "OddError", "WordyError", "KeyError")
    }
