"""The upstreams as they are without a fault."""

import asyncio
import math
from random import Random

import httpx
import pytest
from fastapi import HTTPException

from simulator import ai_provider, collections_monitor, notification_service, sms_agent
from simulator.ai_provider import RateLimit, create_ai_provider, draw_confidence, draw_logprobs
from simulator.faults import ActiveFaults, Upstream
from simulator.latency import Latency
from simulator.listener import Listener
from tests.clock import Clock
from tests.not_empty import not_empty
from tests.test_simulator.conftest import (
    CHAT,
    SMS,
    Simulation,
    quiet_settings,
    simulating,
)


async def test_every_upstream_is_healthy_and_answers(simulation: Simulation) -> None:
    for upstream, client in not_empty(simulation.upstreams.items()):
        assert (await client.get("/health")).status_code == 200
        assert (await simulation.call(upstream)).is_success


async def test_collections_monitor_knows_a_tenant_again(simulation: Simulation) -> None:
    client = simulation.upstreams[Upstream.COLLECTIONS_MONITOR]
    first, second, other = [
        (await client.get(f"/monitor/tenant/{name}")).json()
        for name in ("tenant-1", "tenant-1", "tenant-2")
    ]

    assert first == second
    assert first != other
    assert set(first) == {"tenant_id", "name", "arrears_dollars", "weeks_overdue", "language"}
    assert (await client.get("/monitor/tenant/unknown-7")).status_code == 404


async def test_sms_agent_sends_once_per_key(simulation: Simulation) -> None:
    client = simulation.upstreams[Upstream.SMS_AGENT]
    text = {**SMS, "phone_number": "+15550099999", "conversation_id": "keyed"}
    header = {"Idempotency-Key": "k1", "X-Correlation-ID": "correlation-1"}

    first = await client.post("/sms/send", json=text, headers=header)
    repeated = await client.post("/sms/send", json=text, headers=header)
    other = await client.post("/sms/send", json=text, headers={"Idempotency-Key": "k2"})

    assert first.status_code == 202
    assert first.json() == {"message_id": first.json()["message_id"], "status": "accepted"}
    assert repeated.json() == first.json()
    assert other.json()["message_id"] != first.json()["message_id"]
    sent = (await client.get("/sms/sent", params={"conversation_id": "keyed"})).json()["messages"]
    assert [message["message_id"] for message in sent] == [
        first.json()["message_id"],
        other.json()["message_id"],
    ]
    assert [message["correlation_id"] for message in sent] == ["correlation-1", None]
    elsewhere = await client.get("/sms/sent", params={"conversation_id": "other"})
    assert elsewhere.json() == {"messages": []}
    history = (await client.get(f"/conversations/{text['phone_number']}")).json()["messages"]
    said = [(message["direction"], message["content"]) for message in history]
    assert said == [("outbound", "Hello")] * 2


def test_sms_agent_forgets_the_oldest() -> None:
    texts = sms_agent.Texts()
    for number in range(sms_agent.KEPT_SENT + 5):
        text = sms_agent.Outbound(phone_number=str(number), content="x", conversation_id="c")
        texts.send(text, f"key-{number}", None)

    assert len(texts.sent(None)) == sms_agent.KEPT_SENT
    assert texts.conversation("0") == []
    assert len(texts.conversation(str(sms_agent.KEPT_SENT))) == 1


async def test_ai_confidence_is_in_its_log_probabilities(simulation: Simulation) -> None:
    answer = await simulation.call(Upstream.AI)

    choice = answer.json()["choices"][0]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert all(token["logprob"] <= 0 for token in not_empty(tokens))
    usage = answer.json()["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


async def test_ai_gives_log_probabilities_only_when_asked(simulation: Simulation) -> None:
    client = simulation.upstreams[Upstream.AI]
    answer = await client.post("/v1/chat/completions", json={**CHAT, "logprobs": False})
    assert answer.json()["choices"][0]["logprobs"] is None


def test_log_probabilities_give_the_confidence_that_was_drawn() -> None:
    logprobs = draw_logprobs(Random(3), confidence=0.73, count=8)
    assert math.exp(sum(logprobs) / 8) == pytest.approx(0.73)
    assert len(set(logprobs)) == 8


def test_confidences_are_spread_over_the_three_routes() -> None:
    rng = Random(5)
    drawn = [draw_confidence(rng, low=False) for _ in range(10_000)]

    assert all(0 < confidence < 1 for confidence in drawn)
    assert sum(c > 0.85 for c in drawn) / len(drawn) == pytest.approx(0.70, abs=0.02)
    assert sum(c < 0.60 for c in drawn) / len(drawn) == pytest.approx(0.08, abs=0.02)
    assert all(draw_confidence(rng, low=True) < 0.60 for _ in range(1000))


async def test_ai_refuses_more_than_its_limit_a_minute() -> None:
    listener = Listener(
        create_ai_provider(ActiveFaults(), Random(1), requests_per_minute=2), "127.0.0.1", 0
    )
    await listener.open()
    async with httpx.AsyncClient(base_url=listener.url) as client:
        answers = [await client.post("/v1/chat/completions", json=CHAT) for _ in range(3)]
    await listener.close()

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_rate_limit_lets_requests_through_again_after_the_wait_it_names() -> None:
    clock = Clock(100)
    limit = RateLimit(2, clock)
    limit.take()
    clock.now = 130
    limit.take()
    with pytest.raises(HTTPException) as refused:
        limit.take()
    assert refused.value.headers == {"Retry-After": "30"}
    clock.now = 160
    limit.take()
    with pytest.raises(HTTPException):
        limit.take()


@pytest.mark.parametrize(
    ("latency", "p5", "p95"),
    [
        (collections_monitor.LATENCY, 0.030, 0.080),
        (sms_agent.LATENCY, 0.050, 0.150),
        (notification_service.LATENCY, 0.018, 0.050),
        (ai_provider.LATENCY, 0.350, 0.900),
    ],
)
def test_latencies_are_realistic(latency: Latency, p5: float, p95: float) -> None:
    rng = Random(7)
    drawn = sorted(latency.draw(rng) for _ in range(20_000))

    assert drawn[1_000] == pytest.approx(p5, rel=0.15)
    assert drawn[19_000] == pytest.approx(p95, rel=0.15)
    assert drawn[-1] < 1.5


async def test_calls_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collections_monitor, "LATENCY", Latency(median=0.2, spread=1.0001))
    clock = asyncio.get_running_loop().time
    async with simulating(quiet_settings()) as simulation:
        start = clock()
        await simulation.call(Upstream.COLLECTIONS_MONITOR)
        assert clock() - start > 0.19


def test_a_whole_sms_stays_within_its_promise() -> None:
    rng = Random(8)
    steps = (
        collections_monitor.LATENCY,
        sms_agent.LATENCY,
        ai_provider.LATENCY,
        sms_agent.LATENCY,
    )
    totals = sorted(sum(step.draw(rng) for step in steps) for _ in range(20_000))
    assert totals[int(0.999 * len(totals))] < 1.75


async def test_bad_bodies_are_refused(simulation: Simulation) -> None:
    paths = {
        Upstream.SMS_AGENT: "/sms/send",
        Upstream.NOTIFICATION_SERVICE: "/notifications/send",
        Upstream.AI: "/v1/chat/completions",
    }
    bodies = (b"", b"{", b"{}", b"[]", b"[" * 100_000, b'{"content": "\\ud800"}', b"\xff")
    calls = [
        simulation.upstreams[upstream].post(path, content=body)
        for upstream, path in paths.items()
        for body in bodies
    ]
    for answer in await asyncio.gather(*calls):
        assert 400 <= answer.status_code < 500
