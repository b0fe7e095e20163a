"""Grafana's provisioning fits the rest of the stack."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from alerts import paths
from alerts.identity import IDENTITY
from alerts.promql import seconds
from app.core.config import LogSettings
from app.core.events import SMSReceived, declared
from asgi_observability import correlation
from asgi_observability.logging import get_logger
from dashboards.queries import panels
from prometheus_tools.yaml_reading import read_yaml
from tests.captured_logs import captured_logs
from tests.not_empty import not_empty
from tests.project import ROOT

PROVISIONING = ROOT / "grafana" / "provisioning"
PROMETHEUS = PROVISIONING / "datasources" / "prometheus.yml"
LOKI = PROVISIONING / "datasources" / "loki.yml"


def test_the_data_source_is_prometheus_wherever_it_runs() -> None:
    (source,) = read_yaml(PROMETHEUS.read_text())["datasources"]
    assert (source["uid"], source["type"]) == ("prometheus", "prometheus")
    assert source["url"] == "${PROMETHEUS_URL}"


def test_rates_are_taken_over_the_interval_that_is_scraped() -> None:
    (source,) = read_yaml(PROMETHEUS.read_text(encoding="utf-8"))["datasources"]
    assert source["jsonData"]["timeInterval"] == "${PROMETHEUS_SCRAPE_INTERVAL}"


@pytest.mark.parametrize(("file", "tries"), [(PROMETHEUS, 1), (LOKI, 2)])
def test_what_hangs_is_not_known_before_the_boards_ask_again(file: Path, tries: int) -> None:
    """Grafana ends a query that runs when it asks again, and goes on to show the old answer."""
    (source,) = read_yaml(file.read_text(encoding="utf-8"))["datasources"]
    boards = [json.loads(file.read_text()) for file in paths.DASHBOARDS.glob("*.json")]
    intervals = [seconds(board["refresh"]) for board in boards if board.get("refresh")]
    assert tries * (source["jsonData"]["timeout"] + 1.5) < min(intervals)


def test_dashboards_come_from_the_folder_they_are_generated_into() -> None:
    (provider,) = read_yaml((PROVISIONING / "dashboards" / "dashboards.yml").read_text())[
        "providers"
    ]
    assert provider["options"]["path"] == "${DASHBOARDS_DIR}"
    assert provider["allowUiUpdates"] is False


def leads_to_its_lines(provisioned: str) -> None:
    """The link of ``correlation-1``, in a range that begins at 1000."""
    # Provisioning makes one dollar of two; the rest is Grafana's to fill in.
    url = provisioned.replace("$$", "$")
    for name, value in {"__value.raw": "correlation-1", "__from": "1000"}.items():
        url = url.replace(f"${{{name}}}", value)
    (panes,) = parse_qs(urlsplit(url).query)["panes"]
    explored = json.loads(panes)["logs"]
    (query,) = explored["queries"]
    assert query["expr"] == '{environment=~".+"} | correlation_id=`correlation-1`'
    # A range of its own would not hold a line of yesterday.
    assert explored["range"] == {"from": "1000", "to": "now"}


def test_a_log_line_leads_to_all_of_its_correlation_id() -> None:
    (source,) = read_yaml(LOKI.read_text())["datasources"]
    assert (source["uid"], source["type"], source["url"]) == ("loki", "loki", "${LOKI_URL}")
    (field,) = source["jsonData"]["derivedFields"]
    with captured_logs() as lines:
        correlation.bind("correlation-1")
        get_logger("tests").event(SMSReceived())
    line = json.dumps(lines[0], separators=(",", ":"))
    found = re.search(field["matcherRegex"], line)
    assert found
    assert found[1] == "correlation-1"
    leads_to_its_lines(field["url"])


def test_an_exemplar_leads_to_the_same_lines() -> None:
    (source,) = read_yaml(PROMETHEUS.read_text())["datasources"]
    (destination,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert destination["name"] in correlation.context_of("correlation-1").exemplar
    leads_to_its_lines(destination["url"])


def test_alloy_reads_fields_that_lines_have_and_files_that_are_written() -> None:
    config = (ROOT / "grafana" / "loki" / "config.alloy").read_text()
    known = set(correlation.context_of("c1").as_dict()) | {
        *("timestamp", "level", "service", "environment", "event"),
        *("trace_id", "tenant_id", "workflow_id"),
        *(name for event in declared() for name in event.__annotations__),
    }
    expressions = re.search(r"expressions = \{(.*?)\}", config, re.DOTALL)
    assert expressions
    read = dict(re.findall(r'(\w+)\s*= "(\w+)"', expressions[1]))
    assert set(read.values()) <= known
    assert all(name == value for name, value in not_empty(read.items()))
    labels = set(re.findall(r'(\w+)\s*= ""', config))
    assert labels <= set(read)
    read_files = re.search(r'__path__ = "([^"]+)"', config)
    left_out = re.search(r'__path_exclude__ = "([^"]+)"', config)
    assert read_files
    assert left_out
    folder = "/var/log/orchestrator"
    compose = read_yaml((ROOT / "docker-compose.yml").read_text())["services"]
    assert compose["app"]["environment"]["ORCHESTRATOR_LOGS__FOLDER"] == folder
    assert f"orchestrator-logs:{folder}:ro" in compose["alloy"]["volumes"]
    assert fnmatch(f"{folder}/orchestrator-7.jsonl", read_files[1])
    assert not fnmatch(f"{folder}/orchestrator-7.jsonl", left_out[1])
    assert fnmatch(f"{folder}/orchestrator-20261123T100000.000000Z-7.jsonl", left_out[1])
    assert not fnmatch(f"{folder}/orchestrator-20261123T100000.000000Z-7.jsonl.gz", read_files[1])


def test_the_dashboard_of_lines_shows_and_chooses_by_what_alloy_sends() -> None:
    config = (ROOT / "grafana" / "loki" / "config.alloy").read_text(encoding="utf-8")
    stages = dict(re.findall(r"stage\.(\w+) \{\s+values = \{(.*?)\}", config, re.DOTALL))
    sent = {stage: set(re.findall(r"(\w+)\s*= ", values)) for stage, values in stages.items()}
    logs = json.loads((paths.DASHBOARDS / "logs.json").read_text(encoding="utf-8"))
    shown = [each["options"]["displayedFields"] for each in panels(logs) if each["type"] == "logs"]
    for fields in not_empty(shown):
        assert set(fields) <= sent["structured_metadata"]
    labels = sent["labels"] | sent["static_labels"]
    assert {"service", "level", *IDENTITY} <= labels


def test_loki_keeps_lines_as_long_as_files_are_kept() -> None:
    loki = read_yaml((ROOT / "grafana" / "loki" / "loki.yml").read_text())
    assert loki["limits_config"]["retention_period"] == f"{LogSettings().retention_days:g}d"
    assert loki["compactor"]["retention_enabled"] is True
