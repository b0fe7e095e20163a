"""What tenants and managers are promised when an upstream answers nonsense."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import Request, Response
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from app.assembly import Orchestrator
from app.clients.ai_provider import MAX_TOKENS
from app.core import catalogue
from app.models import (
    OutboundMessage,
    OutboundState,
    PaymentPlanAttempt,
    QueuedResponse,
    now,
)
from tests.exposed import summed_in
from tests.length import LONG
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

PLAN = "can I pay 200 a week for 8 weeks?"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def answering(body: str | bytes, status: int = 200) -> Callable[[Request], Response]:
    return lambda _: Response(body, status, media_type="application/json")


def completion(
    text: object = "Thanks, we have noted that.",
    logprobs: str = "[-0.01]",
    **choice: object,
) -> Callable[[Request], Response]:
    """The AI's answer as it stands in JSON, or in what Python takes for JSON."""
    rest = json.dumps({"message": {"role": "assistant", "content": text}} | choice)[:-1]
    tokens = ",".join(f'{{"token": "t", "logprob": {each}}}' for each in logprobs[1:-1].split(","))
    return answering(f'{{"choices": [{rest}, "logprobs": {{"content": [{tokens}]}}}}]}}')


def of_number(number: int) -> dict[str, str]:
    """A message of its own, in a conversation of its own, where a test sends several."""
    return {"conversation_id": f"conversation-{number}", "message_id": f"message-{number}"}


async def receive(client: httpx.AsyncClient, **changes: str) -> str:
    response = await client.post("/orchestrate/sms-received", json=SMS | changes)
    assert response.status_code == 200, response.text
    status: str = response.json()["status"]
    return status


async def report(client: httpx.AsyncClient, number: int = 1) -> dict[str, object]:
    response = await client.get(f"/orchestrate/workflow/conversation-{number}/status")
    answer: dict[str, object] = response.json()
    return answer


async def all_outbound(orchestrator: Orchestrator) -> Sequence[OutboundMessage]:
    async with orchestrator.database.reading() as session:
        return (await session.scalars(select(OutboundMessage))).all()


async def outbound(orchestrator: Orchestrator) -> OutboundMessage:
    (only,) = await all_outbound(orchestrator)
    return only


# The AI provider


async def test_a_whole_answer_that_the_ai_is_sure_of_is_sent(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answers["v1"] = completion(finish_reason="stop")
    assert await receive(client) == "sent"


def with_usage(usage: str) -> Callable[[Request], Response]:
    """An answer with what the provider says of its tokens, as it stands in JSON."""
    whole = {"message": {"content": "Thanks."}, "finish_reason": "stop"}
    return answering(f'{{"choices": [{json.dumps(whole)}], "usage": {usage}}}')


async def tokens(client: httpx.AsyncClient) -> dict[str, float]:
    """What has been counted, by kind; and the answers of which nothing is known."""
    exposed = (await client.get("/metrics")).text
    counted = {
        kind: summed_in(exposed, catalogue.AI_TOKENS.name, kind=kind)
        for kind in ("input", "output")
        if f'{catalogue.AI_TOKENS.name}{{kind="{kind}"' in exposed
    }
    return counted | {"unknown": summed_in(exposed, catalogue.AI_ANSWERS_WITHOUT_USAGE.name)}


@on_sqlite
async def test_tokens_are_counted_as_the_provider_says(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    assert await tokens(client) == {"unknown": 0}
    upstreams.answers["v1"] = with_usage('{"prompt_tokens": 310, "completion_tokens": 41}')
    await receive(client)
    await receive(client, content="and next week?")
    assert await tokens(client) == {"input": 620, "output": 82, "unknown": 0}


NO_USAGE = (
    *("null", "{}", "[]", '"many"', '{"prompt_tokens": 310}'),
    *('{"prompt_tokens": -1, "completion_tokens": 1}', '{"total_tokens": 351}'),
    *('{"prompt_tokens": 1e99, "completion_tokens": 1}',),
    *('{"prompt_tokens": true, "completion_tokens": "41"}',),
)


@on_sqlite
async def test_tokens_that_nobody_told_are_unknown_and_not_0(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    """And the answer is as good as any other."""
    for number, usage in enumerate(NO_USAGE):
        upstreams.answers["v1"] = with_usage(usage)
        assert await receive(client, **of_number(number)) == "escalated", usage
        assert await tokens(client) == {"unknown": number + 1}, usage


NO_CONFIDENCE = (
    *("[NaN]", "[-0.01,NaN]", "[Infinity]", "[-Infinity]", "[5]", "[-0.01,0.5]", "[1e999]"),
    *("[false]", '["-0.01"]', "[null]", "[[]]"),
    "[-1e308,-1e308,-1e308]",  # a sum that no float can hold
    "[true]",
)


@on_sqlite
async def test_a_confidence_that_is_none_is_0_and_a_person_looks(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    for number, logprobs in enumerate(NO_CONFIDENCE):
        upstreams.answers["v1"] = completion(logprobs=logprobs, finish_reason="stop")
        assert await receive(client, **of_number(number)) == "escalated", logprobs
        assert (await report(client, number))["confidence"] == 0, logprobs
    assert upstreams.sent == []


UNREADABLE = (
    *("   ", "\n", "\u200b", "\u200b \ufeff\u2060", "\u3164", "\u2800"),
    *("x" * 1601, "x" * 50_000, "a\0b", "a\x1bb", "a\x9bb"),
)


@on_sqlite
async def test_a_text_that_nobody_could_read_is_no_answer(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    for number, text in enumerate(UNREADABLE):
        upstreams.answers["v1"] = completion(text, finish_reason="stop")
        assert await receive(client, **of_number(number)) == "failed", text
        error = str((await report(client, number))["error"])
        assert error.endswith("invalid_response"), (text, error)
    assert upstreams.sent == []


@on_sqlite
async def test_a_text_of_any_language_and_of_more_than_one_line_is_sent(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    texts = ["x" * 1600, "Hello,\r\n\tthanks 🙏🏽", "Спасибо", "👍"]
    for number, text in enumerate(texts):
        upstreams.answers["v1"] = completion(text, finish_reason="stop")
        assert await receive(client, **of_number(number)) == "sent", text
    assert [sent["content"] for sent in upstreams.sent] == texts


@on_sqlite
async def test_a_text_that_was_cut_off_or_filtered_is_sent_by_nobody_but_a_manager(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    reasons = ("length", "content_filter", "tool_calls", "", "anything")
    for number, reason in enumerate(reasons):
        cut_off = completion("You can pay 30 a week, but only", finish_reason=reason)
        upstreams.answers["v1"] = cut_off
        assert await receive(client, **of_number(number)) == "escalated", reason
        assert (await report(client, number))["confidence"] == 0, reason
    assert upstreams.sent == []


@on_sqlite
@pytest.mark.parametrize(
    ("tokens", "status"), [(MAX_TOKENS - 1, "sent"), (MAX_TOKENS, "escalated")]
)
async def test_where_the_ai_does_not_say_why_it_ended_the_number_of_tokens_does(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, tokens: int, status: str
) -> None:
    upstreams.answers["v1"] = completion(logprobs=f"[{','.join(['-0.01'] * tokens)}]")
    assert await receive(client) == status


# The SMS Agent


NO_ID = (
    '{"message_id": "a\\u0000b"}',
    json.dumps({"message_id": "x" * 5000}),
    '{"message_id": 7}',
    '{"message_id": null}',
    '{"message_id": ""}',
    "{}",
    "",
    "<html>accepted</html>",
)


async def test_a_text_that_the_agent_has_taken_is_booked_as_sent_whatever_its_id(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    for number, body in enumerate(NO_ID):
        upstreams.answers["sms"] = answering(body, 202)
        assert await receive(client, **of_number(number)) == "sent", body
        assert len(upstreams.sent) == number + 1, body
    stored = [(each.state, each.message_id) for each in await all_outbound(orchestrator)]
    assert stored == [(OutboundState.SENT, None)] * len(NO_ID)


async def test_a_manager_whose_text_the_agent_has_taken_is_told_so_whatever_its_id(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.confidence = 0.7
    await receive(client)
    upstreams.answers["sms"] = answering('{"message_id": "a\\u0000b"}', 202)
    decision = {
        "response_queue_id": (await report(client))["response_queue_id"],
        "action": "approve",
        "manager_id": "manager-1",
    }
    answer = await client.post("/orchestrate/approve-response", json=decision)
    assert answer.status_code == 200, answer.text
    assert (await outbound(orchestrator)).state is OutboundState.SENT


async def test_the_longest_id_of_a_message_is_kept(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answers["sms"] = answering(json.dumps({"message_id": "ü" * 128}), 202)
    assert await receive(client) == "sent"
    assert (await outbound(orchestrator)).message_id == "ü" * 128


@on_sqlite
async def test_an_agent_that_says_200_and_nothing_of_the_text_has_not_taken_it_for_sure(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answers["sms"] = answering("<html>Please log in</html>", 200)
    assert await receive(client) == "failed"
    assert (await outbound(orchestrator)).state is OutboundState.UNCONFIRMED


@on_sqlite
async def test_an_endless_text_of_the_history_is_cut_before_the_ai_gets_it(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    history = {"messages": [{"direction": "inbound", "content": "x" * 100_000 + "\0"}] * 20}
    upstreams.answers["conversations"] = answering(json.dumps(history))
    assert await receive(client) == "sent"
    (asked,) = [body for path, _, body in upstreams.requests if path.startswith("/v1/")]
    assert len(json.dumps(asked)) < 30_000


# The Notification Service


@on_sqlite
@pytest.mark.parametrize("body", ['{"notification_id": "a\\u0000b"}', "{}", "", '{"id": 1}'])
async def test_managers_are_told_once_whatever_the_id_of_the_notification(
    client: httpx.AsyncClient, orchestrator: Orchestrator, upstreams: ScriptedUpstreams, body: str
) -> None:
    upstreams.confidence = 0.7
    upstreams.answers["notifications"] = answering(body, 202)
    assert await receive(client) == "awaiting_approval"

    async def is_noted() -> bool:
        async with orchestrator.database.reading() as session:
            return (await session.scalars(select(QueuedResponse))).one().notified_at is not None

    await eventually(is_noted)
    async with orchestrator.database.writing() as session:
        await session.execute(update(QueuedResponse).values(created_at=now() - timedelta(days=1)))
    await orchestrator.sweep.sweep()
    assert len(upstreams.notifications) == 1


# The Collections Monitor


def tenant(
    arrears: str, tenant_id: str = "tenant-1", weeks: str = "3"
) -> Callable[[Request], Response]:
    return answering(
        f'{{"tenant_id": "{tenant_id}", "arrears_dollars": {arrears}, "weeks_overdue": {weeks}}}'
    )


@on_sqlite
async def test_arrears_that_are_no_amount_agree_to_no_plan(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    no_amounts = ("NaN", "Infinity", "-Infinity", "1e999", "1e300", "true", '"5"')
    for number, arrears in enumerate(no_amounts):
        upstreams.answers["monitor"] = tenant(arrears)
        assert await receive(client, content=PLAN, **of_number(number)) == "failed", arrears
        error = str((await report(client, number))["error"])
        assert error.endswith("invalid_response"), (arrears, error)
    assert upstreams.sent == []


@on_sqlite
@pytest.mark.parametrize("arrears", ["-5", "null"])
async def test_a_plan_that_may_not_cover_the_arrears_waits_for_a_manager(
    client: httpx.AsyncClient,
    orchestrator: Orchestrator,
    upstreams: ScriptedUpstreams,
    arrears: str,
) -> None:
    upstreams.answers["monitor"] = tenant(arrears)
    assert await receive(client, content=PLAN) == "awaiting_approval"
    async with orchestrator.database.reading() as session:
        plan = (await session.scalars(select(PaymentPlanAttempt))).one()
    assert (plan.result, plan.auto_approved_at) == ("needs_review", None)
    (asked,) = [body for path, _, body in upstreams.requests if path.startswith("/v1/")]
    assert "owes an unknown amount" in str(asked)


@on_sqlite
async def test_a_plan_that_the_ai_offers_without_knowing_the_arrears_waits_as_well(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answers["monitor"] = tenant("null")
    upstreams.answer = "How about 30 a week for 8 weeks?"
    assert await receive(client) == "awaiting_approval"


@on_sqlite
async def test_weeks_that_are_none_reach_no_prompt(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    for number, weeks in enumerate(("-3", "1" + "0" * 400, "NaN", "2.5")):
        upstreams.requests.clear()
        upstreams.answers["monitor"] = tenant("100", weeks=weeks)
        status = await receive(client, **of_number(number))
        asked = [body for path, _, body in upstreams.requests if path.startswith("/v1/")]
        assert status == "failed" or "an unknown number of weeks overdue" in str(asked), weeks


@on_sqlite
async def test_what_another_tenant_owes_is_no_answer(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    upstreams.answers["monitor"] = tenant("100", tenant_id="tenant-2")
    assert await receive(client) == "failed"
    assert str((await report(client))["error"]).endswith("invalid_response")
    assert [path for path, _, _ in upstreams.requests] == ["/monitor/tenant/tenant-1"]


@on_sqlite
async def test_the_ai_is_told_the_arrears_to_the_cent(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    told = {"1234567.5": "$1234567.50", "12345.67": "$12345.67", "800": "$800 "}
    for number, arrears in enumerate(told):
        upstreams.requests.clear()
        upstreams.answers["monitor"] = tenant(arrears)
        await receive(client, **of_number(number))
        (asked,) = [body for path, _, body in upstreams.requests if path.startswith("/v1/")]
        assert f"owes {told[arrears]}" in str(asked)


# What a tenant proposes


async def test_instalments_beyond_all_numbers_are_stored_and_answered(
    client: httpx.AsyncClient, orchestrator: Orchestrator
) -> None:
    amount = "999" + ",999" * 300
    body = {"conversation_id": "c1", "tenant_id": "t1"}
    answer = await client.post(
        "/orchestrate/payment-plan-detected",
        json=body | {"message_content": f"I can pay {amount} a week for 8 weeks"},
    )
    assert answer.status_code == 200, answer.text
    assert 0 < answer.json()["weekly_dollars"] < 1e9


# Whatever they answer

ANSWERS = {
    "monitor": {"tenant_id": "tenant-1", "name": "x", "arrears_dollars": 10, "weeks_overdue": 1},
    "conversations": {"messages": [{"direction": "inbound", "content": "earlier"}]},
    "v1": {
        "choices": [
            {
                "message": {"content": "30 a week for 8 weeks"},
                "logprobs": {"content": [{"logprob": -0.01}]},
                "finish_reason": "stop",
            }
        ]
    },
    "sms": {"message_id": "m1"},
    "notifications": {"notification_id": "n1"},
}
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["\0", "a\0b", "x" * 5000, "\u200b", 10**400, -(10**400), 1e308, [], {}, [[]]]),
)


def paths(value: object) -> list[tuple[object, ...]]:
    """The place of everything in ``value``, itself included."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [(), *((key, *rest) for key, inner in pairs for rest in paths(inner))]
    return [()]


def changed(value: Any, path: tuple[object, ...], new: object) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@given(data=st.data(), number=st.uuids())
@hypothesis_settings(
    max_examples=500 if LONG else 15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_no_answer_of_an_upstream_is_a_500_or_leaves_an_sms_nowhere(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams, data: st.DataObject, number: UUID
) -> None:
    segment = data.draw(st.sampled_from(sorted(ANSWERS)))
    path = data.draw(st.sampled_from(paths(ANSWERS[segment])))
    body = json.dumps(changed(ANSWERS[segment], path, data.draw(odd)))
    status = data.draw(st.sampled_from([200, 202]))
    upstreams.answers = {
        name: answering(json.dumps(answer), 202) for name, answer in ANSWERS.items()
    } | {segment: answering(body, status)}
    sms = SMS | {"conversation_id": str(number), "message_id": str(number), "content": PLAN}
    answer = await client.post("/orchestrate/sms-received", json=sms)
    assert answer.status_code == 200, (segment, body, answer.text)
    assert answer.json()["status"] in ("sent", "awaiting_approval", "escalated", "failed")
    shown = await client.get(f"/orchestrate/workflow/{number}/status")
    assert shown.status_code == 200, (segment, body, shown.text)
    # One that fails for several tenants would open the breaker of all.
    assert "circuit_open" not in str(shown.json()["error"])
