"""`/metrics`: what prometheus-client's parsers and promtool read is what was counted."""

import asyncio
import gzip
import math
import os
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Summary,
    generate_latest,
)
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from asgi_observability import correlation
from asgi_observability.exposition import Exposer, exposition
from asgi_observability.instruments import Instruments
from asgi_observability.negotiation import Format, format_of, takes_gzip
from asgi_observability.rendering import Renderer
from asgi_observability.snapshot import Exemplar, FamilySnapshot, HistogramRow
from prometheus_tools.toolchain import locate
from tests.length import LONG
from tests.not_empty import not_empty

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

AWKWARD = 'a "quoted" \\ back\\n slash\nnew line, Ärger 100 % {}'


@pytest.fixture
def instruments() -> Instruments:
    """With one of each kind, and everything in it that has to be escaped."""
    instruments = Instruments()
    sent = instruments.counter_of("sent_total", AWKWARD, kind=None, to=None)
    sent.inc(2.5, kind=AWKWARD, to="b")
    sent.inc(kind="%s%d", to="")
    instruments.gauge_of("queue_bytes", "Waiting.").set(-1e-7)
    seconds = instruments.histogram_of("call_seconds", "Calls.", (0.1, 1, 10), who=None)
    correlation.bind("message-17")
    for value in (0.05, 0.1, 5, 50):
        seconds.observe(value, who=AWKWARD)
    correlation.bind("")
    return instruments


def samples(parse, body: bytes) -> Mapping[tuple[str, ...], float]:  # type: ignore[no-untyped-def]
    return {
        (sample.name, *(text for pair in sorted(sample.labels.items()) for text in pair)): (
            sample.value
        )
        for family in parse(body.decode())
        for sample in family.samples
    }


@pytest.mark.parametrize(("accept", "parse"), [("", prometheus_text), (OPENMETRICS, openmetrics)])
def test_what_is_read_is_what_was_counted(instruments: Instruments, accept: str, parse) -> None:  # type: ignore[no-untyped-def]
    read = samples(parse, exposition(instruments.snapshot(), accept).body)
    assert read["sent_total", "kind", AWKWARD, "to", "b"] == 2.5
    assert read["sent_total", "kind", "%s%d", "to", ""] == 1
    assert read[("queue_bytes",)] == -1e-7
    buckets = {
        bound: read["call_seconds_bucket", "le", bound, "who", AWKWARD]
        for bound in ("0.1", "1.0", "10.0", "+Inf")
    }
    assert buckets == {"0.1": 2, "1.0": 2, "10.0": 3, "+Inf": 4}
    assert read["call_seconds_count", "who", AWKWARD] == 4
    assert read["call_seconds_sum", "who", AWKWARD] == pytest.approx(55.15)
    assert not [name for name, *_ in not_empty(read) if name.endswith("_created")]


def test_it_says_the_same_as_prometheus_client_does(instruments: Instruments) -> None:
    ours = exposition(instruments.own_snapshot(), "").body
    theirs = generate_latest(instruments.registry)
    assert samples(prometheus_text, ours) == samples(prometheus_text, theirs)
    assert _described(ours) == _described(theirs)


def _described(body: bytes) -> set[tuple[str, str, str]]:
    return {(f.name, f.type, f.documentation) for f in prometheus_text(body.decode())}


def test_openmetrics_has_units_examples_and_an_end(instruments: Instruments) -> None:
    body = exposition(instruments.snapshot(), OPENMETRICS).body.decode()
    families = {family.name: family for family in openmetrics(body)}
    assert families["call_seconds"].unit == "seconds"
    assert families["queue_bytes"].unit == "bytes"
    assert families["sent"].unit == ""
    examples = [
        (s.labels["le"], s.exemplar) for s in families["call_seconds"].samples if s.exemplar
    ]
    assert [(bound, e.labels, e.value) for bound, e in examples] == [
        ("+Inf", {"correlation_id": "message-17"}, 50)
    ]
    assert body.endswith("\n# EOF\n")


def test_an_example_that_is_too_long_is_left_out() -> None:
    row = HistogramRow([0, 1], 2.0, Exemplar({"trace_id": "x" * 121}, 2.0, 1.0))
    family = FamilySnapshot("call_seconds", "histogram", "Calls.", bounds=(1.0,), rows={(): row})
    assert b"trace_id" not in Renderer(Format.OPENMETRICS).render([family])


def test_promtool_finds_nothing_wrong(instruments: Instruments) -> None:
    body = exposition(instruments.snapshot(), "").body
    command = [locate("promtool").path, "check", "metrics"]
    checked = subprocess.run(command, input=body, capture_output=True, check=False)
    assert (checked.stderr, checked.returncode) == (b"", 0)


def test_a_second_scrape_has_the_new_numbers_and_the_new_series(instruments: Instruments) -> None:
    renderer = Renderer(Format.TEXT)
    renderer.render(instruments.snapshot())
    sent = instruments.counter_of("sent_total", AWKWARD, kind=None, to=None)
    sent.inc(kind="new", to="x")
    sent.inc(kind="%s%d", to="")
    body = renderer.render(instruments.snapshot())
    assert b'sent_total{kind="new",to="x"} 1.0\n' in body
    assert b'sent_total{kind="%s%d",to=""} 2.0\n' in body
    assert body == Renderer(Format.TEXT).render(instruments.snapshot())


def test_what_is_not_there_any_more_is_not_kept_either() -> None:
    def family(number: int) -> FamilySnapshot:
        rows: dict[tuple[str, ...], float | HistogramRow] = {
            (f"{number}-{i}",): 1.0 for i in range(9)
        }
        return FamilySnapshot("queue", "gauge", "Queue.", label_names=("name",), rows=rows)

    renderer = Renderer(Format.TEXT)
    for number in range(100):
        renderer.render([family(number)])
    (_, kept), *_ = renderer._lines.values()
    assert len(kept) < 150
    renderer.render([])
    assert renderer._lines == {}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", Format.TEXT),
        (PROMETHEUS_3, Format.OPENMETRICS),
        ('application/openmetrics-text;version="1.0.0"', Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text; version=2.0.0", Format.TEXT),
        ("application/openmetrics-text; version=1.0.0; q=0", Format.TEXT),
        ("application/openmetrics-text;q=0.3, text/plain;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0.5, text/plain;q=0.3", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0.5, */*;q=0.9, text/plain;q=0.1", Format.OPENMETRICS),
        ('text/plain;x="a,application/openmetrics-text", */*', Format.TEXT),
        ("application/json", Format.TEXT),
    ],
)
def test_the_scraper_s_first_choice_is_taken(accept: str, expected: Format) -> None:
    assert format_of(accept) is expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZip;q=0.5, deflate", True),
        ("deflate, br", False),
        ("gzip;q=0", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.2, identity", False),
        ("x-gzip", True),
    ],
)
def test_it_is_compressed_where_the_scraper_wants_it(accept_encoding: str, expected: bool) -> None:
    assert takes_gzip(accept_encoding) is expected


ANY_HEADER = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                *("application/openmetrics-text", "text/plain", "gzip", "*/*", "version="),
                *('"', "\\", ";", ",", "=", "q=", "0.5", "1.0.0", " ", "q=nan", "q=1e9", "\0", "é"),
            ]
        ),
        max_size=12,
    ).map("".join),
)


@given(accept=ANY_HEADER, accept_encoding=ANY_HEADER)
@settings(max_examples=60 if LONG else 20)
def test_no_header_is_an_error(accept: str, accept_encoding: str) -> None:
    family = FamilySnapshot("queue", "gauge", "Queue." * 300, rows={(): 1.0})
    answer = exposition([family], accept, accept_encoding)
    body = gzip.decompress(answer.body) if answer.content_encoding else answer.body
    assert answer.content_type in {each.value for each in Format}
    parse = openmetrics if answer.content_type == Format.OPENMETRICS.value else prometheus_text
    assert samples(parse, body) == {("queue",): 1.0}


@given(values=st.lists(st.text(max_size=20), min_size=1, max_size=3), number=st.floats())
@settings(max_examples=60 if LONG else 20)
def test_any_label_and_any_number_come_back_as_they_were(values: list[str], number: float) -> None:
    writable = [text.encode("utf-8", "replace").decode() for text in values]
    # The parser takes a carriage return for the end of a line, which Prometheus does not.
    writable = [text.replace("\r", "") for text in writable]
    rows: dict[tuple[str, ...], float | HistogramRow] = {(text,): number for text in writable}
    family = FamilySnapshot("queue", "gauge", "Queue.", label_names=("name",), rows=rows)
    for format_, parse in ((Format.TEXT, prometheus_text), (Format.OPENMETRICS, openmetrics)):
        read = samples(parse, Renderer(format_).render([family]))
        assert {key[2] for key in read} == set(writable)
        assert all(each == number or math.isnan(number) for each in not_empty(read.values()))


async def test_a_scrape_does_not_wait_behind_the_service_s_own_work(
    instruments: Instruments,
) -> None:
    loop = asyncio.get_running_loop()
    release = threading.Event()
    with ThreadPoolExecutor(1) as full:
        loop.set_default_executor(full)
        busy = [loop.run_in_executor(None, release.wait) for _ in range(3)]
        exposer = Exposer(instruments.snapshot)
        try:
            answer = await asyncio.wait_for(exposer.answer("", "gzip"), 60)
            assert not any(work.done() for work in busy)
        finally:
            release.set()
            await asyncio.gather(*busy)
            exposer.close()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"sent_total" in gzip.decompress(answer.body)


async def test_a_forked_child_answers_scrapes_too(instruments: Instruments) -> None:
    exposer = Exposer(instruments.snapshot)
    await exposer.answer("")
    child = os.fork()
    if not child:
        status = 1
        try:
            # The thread of the parent is not here; its loop neither.
            answered = exposer._executor().submit(exposer._exposition, "", "").result(60)
            status = 0 if b"sent_total" in answered.body else 2
        finally:
            os._exit(status)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    exposer.close()
    assert os.waitstatus_to_exitcode(status) == 0


def host_registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("paid", "Paid.", ["kind"], registry=registry).labels("a").inc(3)
    Gauge("depth", "Depth.", registry=registry).set(math.inf)
    Histogram("wait_seconds", "Wait.", registry=registry, buckets=(1, 2)).observe(
        1.5, {"trace_id": "t1"}
    )
    Summary("size_bytes", "Size.", registry=registry).observe(7)
    Info("release", "Release.", registry=registry).info({"version": "1"})
    return registry


@pytest.mark.parametrize(("accept", "parse"), [("", prometheus_text), (OPENMETRICS, openmetrics)])
def test_a_host_s_metrics_read_as_they_did(accept: str, parse) -> None:  # type: ignore[no-untyped-def]
    registry = host_registry()
    instruments = Instruments(registries=[registry])
    own = {name for name, *_ in samples(parse, exposition(instruments.own_snapshot(), accept).body)}
    read = samples(parse, exposition(instruments.snapshot(), accept).body)
    theirs = (openmetrics_latest if accept else generate_latest)(registry)
    assert {key: value for key, value in read.items() if key[0] not in own} == samples(
        parse, theirs
    )


def test_a_host_s_examples_are_kept() -> None:
    instruments = Instruments(registries=[host_registry()])
    body = exposition(instruments.snapshot(), OPENMETRICS).body.decode()
    shown = [s.exemplar for f in openmetrics(body) for s in f.samples if s.exemplar]
    assert [(exemplar.labels, exemplar.value) for exemplar in shown] == [({"trace_id": "t1"}, 1.5)]
