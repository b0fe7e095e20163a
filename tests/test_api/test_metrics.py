"""`GET /orchestrate/metrics` and its family: what they say, and what they refuse."""

import csv
import io
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from app.schemas.metrics import SECTIONS
from app.services.measures import MEASURES
from prometheus_tools.toolchain import locate
from tests.not_empty import not_empty
from tests.sms import sms
from tests.test_api.conftest import on_both_databases
from tests.upstreams import ScriptedUpstreams

URL = "/orchestrate/metrics"


async def send(client: httpx.AsyncClient, number: int, content: str = "Hello") -> None:
    response = await client.post("/orchestrate/sms-received", json=sms(number, content))
    assert response.status_code == 200, response.text


@pytest.fixture
async def busy(client: httpx.AsyncClient, upstreams: ScriptedUpstreams) -> httpx.AsyncClient:
    """After four SMS: a plan, a hostile one, two plain ones; one escalation resolved."""
    await send(client, 1, "Can I pay 200 a week for 8 weeks?")
    await send(client, 2, "You idiots!")
    await send(client, 3)
    await send(client, 4)
    body = {
        "conversation_id": "conversation-3",
        "escalation_type": "payment_dispute",
        "severity": "high",
    }
    opened = (await client.post("/orchestrate/escalate", json=body)).json()
    url = f"/orchestrate/escalations/{opened['escalation_id']}/resolve"
    assert (await client.post(url, json={"manager_id": "m"})).is_success
    return client


async def ask(client: httpx.AsyncClient, path: str = "", **params: str) -> Any:
    response = await client.get(URL + path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


@on_both_databases
async def test_the_overview_has_every_section(busy: httpx.AsyncClient) -> None:
    answer = await ask(busy)
    assert list(answer) == ["complete", "as_of", *SECTIONS]
    parts = {name: answer[name] for name in SECTIONS}
    hour = {name: part["last_hour"] for name, part in parts.items() if "last_hour" in part}
    assert hour["sms"] == {"received": 4, "processed": 4, "failed": 0}
    assert answer["this_week"] == {"total_messages": 4, "escalations": 2, "payment_plans": 1}
    assert hour["escalations"]["by_type"] == {"hostile_language": 1, "payment_dispute": 1}
    assert hour["escalations"]["by_severity"]["high"] >= 1
    assert (hour["escalations"]["auto_detected"], hour["escalations"]["manual"]) == (1, 1)
    assert hour["escalations"]["resolution_time"]["count"] == 1
    assert hour["payment_plans"]["messages_examined"] == 4
    assert hour["payment_plans"]["detection_rate"] == 0.25
    assert hour["workflows"]["failures"] == 0
    assert hour["workflows"]["step_times"]["ai_response"]["count"] == 4
    assert hour["ai_confidence"]["count"] == 4
    performance = answer["performance"]
    assert performance["message"]["count"] == performance["ai"]["count"] == 4
    assert performance["message"]["p50"] <= performance["message"]["p99"]
    assert {"database", "sms_agent"} <= performance["services"].keys()
    assert answer["throughput"]["baseline_per_hour"] is None
    assert answer["resources"]["capacity"] == 100
    assert answer["resources"]["memory_bytes"] > 0


async def test_health_tells_of_dependencies_store_and_workers(busy: httpx.AsyncClient) -> None:
    health = (await ask(busy, metrics="health"))["health"]
    assert health["rollup_store"]["state"] == "ok"
    assert health["rollup_store"]["complete"] is True
    assert health["availability"] == 1.0
    assert health["dependencies"]["ai_provider"]["breaker"] == "closed"
    assert health["dependencies"]["database"]["breaker"] is None
    (worker,) = health["workers"]
    assert worker["uptime_seconds"] >= 0


async def test_every_threshold_has_value_and_state(busy: httpx.AsyncClient) -> None:
    thresholds = {t["name"]: t for t in (await ask(busy, metrics="thresholds"))["thresholds"]}
    assert set(thresholds) >= {
        "sms_failed_ratio",
        "response_time",
        "error_ratio",
        "ai_error_ratio",
        "sms_agent_error_ratio",
        "database_error_ratio",
        "concurrent_sms",
        "approval_wait",
        "open_breakers",
    }
    assert {t["state"] for t in thresholds.values()} <= {"ok", "warning", "critical", "no_data"}
    assert thresholds["concurrent_sms"]["warning"] == 75
    assert thresholds["open_breakers"] | {"description": ""} == {
        "name": "open_breakers",
        "description": "",
        "alert": "CircuitBreakerOpen",
        "value": 0,
        "unit": "breakers",
        "warning": 0,
        "critical": None,
        "state": "ok",
    }


async def test_sections_are_selected(busy: httpx.AsyncClient) -> None:
    answer = await ask(busy, metrics="today,health")
    assert list(answer) == ["complete", "as_of", "today", "health"]


async def test_every_measure_can_be_asked_for(busy: httpx.AsyncClient) -> None:
    for name, measure in not_empty(MEASURES.items()):
        (found,) = (await ask(busy, metrics=name))["range"]["measures"]
        assert (found["measure"], found["kind"]) == (name, measure.kind)
        assert len(found["values"]) == 1
    together = (await ask(busy, **{"from": "-1h"}))["range"]["measures"]
    assert [found["measure"] for found in together] == list(MEASURES)


async def test_a_range_has_totals_groups_and_points(busy: httpx.AsyncClient) -> None:
    asked = {"metrics": "escalations.opened", "from": "-10m", "step": "1m", "group_by": "type"}
    answer = await ask(busy, **asked)
    (found,) = answer["range"]["measures"]
    assert {v["labels"]["type"]: v["value"] for v in found["values"]} == {
        "hostile_language": 1,
        "payment_dispute": 1,
    }
    assert sum(point["value"] or 0 for point in found["points"]) == 2
    start, end = (datetime.fromisoformat(answer["range"][edge]) for edge in ("from", "to"))
    assert end - start == timedelta(minutes=10)


async def test_a_comparison_ends_where_both_ranges_can(busy: httpx.AsyncClient) -> None:
    asked = {"metrics": "sms.received", "from": "-1h", "compare": "1w"}
    answer = (await ask(busy, **asked))["range"]
    (found,) = answer["measures"]
    # The service has just been started: a week ago nobody counted.
    assert [(v["value"], v["complete"]) for v in found["compared"]] == [(None, False)]
    start, end = (datetime.fromisoformat(answer[edge]) for edge in ("from", "to"))
    assert start - datetime.fromisoformat(answer["compared_start"]) == timedelta(weeks=1)
    # Of a week ago the minutes are gone.
    assert start.minute % 5 == end.minute % 5 == 0


async def test_a_failed_message_shows_as_failure_and_error(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    for number in range(2):
        upstreams.fail("v1", 500, 500, 500, 500)
        await send(client, number)
    answer = await ask(client)
    assert answer["sms"]["last_hour"]["failed"] == 2
    assert answer["workflows"]["last_hour"]["failures"] == 2
    assert answer["errors"]["last_hour"]["by_service"]["ai_provider"] >= 1
    assert answer["errors"]["last_hour"]["by_type"]["server_error"] >= 1
    assert answer["health"]["dependencies"]["ai_provider"]["state"] == "failing"
    states = {t["name"]: t["state"] for t in answer["thresholds"]}
    assert states["ai_error_ratio"] == answer["health"]["status"] == "critical"


async def test_series_are_flat_rows(busy: httpx.AsyncClient) -> None:
    rows = await ask(
        busy,
        "/series",
        **{"metrics": "sms.processed,response_time.message", "from": "-5m", "group_by": "route"},
    )
    known = [row for row in rows if row["complete"]]
    wanted = {"time", "measure", "unit", "route", "value"}
    assert all(set(row) >= wanted for row in not_empty(known))
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    processed = [row["value"] for row in known if row["measure"] == "sms.processed"]
    assert sum(processed) == 4
    assert sum(row["count"] for row in known if row["measure"] == "response_time.message") == 4


async def test_series_as_a_sheet(busy: httpx.AsyncClient) -> None:
    params = {"metrics": "sms.received", "from": "-5m", "format": "csv"}
    response = await busy.get(f"{URL}/series", params=params)
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert len(rows) == 5
    assert sum(int(row["value"] or 0) for row in rows) == 4


async def export(client: httpx.AsyncClient, file_format: str) -> bytes:
    params = {"format": file_format, "metrics": "sms.received,response_time.message,load.in_flight"}
    response = await client.get(f"{URL}/export", params=params | {"from": "-5m", "step": "1m"})
    assert response.status_code == 200, response.text
    assert "attachment" in response.headers["Content-Disposition"]
    return response.content


async def test_exports_say_the_same_in_every_format(
    busy: httpx.AsyncClient, tmp_path: Path
) -> None:
    sheet = list(csv.DictReader(io.StringIO((await export(busy, "csv")).decode())))
    lines = [json.loads(line) for line in (await export(busy, "ndjson")).splitlines()]
    table = pq.read_table(io.BytesIO(await export(busy, "parquet"))).to_pylist()
    assert len(sheet) == len(lines) == len(table) == 15
    for of_sheet, line, of_table in zip(sheet, lines, table, strict=True):
        assert of_sheet["measure"] == line["measure"] == of_table["measure"]
        assert datetime.fromisoformat(line["time"]) == of_table["time"].astimezone(UTC)
    for found in (sheet, lines, table):
        received = [float(row["value"] or 0) for row in found if row["measure"] == "sms.received"]
        assert sum(received) == 4


async def test_prometheus_takes_the_openmetrics_export(
    busy: httpx.AsyncClient, tmp_path: Path
) -> None:
    exported = (await export(busy, "openmetrics")).decode()
    counted = {
        sample.labels.get("route", ""): sample.value
        for family in openmetrics(exported)
        for sample in family.samples
        if sample.name.endswith("_count")
    }
    assert sum(counted.values()) == 4
    (file := tmp_path / "metrics.txt").write_text(exported)
    done = blocks_from(file, tmp_path / "blocks")
    assert done.returncode == 0, done.stderr
    assert "NUM SAMPLES" in done.stdout


def blocks_from(file: Path, blocks: Path) -> subprocess.CompletedProcess[str]:
    command = [str(locate("promtool").path), "tsdb", "create-blocks-from", "openmetrics"]
    return subprocess.run([*command, file, blocks], capture_output=True, text=True, check=False)


REFUSED: tuple[tuple[str, dict[str, str], str, str], ...] = (
    ("", {"metrics": "sms.recieved"}, "metrics", "did you mean sms.received"),
    ("", {"metrics": ","}, "metrics", "at least one"),
    ("", {"from": "yesterday"}, "from", "ISO 8601"),
    ("", {"from": "-1h", "to": "-2h"}, "from", "before to"),
    ("", {"from": "1890-01-01"}, "from", "2000"),
    ("", {"from": "2001-01-01"}, "from", "are kept since"),
    ("", {"timezone": "Europe/Berlni"}, "timezone", "did you mean Europe/Berlin?"),
    ("", {"to": "9999-12-31T23:59:59Z"}, "to", "year"),
    ("", {"step": "90s"}, "step", "whole minutes"),
    ("", {"step": "0m"}, "step", "such as 5m"),
    ("", {"step": "5"}, "step", "such as 5m"),
    ("", {"from": "-90d", "step": "1m", "metrics": "sms.received"}, "step", "works for"),
    ("", {"group_by": "colour"}, "group_by", "there are"),
    ("", {"group_by": "route", "metrics": "sms.received"}, "group_by", "can be grouped by"),
    ("", {"compare": "week"}, "compare", "such as 5m"),
    ("", {"compare": ""}, "compare", "such as 5m"),
    ("", {"from": ""}, "from", "ISO 8601"),
    ("", {"to": ""}, "to", "ISO 8601"),
    ("/series", {"step": ""}, "step", "such as 5m"),
    ("/series", {"format": "xml"}, "format", "json or csv"),
    ("/series", {"metrics": "today"}, "metrics", "did you mean"),
    ("/export", {"format": "xls"}, "format", "'csv', 'ndjson', 'parquet'"),
)
"""Path, parameters, the one that is wrong, and what is said of it."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_can_t_be_answered_is_refused_by_name(client: httpx.AsyncClient) -> None:
    for path, params, field, hint in REFUSED:
        response = await client.get(URL + path, params=params)
        assert response.status_code == 422, (params, response.text)
        error = response.json()["error"]
        assert error["field"].endswith(field), (params, error)
        assert hint in error["message"] or "there are" in error["message"], (params, error)


async def test_the_smallest_step_that_is_named_works(client: httpx.AsyncClient) -> None:
    params = {"from": "-90d", "metrics": "sms.received"}
    refused = await client.get(URL, params=params | {"step": "1m"})
    smallest = refused.json()["error"]["message"].split(" is ")[1].split(",")[0]
    assert (await client.get(URL, params=params | {"step": smallest})).status_code == 200


async def test_without_its_store_it_says_so(
    busy: httpx.AsyncClient, app: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = app.state.orchestrator.report._rollups._store

    async def refused(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(store, "write", refused)
    await send(busy, 5)
    answer = await ask(busy)
    assert answer["health"]["status"] == "critical"
    assert answer["health"]["rollup_store"] | {"since": ""} == {
        "state": "down",
        "reason": "the disk is gone",
        "since": "",
        "complete": False,
        "unwritten_events": answer["health"]["rollup_store"]["unwritten_events"],
        "lost_events": 0,
    }
    assert answer["health"]["rollup_store"]["unwritten_events"] > 0
