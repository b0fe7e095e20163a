"""Metrics of others are declared as the real programs expose them."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from alerts import exporters
from alerts.exporters import exporter_metrics
from asgi_observability.metric import Metric
from prometheus_tools.toolchain import locate
from tests.free_port import free_port
from tests.programs import running
from tests.test_alerts.alertmanager_process import alertmanager_command
from tests.waiting import until

ADDED_BY_SCRAPING = (
    exporters.UP,
    exporters.SCRAPE_DURATION,
    exporters.SCRAPE_SAMPLES,
    exporters.SCRAPE_SAMPLES_KEPT,
)
"""Prometheus makes these itself; no target exposes them, and they have no type."""

NOT_STARTED_HERE = (exporters.CERTIFICATE_EXPIRY, exporters.SYNTHETIC_HISTORY)
"""The stack has no blackbox exporter: a team that probes certificates brings its own. The mark of a
made-up past comes in blocks, from no program."""

EXPOSED = [
    metric
    for metric in exporter_metrics()
    if metric not in ADDED_BY_SCRAPING and metric not in NOT_STARTED_HERE
]


@dataclass(frozen=True, slots=True)
class Exposed:
    """What a program says of one metric."""

    kind: str
    label_names: frozenset[str]


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Exposed], set[str]]:
    """All that Prometheus, Alertmanager and node_exporter expose, and what scraping adds."""
    return asyncio.run(_observe(tmp_path_factory.mktemp("monitoring")))


@pytest.mark.parametrize("metric", EXPOSED, ids=lambda metric: metric.name)
def test_a_metric_is_exposed_as_declared(
    metric: Metric, monitoring: tuple[dict[str, Exposed], set[str]]
) -> None:
    exposed = monitoring[0][metric.name]
    assert exposed.kind == metric.kind.value
    assert exposed.label_names == set(metric.label_names)


@pytest.mark.parametrize("metric", ADDED_BY_SCRAPING, ids=lambda metric: metric.name)
def test_a_metric_comes_with_scraping(
    metric: Metric, monitoring: tuple[dict[str, Exposed], set[str]]
) -> None:
    assert metric.name in monitoring[1]


async def _observe(folder: Path) -> tuple[dict[str, Exposed], set[str]]:
    addresses = {
        name: f"127.0.0.1:{free_port()}" for name in ("prometheus", "alertmanager", "node")
    }
    _configure(folder, addresses)
    # A free port is one of TCP: on 127.0.0.1 its number is held for UDP.
    cluster = f"127.0.0.2:{free_port()}"
    config = folder / "alertmanager.yml"
    commands = {
        "alertmanager": alertmanager_command(folder, config, addresses["alertmanager"], cluster),
        "node_exporter": [
            str(locate("node_exporter").path),
            f"--web.listen-address={addresses['node']}",
        ],
        "prometheus": [
            str(locate("prometheus").path),
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=prometheus",
            # At its end it tries for a minute to send what waits.
            "--storage.remote.flush-deadline=1s",
            f"--web.listen-address={addresses['prometheus']}",
        ],
    }
    async with AsyncExitStack() as started:
        client = started.enter_context(httpx.Client())
        logs = {name: folder / f"{name}.log" for name in commands}
        processes = {
            name: await started.enter_async_context(running(command, folder, logs[name]))
            for name, command in commands.items()
        }

        def exposed() -> dict[str, Exposed]:
            found: dict[str, Exposed] = {}
            for address in addresses.values():
                found |= _exposed(client.get(f"http://{address}/metrics").text)
            return found

        def added() -> set[str]:
            url = f"http://{addresses['prometheus']}/api/v1/label/__name__/values"
            return set(client.get(url).json()["data"])

        def all_there() -> bool:
            for name, process in processes.items():
                assert process.returncode is None, logs[name].read_text()
            missing = {metric.name for metric in EXPOSED} - exposed().keys()
            return not missing and {m.name for m in ADDED_BY_SCRAPING} <= added()

        await until(all_there, seconds=180)
        return exposed(), added()


def _configure(folder: Path, addresses: Mapping[str, str]) -> None:
    """Prometheus scrapes all three, evaluates a rule and notifies Alertmanager, each second."""
    alertmanager = {"static_configs": [{"targets": [addresses["alertmanager"]]}]}
    prometheus = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        # Nobody is there, which changes nothing of what is exposed.
        # What is dropped is counted once there is some.
        "remote_write": [
            {
                "url": "http://127.0.0.1:1/api/v1/write",
                "write_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": "up", "action": "drop"}
                ],
            }
        ],
        "alerting": {"alertmanagers": [alertmanager]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]}
            for job, address in addresses.items()
        ],
    }
    rules = {"groups": [{"name": "g", "rules": [{"alert": "Any", "expr": "vector(1)"}]}]}
    routes = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    for name, content in (
        ("prometheus", prometheus),
        ("rules", rules),
        ("alertmanager", routes),
    ):
        (folder / f"{name}.yml").write_text(yaml.safe_dump(content))


def _exposed(text: str) -> dict[str, Exposed]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = Exposed(family.type, frozenset(sample.labels))
    return found
