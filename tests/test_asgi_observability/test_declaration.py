"""Metrics that a host declares by name: mistakes are told at once, and never while it works."""

import pytest

from asgi_observability import catalogue
from asgi_observability.instruments import Instruments
from tests.captured_logs import captured_logs


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


def test_a_counter_is_declared_and_used_in_two_lines(instruments: Instruments) -> None:
    invoices = instruments.counter_of("invoices_total", "Sent.", kind=["paper", "mail"], to=None)
    invoices.inc(kind="paper", to="tenants")
    invoices.inc(3, to="tenants", kind="paper")
    invoices.inc(kind="pigeon", to="tenants")
    assert invoices.snapshot().rows == {("paper", "tenants"): 4.0, ("other", "tenants"): 1.0}
    overflows = instruments.counter(catalogue.LABEL_OVERFLOWS).snapshot().rows
    assert overflows == {("kind",): 1.0}


def test_gauges_and_histograms_as_well(instruments: Instruments) -> None:
    queue = instruments.gauge_of("queue", "Waiting.", kind=["paper"])
    queue.set(7, kind="paper")
    queue.inc(-2, kind="paper")
    seconds = instruments.histogram_of("print_seconds", "Printing.", (1, 10))
    seconds.observe(3)
    assert queue.series("paper").row() == 5
    assert seconds.series().row().counts == [0, 1, 0]


def test_declared_twice_is_the_same(instruments: Instruments) -> None:
    first = instruments.counter_of("sent_total", "Sent.", kind=["paper"])
    assert instruments.counter_of("sent_total", "Sent.", kind=["paper"]) is first


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"knd": "paper"}, "sent_total takes kind, not knd"),
        ({}, "sent_total takes kind, not no labels"),
        ({"kind": "paper", "to": "x"}, "sent_total takes kind, not kind, to"),
    ],
)
def test_a_wrong_label_is_told_once_and_harms_nobody(
    instruments: Instruments, labels: dict[str, str], told: str
) -> None:
    sent = instruments.counter_of("sent_total", "Sent.", kind=["paper"])
    with captured_logs() as lines:
        for _ in range(3):
            sent.inc(**labels)
    assert [line["problem"] for line in lines] == [told]
    assert instruments.counter(catalogue.INSTRUMENTATION_ERRORS).series().row() == 3


@pytest.mark.parametrize(
    ("name", "labels", "told"),
    [
        ("sent", {}, "call it sent_total"),
        ("sent mails_total", {}, "no metric's name"),
        ("operation_duration_seconds_count_total", {}, "belongs to operation_duration_seconds"),
        ("sent_total", {"le gume": None}, "'le gume' is no label's name"),
        ("sent_total", {"__name__": None}, "no label's name"),
        ("sent_total", {"kind": "paper"}, "kind='paper' is one text; give a list"),
        ("sent_total", {"kind": []}, "kind may have no value"),
        ("log_lines_total", {"kind": ["a"]}, "is declared as counter with labels level"),
    ],
)
def test_what_can_t_be_declared_is_told_at_once(
    instruments: Instruments, name: str, labels: dict[str, list[str] | None], told: str
) -> None:
    instruments.counter(catalogue.LOG_LINES)
    with pytest.raises(ValueError, match=told):
        instruments.counter_of(name, "Sent.", **labels)


@pytest.mark.parametrize("buckets", [(), (1.0, 1.0), (2.0, 1.0), (float("nan"),)])
def test_buckets_rise(instruments: Instruments, buckets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="print_seconds: buckets are"):
        instruments.histogram_of("print_seconds", "Printing.", buckets)


def test_other_kinds_have_their_own_names(instruments: Instruments) -> None:
    with pytest.raises(ValueError, match="call the gauge waiting"):
        instruments.gauge_of("waiting_total", "Waiting.")
    with pytest.raises(ValueError, match="the label 'le' belongs to Prometheus"):
        instruments.histogram_of("print_seconds", "Printing.", le=None)
    instruments.gauge_of("queued", "Waiting.")
    with pytest.raises(ValueError, match="queued_total: queued belongs to queued already"):
        instruments.counter_of("queued_total", "Waiting.")
    instruments.gauge_of("letters_count", "A gauge may be called so.")
    with pytest.raises(ValueError, match="letters_count belongs to letters_count already"):
        instruments.histogram_of("letters", "Letters.")
    with pytest.raises(ValueError, match="queued is declared as gauge with labels none already"):
        instruments.histogram_of("queued", "Waiting.")
