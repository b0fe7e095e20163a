"""What a manager reads is true: unknown is never 0, and a question is answered as it was asked."""

import csv
import io
import json
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.assembly import Orchestrator
from app.schemas.metrics import SECTIONS
from app.services import range_figures, range_queries
from app.services.measures import MEASURES
from app.services.rollups import Rollups, WriterState
from tests.not_empty import not_empty
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams

URL = "/orchestrate/metrics"
RANGE = {"metrics": "sms.received,http.availability", "from": "-10m", "step": "1m"}

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def send(client: httpx.AsyncClient, *numbers: int) -> None:
    for number in not_empty(numbers):
        answer = await client.post("/orchestrate/sms-received", json=sms(number, "Hello"))
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def without_store(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A service that has received an SMS, and whose rollup store fails since."""
    await send(client, 1)

    async def refused(*_: object, **__: object) -> None:
        raise OperationalError("", {}, Exception("the disk is full"))

    store = type(app.state.orchestrator.report._rollups._store)
    for method in ("write", "read", "writers"):
        monkeypatch.setattr(store, method, refused)
    yield client
    monkeypatch.undo()


async def test_with_a_full_disk_no_manager_reads_zero_messages(
    without_store: httpx.AsyncClient,
) -> None:
    response = await without_store.get(URL)
    assert response.status_code == 200
    assert "ETag" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json()
    assert answer["complete"] is False
    assert answer["as_of"]
    assert answer["health"]["status"] == "critical"
    assert answer["health"]["rollup_store"]["reason"] == "the disk is full"
    assert answer["health"]["workers"] is None
    for name in not_empty(SECTIONS):
        if name not in ("health", "thresholds"):
            assert answer[name] is None, name
    assert {t["state"] for t in answer["thresholds"]} == {"no_data"}
    assert {d["state"] for d in answer["health"]["dependencies"].values()} == {"unknown"}


async def test_a_range_that_can_t_be_read_is_refused_with_the_reason(
    without_store: httpx.AsyncClient,
) -> None:
    for path, params in (
        ("", RANGE),
        ("/series", RANGE),
        ("/series", RANGE | {"format": "csv"}),
        *[("/export", RANGE | {"format": f}) for f in ("csv", "ndjson", "parquet", "openmetrics")],
    ):
        response = await without_store.get(URL + path, params=params)
        assert response.status_code == 503, (path, params, response.text)
        assert "the disk is full" in response.json()["error"]["message"]
        assert "ETag" not in response.headers


async def test_a_store_that_fails_halfway_leaves_empty_cells(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(client, 1)
    monkeypatch.setattr(range_figures, "WINDOW", 5)
    store = type(app.state.orchestrator.report._rollups._store)
    read, reads, before_it_fails = store.read, 0, 1

    async def read_once(self: Any, *asked: Any) -> Any:
        nonlocal reads
        reads += 1
        if reads > before_it_fails:
            raise OperationalError("", {}, Exception("the disk is gone"))
        return await read(self, *asked)

    monkeypatch.setattr(store, "read", read_once)
    params = {"metrics": "sms.received", "from": "-10m", "step": "1m"}
    found: dict[str, Any] = {}
    for name in ("csv", "ndjson", "parquet", "openmetrics"):
        reads = 0
        if name == "openmetrics":  # Which holds a metric after the other: the second fails.
            before_it_fails = 2
            params["metrics"] += ",sms.processed"
        response = await client.get(f"{URL}/export", params=params | {"format": name})
        assert response.status_code == 200, response.text
        found[name] = response.content
    sheet = list(csv.DictReader(io.StringIO(found["csv"].decode())))
    lines = [json.loads(line) for line in found["ndjson"].splitlines()]
    table = pq.read_table(io.BytesIO(found["parquet"])).to_pylist()
    assert [row["value"] for row in sheet[5:]] == [""] * 5
    assert [row["complete"] for row in sheet[5:]] == ["false"] * 5
    for rows in (lines, table):
        assert [(row["value"], row["complete"]) for row in rows[5:]] == [(None, False)] * 5
    assert b"# EOF" not in found["openmetrics"]


async def test_every_answer_and_row_says_of_when_it_is_and_whether_it_is_all(
    client: httpx.AsyncClient,
) -> None:
    await send(client, 1)
    answer = (await client.get(URL, params=RANGE)).json()
    assert answer["complete"] is True
    assert answer["as_of"]
    assert answer["range"]["complete"] is True
    assert answer["range"]["as_of"] == answer["as_of"]
    for found in not_empty(answer["range"]["measures"]):
        for point in not_empty(found["points"]):
            assert {"complete", "as_of"} <= point.keys()
    for row in not_empty((await client.get(f"{URL}/series", params=RANGE)).json()):
        assert {"complete", "as_of"} <= row.keys()


async def test_nothing_is_said_of_the_time_before_the_first_start(
    client: httpx.AsyncClient,
) -> None:
    await send(client, 1)
    params = {"metrics": "sms.received", "from": "-1h", "compare": "2h"}
    (found,) = (await client.get(URL, params=params)).json()["range"]["measures"]
    assert found["values"][0]["value"] == 1
    assert found["compared"][0]["value"] is None
    assert found["compared"][0]["complete"] is False
    params = {"metrics": "sms.received", "from": "-10m", "step": "1m"}
    rows = (await client.get(f"{URL}/series", params=params)).json()
    values = [row["value"] for row in rows]
    assert values[0] is None
    assert [value for value in values if value is not None][-1] in (0, 1)


async def test_a_misspelt_parameter_is_not_overlooked(client: httpx.AsyncClient) -> None:
    for path in ("", "/series", "/export", "/measures"):
        response = await client.get(URL + path, params={"form": "-6h", "metrisc": "sms.received"})
        assert response.status_code == 422, (path, response.text)
        error = response.json()["error"]
        assert error["field"] == "form", path
        if path != "/measures":
            assert "did you mean from?" in error["message"], path


async def test_a_parameter_given_twice_is_not_half_overlooked(client: httpx.AsyncClient) -> None:
    response = await client.get(f"{URL}?metrics=sms.received&from=-1h&from=-6h")
    assert response.status_code == 422
    assert response.json()["error"]["field"] == "from"


async def test_today_is_not_asked_for_of_six_hours_ago(client: httpx.AsyncClient) -> None:
    values = {"from": "-6h", "start": "-6h", "to": "-1m", "group_by": "route"}
    for parameter in ("from", "start", "to", "step", "compare", "group_by"):
        params = {"metrics": "today", parameter: values.get(parameter, "1h")}
        response = await client.get(URL, params=params)
        assert response.status_code == 422, (parameter, response.text)
        error = response.json()["error"]
        assert error["field"] == parameter
        assert "today" in error["message"]
        assert "measure" in error["message"]


async def test_other_words_for_the_same_range(client: httpx.AsyncClient) -> None:
    await send(client, 1)
    second = int(time.time()) // 86400 * 86400 - 30 * 86400
    first, last = (
        datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
        for at in (second, second + 86400)
    )
    asked = [
        {"from": first, "to": last},
        {"start": first, "end": last},
        {"from": f"{second}", "to": f"{second + 86400}"},
        {"from": f"{second}000", "end": f"{second + 86400}000.0"},
    ]
    found = []
    for params in asked:
        response = await client.get(URL, params=params | {"metrics": "sms.received"})
        assert response.status_code == 200, response.text
        found.append([response.json()["range"][edge] for edge in ("from", "to")])
    assert found == [[first, last]] * 4
    twice = await client.get(URL, params={"from": "-1h", "start": "-1h"})
    assert (twice.status_code, twice.json()["error"]["field"]) == (422, "start")


async def test_series_and_export_hold_the_same_when_nothing_is_chosen(
    client: httpx.AsyncClient,
) -> None:
    await send(client, 1)
    rows = (await client.get(f"{URL}/series")).json()
    exported = (await client.get(f"{URL}/export", params={"format": "ndjson"})).text
    lines = [json.loads(line) for line in exported.splitlines()]
    assert {row["measure"] for row in rows} == {line["measure"] for line in lines} == set(MEASURES)


async def test_what_can_be_asked_for_is_listed(client: httpx.AsyncClient) -> None:
    answer = (await client.get(f"{URL}/measures")).json()
    listed = {each["measure"]: each for each in answer["measures"]}
    assert list(listed) == list(MEASURES)
    opened = listed["escalations.opened"]
    assert (opened["kind"], opened["unit"]) == ("count", "escalations")
    assert opened["group_by"]["severity"] == ["low", "medium", "high", "critical"]
    assert opened["retention_days"] == {"1m": 3, "5m": 14, "1h": 400, "1d": 1200}
    assert listed["http.requests"]["group_by"]["http_route"] is None
    resolved = listed["escalations.resolution_time"]
    assert list(resolved["group_by"]) == ["type", "severity"]


async def test_the_heaviest_question_is_worked_out_beside_the_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    evaluate = range_figures.evaluate

    def watched(*args: Any, **kwargs: Any) -> Any:
        threads.add(threading.get_ident())
        return evaluate(*args, **kwargs)

    monkeypatch.setattr(range_figures, "evaluate", watched)
    for path in ("", "/series", "/export"):
        params = {"from": "-30m", "step": "1m"}
        assert (await client.get(URL + path, params=params)).status_code == 200
    assert threads
    assert threading.get_ident() not in threads


async def test_groups_count_for_what_one_answer_may_hold(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(client, 1)
    monkeypatch.setattr(range_queries, "MAX_VALUES", 120)
    params = {"metrics": "workflows.step_time", "from": "-60m", "step": "1m"}
    assert (await client.get(URL, params=params)).status_code == 200
    refused = await client.get(URL, params=params | {"group_by": "step,status"})
    assert refused.status_code == 422, refused.text
    assert refused.json()["error"]["field"] == "step"
    smallest = refused.json()["error"]["message"].split(" is ")[1].split(",")[0]
    again = params | {"group_by": "step,status", "step": smallest}
    assert (await client.get(URL, params=again)).status_code == 200


async def test_when_every_message_fails_nobody_reads_ok(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    for number in range(6):
        upstreams.fail("v1", *[500] * 4)
        await send(client, number)
    answer = (await client.get(URL)).json()
    assert answer["sms"]["last_hour"] == {"received": 6, "processed": 6, "failed": 6}
    states = {t["name"]: t["state"] for t in answer["thresholds"]}
    assert states["sms_failed_ratio"] == "critical"
    assert states["ai_error_ratio"] == "critical"
    assert answer["health"]["status"] == "critical"
    slos = {slo["name"]: slo for slo in answer["slos"]}
    assert slos["sms_latency"]["state"] == "critical"
    assert slos["ai_answers"]["failed"] == slos["ai_answers"]["events"] == 6
    assert slos["ai_answers"]["budget_left"] < 0
    assert slos["availability"]["state"] == "ok"


async def test_an_escalation_s_resolution_is_told_by_severity(client: httpx.AsyncClient) -> None:
    for number, severity in enumerate(("high", "low")):
        body = {
            "conversation_id": f"conversation-{number}",
            "escalation_type": "payment_dispute",
            "severity": severity,
        }
        opened = (await client.post("/orchestrate/escalate", json=body)).json()
        url = f"/orchestrate/escalations/{opened['escalation_id']}/resolve"
        assert (await client.post(url, json={"manager_id": "m"})).is_success
    answer = (await client.get(URL)).json()["escalations"]["last_hour"]
    found = answer["resolution_time_by_severity"]
    assert {severity: each["count"] for severity, each in found.items()} == {"high": 1, "low": 1}


async def test_what_waits_for_a_manager_is_told_at_once(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, orchestrator: Orchestrator
) -> None:
    upstreams.confidence = 0.7
    asked = {"metrics": "approval_queue,escalations_open"}
    assert (await client.get(URL, params=asked)).json()["approval_queue"]["length"] == 0
    await send(client, *range(1, 7))
    queue = (await client.get(URL, params=asked)).json()["approval_queue"]
    assert queue["length"] == 6
    assert queue["oldest_age_seconds"] > 0
    async with orchestrator.database.writing() as session:
        await session.execute(text("DROP TABLE escalation_events"))
    unknown = (await client.get(URL, params=asked)).json()
    assert (unknown["approval_queue"], unknown["escalations_open"]) == (None, None)
    assert unknown["complete"] is False


async def test_what_no_worker_knows_yet_is_not_zero(
    client: httpx.AsyncClient, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def just_started(*_: object) -> list[WriterState]:
        return [WriterState("1", "here", 1, started=0, last_seen=time.time(), state={})]

    monkeypatch.setattr(Rollups, "writers", just_started)
    resources = (await client.get(URL, params={"metrics": "resources"})).json()["resources"]
    assert resources.pop("capacity") > 0
    assert resources.pop("db_connections") == {"used": None, "max": None}
    assert {resources[name] for name in not_empty(resources)} == {None}


async def test_an_upstream_that_fails_more_than_its_alert_allows_does_not_work(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    await send(client, *range(24))
    upstreams.fail("v1", *[500] * 15)
    for number in range(24, 29):
        await client.post("/orchestrate/sms-received", json=sms(number, "Hello"))
    answer = (await client.get(URL, params={"metrics": "health,thresholds"})).json()
    (limit,) = (each for each in answer["thresholds"] if each["name"] == "ai_error_ratio")
    assert 0.1 < limit["value"] < 0.5
    assert limit["state"] == "critical"
    assert answer["health"]["dependencies"]["ai_provider"]["state"] == "failing"
