"""Bad input: a clear 4xx with code, field and correlation ID, and nothing written."""

import json
from itertools import product
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.assembly import Orchestrator
from app.models import Base
from tests.length import LONG
from tests.not_empty import not_empty
from tests.sms import SMS

APPROVE = {"response_queue_id": "unknown", "action": "approve", "manager_id": "manager-1"}
ESCALATE = {"conversation_id": "c1", "escalation_type": "no_response", "severity": "low"}
PLAN = {"conversation_id": "c1", "tenant_id": "t1", "message_content": "50 a week for 9 weeks"}
RETRY = "/orchestrate/retry/unknown"
POSTS = {
    "/orchestrate/sms-received": SMS,
    "/orchestrate/approve-response": APPROVE,
    "/orchestrate/escalate": ESCALATE,
    "/orchestrate/payment-plan-detected": PLAN,
    "/orchestrate/escalations/unknown/resolve": {"manager_id": "manager-1"},
    RETRY: {"reason": "up again"},
}


JSON = {"Content-Type": "application/json"}
NO_SUCH_OBJECTS = (
    *(b"{", b"", b"[]", b"null", b'"text"', b"\xff\xfe"),
    *(b"{}" + b" " * 70_000, b"[" * 5000),
)


def error_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    assert error["correlation_id"] == response.headers["X-Correlation-ID"]
    return error


async def rows(orchestrator: Orchestrator) -> int:
    async with orchestrator.database.reading() as session:
        counts = [
            await session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        ]
    return sum(count or 0 for count in counts)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_body_that_is_no_such_object(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    for path, body in not_empty(product(POSTS, NO_SUCH_OBJECTS)):
        response = await client.post(path, content=body, headers=JSON)
        assert 400 <= response.status_code < 500, (path, body[:10], response.text)
        error = error_of(response)
        if path == RETRY and response.status_code == 404:
            # It needs no body, but it needs a workflow.
            assert error["code"] == "ORC_002", (path, body[:10])
        else:
            assert error["code"] == "ORC_001", (path, body[:10])
        assert await rows(orchestrator) == 0, (path, body[:10])


WRONG: tuple[tuple[str, dict[str, object], str], ...] = (
    ("/orchestrate/sms-received", {"tenant_id": 17}, "tenant_id"),
    ("/orchestrate/sms-received", {"tenant_id": ""}, "tenant_id"),
    ("/orchestrate/sms-received", {"tenant_id": "../etc"}, "tenant_id"),
    ("/orchestrate/sms-received", {"phone_number": "call me"}, "phone_number"),
    ("/orchestrate/sms-received", {"content": " \n"}, "content"),
    ("/orchestrate/sms-received", {"content": "x" * 1601}, "content"),
    ("/orchestrate/sms-received", {"content": "nul\0"}, "content"),
    ("/orchestrate/sms-received", {"content": None}, "content"),
    ("/orchestrate/sms-received", {"conversation_id": "x" * 129}, "conversation_id"),
    ("/orchestrate/sms-received", {"colour": "red"}, "colour"),
    ("/orchestrate/approve-response", {"action": "maybe"}, "action"),
    ("/orchestrate/approve-response", {"action": "modify"}, "modified_text"),
    ("/orchestrate/approve-response", {"modified_text": "no"}, "modified_text"),
    ("/orchestrate/escalate", {"severity": "huge"}, "severity"),
    ("/orchestrate/escalate", {"escalation_type": "other"}, "escalation_type"),
    ("/orchestrate/escalate", {"auto_detected": "perhaps"}, "auto_detected"),
    ("/orchestrate/payment-plan-detected", {"message_content": 5}, "message_content"),
    ("/orchestrate/escalations/unknown/resolve", {"manager_id": []}, "manager_id"),
    ("/orchestrate/retry/unknown", {"reason": "x" * 2001}, "reason"),
)
"""Address, what is wrong there, and the field that it is said of."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_answer_names_the_field_and_does_not_repeat_what_was_sent(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    for path, changes, field in WRONG:
        response = await client.post(path, json=POSTS[path] | changes)
        assert response.status_code == 422, (path, changes)
        error = error_of(response)
        assert (error["code"], error["field"]) == ("ORC_001", field), (path, changes)
        assert error["message"].startswith(f"{field}: ")
        assert "call me" not in response.text
        assert await rows(orchestrator) == 0, (path, changes)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/orchestrate/approve-response", APPROVE, "response_queue_id"),
        ("POST", "/orchestrate/escalations/unknown/resolve", {"manager_id": "m"}, "escalation_id"),
        ("POST", "/orchestrate/retry/unknown", None, "workflow_id"),
        ("GET", "/orchestrate/workflow/unknown/status", None, "conversation_id"),
    ],
)
async def test_an_unknown_id(
    client: httpx.AsyncClient, method: str, path: str, body: object, field: str
) -> None:
    response = await client.request(method, path, json=body)
    assert response.status_code == 404
    error = error_of(response)
    assert (error["code"], error["field"]) == ("ORC_002", field)


@pytest.mark.parametrize("announced", [True, False])
async def test_an_oversized_body(client: httpx.AsyncClient, announced: bool) -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 1024

    content = b"x" * 100 * 1024 if announced else chunks()
    headers = {"Content-Type": "application/json"}
    response = await client.post("/orchestrate/sms-received", content=content, headers=headers)
    assert response.status_code == 413
    assert "65536 bytes" in error_of(response)["message"]


async def test_no_such_route_and_no_such_method(client: httpx.AsyncClient) -> None:
    nowhere = error_of(await client.get("/nowhere"))
    assert nowhere["message"] == "there is no such address; /docs lists all"
    wrong_method = await client.get("/orchestrate/escalate")
    assert wrong_method.status_code == 405
    assert wrong_method.headers["Allow"] == "POST"
    assert error_of(wrong_method)["message"] == "this address takes POST"
    assert (await client.delete("/health")).headers["Allow"] == "HEAD, GET"


ADVICE: tuple[tuple[str, object, str], ...] = (
    (
        "/orchestrate/approve-response",
        {**APPROVE, "manger_id": "m"},
        "manger_id: unknown field; did you mean manager_id?",
    ),
    (RETRY, {"raeson": "up"}, "raeson: unknown field; did you mean reason?"),
    ("/orchestrate/sms-received", {}, "tenant_id: it is missing"),
    (
        "/orchestrate/sms-received",
        SMS | {"content": ""},
        "content: it needs 1 or more characters",
    ),
    ("/orchestrate/sms-received", SMS | {"content": 5}, "content: it must be a text"),
    ("/orchestrate/sms-received", [], "body: send one JSON object"),
    (
        "/orchestrate/sms-received",
        SMS | {"phone_number": "call me"},
        "phone_number: it needs 7 to 15 digits, with or without a leading +",
    ),
    (
        "/orchestrate/escalate",
        ESCALATE | {"severity": "huge"},
        "severity: use 'low', 'medium', 'high' or 'critical'",
    ),
    (
        "/orchestrate/retry-failed",
        {"since": "9999-12-31T23:59:59-12:00"},
        "since: use a time from the year 2000 to a year from now",
    ),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_it_says_in_plain_words_what_to_change(client: httpx.AsyncClient) -> None:
    for path, body, message in ADVICE:
        response = await client.post(path, json=body)
        assert (response.status_code, error_of(response)["message"]) == (422, message)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_wrong_number_in_a_list_s_address(client: httpx.AsyncClient) -> None:
    error = error_of(await client.get("/orchestrate/responses/waiting", params={"limit": "many"}))
    assert (error["field"], error["message"]) == ("limit", "limit: it must be a whole number")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_body_that_no_parser_can_read(client: httpx.AsyncClient) -> None:
    path = "/orchestrate/sms-received"
    error = error_of(await client.post(path, content=b"[" * 30_000, headers=JSON))
    assert error["field"] == "body"
    assert "send one JSON object" in error["message"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(
    max_examples=1000 if LONG else 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.sampled_from(sorted(POSTS)), data=st.data())
async def test_whatever_is_sent_is_no_500(
    client: httpx.AsyncClient, path: str, data: st.DataObject
) -> None:
    body = dict(POSTS[path])
    field = data.draw(st.sampled_from(sorted(body)))
    value = data.draw(json_values)
    response = await client.post(path, content=_json(body | {field: value}), headers=JSON)
    assert response.status_code < 500, response.text


def _json(value: object) -> str:
    # Python's own dialect, with NaN and lone surrogates: a client may send either.
    return json.dumps(value)


TEXTS = {
    "/orchestrate/sms-received": ("content", "tenant_id", "conversation_id", "message_id"),
    "/orchestrate/approve-response": ("response_queue_id", "approved_text", "manager_id"),
    "/orchestrate/escalate": ("conversation_id", "reason"),
    "/orchestrate/payment-plan-detected": ("message_content", "ai_response", "tenant_id"),
    "/orchestrate/escalations/unknown/resolve": ("note", "manager_id"),
    "/orchestrate/retry/unknown": ("reason",),
}


@pytest.mark.parametrize("character", [r"\u0000", r"\ud800"], ids=["NUL", "surrogate"])
async def test_a_character_that_no_database_stores_is_refused_where_it_stands(
    client: httpx.AsyncClient, orchestrator: Orchestrator, character: str
) -> None:
    for path, fields in TEXTS.items():
        for field in not_empty(fields):
            whole = json.dumps(POSTS[path] | {field: "a#b"}).replace("#", character)
            response = await client.post(path, content=whole, headers=JSON)
            assert response.status_code == 422, (path, field, response.text)
            assert error_of(response)["field"] == field
    assert await rows(orchestrator) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_text_in_which_nothing_is_seen_is_blank(client: httpx.AsyncClient) -> None:
    fields = (
        ("/orchestrate/sms-received", "content"),
        ("/orchestrate/approve-response", "approved_text"),
        ("/orchestrate/payment-plan-detected", "message_content"),
    )
    blanks = ("\u200b", " \u2060\ufeff ", "\u3164", "\u200e\u00ad")
    for (path, field), blank in not_empty(product(fields, blanks)):
        response = await client.post(path, json=POSTS[path] | {field: blank})
        assert response.status_code == 422, (path, blank, response.text)
        assert error_of(response)["message"] == f"{field}: must not be blank"
