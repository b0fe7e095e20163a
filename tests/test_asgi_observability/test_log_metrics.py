"""What the log does, as metrics; and what metrics say of the log: exemplars."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app.core import catalogue
from app.core.catalogue import Component, Operation
from app.core.instrumentation import orchestrator_instruments
from asgi_observability import correlation
from asgi_observability import logging as logs
from asgi_observability.exposition import exposition
from asgi_observability.log_metrics import LogMetrics
from asgi_observability.log_sampling import Sampling
from asgi_observability.log_writer import Writer
from asgi_observability.logging import get_logger
from asgi_observability.metric import Metric
from prometheus_tools.toolchain import locate
from tests.captured_logs import Memory, captured_logs
from tests.free_port import free_port
from tests.programs import running
from tests.serving_process import serving_process
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

log = get_logger("tests.metrics")
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_lines_and_drops_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    instruments = orchestrator_instruments()
    metrics = LogMetrics(instruments)

    def value(metric: Metric, **labels: str) -> float | None:
        return instruments.registry.get_sample_value(metric.name, labels)

    with captured_logs(Sampling(info=0)):
        metrics.look()
        before = value(catalogue.LOG_LINES, level="warning")
        assert before == 0
        correlation.bind("correlation-1")
        for _ in range(3):
            log.info("left out")
            log.warning("kept")
        metrics.look()
        metrics.look()
        assert value(catalogue.LOG_LINES, level="warning") == 3
        assert value(catalogue.LOG_LINES, level="info") == 0
        assert value(catalogue.LOG_LINES_DROPPED, reason="sampled") == 3


def test_a_log_that_is_configured_anew_counts_on() -> None:
    instruments = orchestrator_instruments()
    metrics = LogMetrics(instruments)
    metrics.look()

    # A level at which nothing else logs that may still run.
    def logged() -> float | None:
        name = catalogue.LOG_LINES.name
        return instruments.registry.get_sample_value(name, {"level": "critical"})

    before = logged() or 0.0
    for times in (3, 1, 2):
        # The new one may lie where the old one lay.
        with captured_logs():
            for _ in range(times):
                log.critical("broken")
            metrics.look()
    assert logged() == before + 6
    assert len(metrics._seen) <= 4


def test_lost_lines_are_reported_in_a_line_of_their_own() -> None:
    instruments = orchestrator_instruments()
    memory = Memory()
    writer = Writer(memory, 1000)
    writer.dropped = 7
    metrics = LogMetrics(instruments)
    before = logs.log_through(logs.Pipeline({}, Sampling(), [writer]))
    try:
        metrics.look()
        metrics.look()
    finally:
        logs.log_through(before)
        writer.close()
    (line,) = memory.lines
    assert (line["event"], line["lines"], line["sink"]) == ("lines_dropped", 7, "memory")
    labels = {"reason": "queue_full"}
    name = catalogue.LOG_LINES_DROPPED.name
    assert instruments.registry.get_sample_value(name, labels) == 7


def test_a_histogram_shows_whose_the_slowest_was() -> None:
    instruments = orchestrator_instruments()
    series = instruments.histogram(catalogue.OPERATION_DURATION).series(
        Component.AI_PROVIDER, Operation.CHAT_COMPLETION, "success"
    )
    for number, seconds in enumerate((0.3, 0.7, 0.4)):
        correlation.bind(f"message-{number}")
        series.note(seconds)
    correlation.bind("")
    body = exposition(instruments.snapshot(), OPENMETRICS).body
    exemplars = [
        (sample.labels["le"], sample.exemplar.labels, sample.exemplar.value)
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars == [("1.0", {"correlation_id": "message-1"}, 0.7)]
    assert b"correlation_id" not in exposition(instruments.snapshot(), "text/plain").body


async def test_prometheus_leads_from_a_bucket_to_the_log(
    tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    """A real Prometheus scrapes several workers and gives the correlation ID back."""
    prometheus_port = free_port()
    url = f"sqlite:///{tmp_path}/orchestrator.db"
    async with (
        serving_process(tmp_path / "out", upstreams.url, url, workers=2) as client,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{prometheus_port}") as prometheus,
    ):
        headers = {
            "X-Correlation-ID": "message-42",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        (
            await client.post("/orchestrate/sms-received", json=SMS, headers=headers)
        ).raise_for_status()
        config = tmp_path / "prometheus.yml"
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs: [{job_name: orchestrator, static_configs: [{targets: "
            f"['{client.base_url.host}:{client.base_url.port}']}}]}}]\n"
        )
        command = [
            str(locate("prometheus").path),
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{prometheus_port}",
            "--enable-feature=exemplar-storage",
        ]
        async with running(command, tmp_path, tmp_path / "prometheus.log"):
            name = catalogue.SMS_PROCESSING_DURATION.bucket

            async def found() -> bool:
                query = {"query": name, "start": "0", "end": "4102444800"}
                answer = await prometheus.get("/api/v1/query_exemplars", params=query)
                if not answer.is_success:  # it is starting
                    return False
                labels = [
                    exemplar["labels"]
                    for series in answer.json()["data"]
                    for exemplar in series["exemplars"]
                ]
                return {
                    "correlation_id": "message-42",
                    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                } in labels

            await eventually(found, seconds=60)
