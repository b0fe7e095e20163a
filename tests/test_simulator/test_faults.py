"""Each fault, switched on and off at run time, over real connections."""

import asyncio
import math
import socket

import httpx
import pytest

from simulator.faults import ADDED_LATENCY_SECONDS, FAULTS, Effect, Upstream
from tests.not_empty import not_empty
from tests.test_simulator.conftest import SMS, Simulation

EVERY_UPSTREAM = list(Upstream)


def test_the_faults_are_those_agreed_on() -> None:
    upstreams = ("ai", "sms_agent", "collections_monitor", "notification_service")
    effects = ("errors", "latency", "timeouts", "down")
    assert set(FAULTS) == {
        *(f"{upstream}_{effect}" for upstream in upstreams for effect in effects),
        "ai_low_confidence",
        "hostile_messages",
    }


async def test_errors(simulation: Simulation) -> None:
    async def failures_of_40_calls(upstream: Upstream) -> int:
        answers = await asyncio.gather(*(simulation.call(upstream) for _ in range(40)))
        statuses = [answer.status_code for answer in answers]
        failed = sum(status in (500, 503) for status in statuses)
        assert failed + sum(answer.is_success for answer in answers) == 40, statuses
        return failed

    for upstream in EVERY_UPSTREAM:
        await simulation.switch_on(f"{upstream}_errors")
    failures = await asyncio.gather(*map(failures_of_40_calls, EVERY_UPSTREAM))

    for upstream, failed in zip(EVERY_UPSTREAM, failures, strict=True):
        if upstream is Upstream.AI:
            assert failed == 40
        else:
            # 24 are expected; outside these bounds are fewer than one draw in a million.
            assert 8 <= failed <= 38
        await simulation.switch_off(f"{upstream}_errors")
    answers = await asyncio.gather(*map(simulation.call, EVERY_UPSTREAM))
    assert all(answer.is_success for answer in not_empty(answers))


async def test_latency(simulation: Simulation) -> None:
    clock = asyncio.get_running_loop().time

    async def timed_call(upstream: Upstream) -> float:
        start = clock()
        assert (await simulation.call(upstream)).is_success
        return clock() - start

    for upstream in EVERY_UPSTREAM:
        await simulation.switch_on(f"{upstream}_latency")
    taken = await asyncio.gather(*map(timed_call, EVERY_UPSTREAM))

    assert min(taken) >= ADDED_LATENCY_SECONDS


async def test_timeouts_last_until_the_fault_is_off(simulation: Simulation) -> None:
    for upstream in EVERY_UPSTREAM:
        await simulation.switch_on(f"{upstream}_timeouts")
    waiting = [asyncio.create_task(simulation.call(upstream)) for upstream in EVERY_UPSTREAM]
    answered, _ = await asyncio.wait(waiting, timeout=0.5)
    assert not answered

    for upstream in EVERY_UPSTREAM:
        await simulation.switch_off(f"{upstream}_timeouts")
    assert all(answer.is_success for answer in await asyncio.gather(*waiting))


async def test_a_call_given_up_on_is_not_carried_out_later(simulation: Simulation) -> None:
    client = simulation.upstreams[Upstream.SMS_AGENT]
    text = {**SMS, "conversation_id": "given-up"}
    await simulation.switch_on("sms_agent_timeouts")
    async with httpx.AsyncClient(base_url=client.base_url, timeout=0.3) as impatient:
        with pytest.raises(httpx.TimeoutException):
            await impatient.post("/sms/send", json={**text, "content": "first"})
    patient = asyncio.create_task(client.post("/sms/send", json={**text, "content": "second"}))
    await asyncio.wait([patient], timeout=0.3)

    await simulation.switch_off("sms_agent_timeouts")
    await patient
    sent = (await client.get("/sms/sent", params={"conversation_id": "given-up"})).json()[
        "messages"
    ]
    assert [message["content"] for message in sent] == ["second"]


async def test_down_refuses_connections_until_it_is_off(simulation: Simulation) -> None:
    async def call_all() -> list[httpx.Response]:
        return await asyncio.gather(*map(simulation.call, EVERY_UPSTREAM))

    # So that there are connections to be cut.
    await call_all()
    for upstream in EVERY_UPSTREAM:
        await simulation.switch_on(f"{upstream}_down")
        port = simulation.upstreams[upstream].base_url.port
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(httpx.ConnectError):
            await simulation.call(upstream)

    for upstream in EVERY_UPSTREAM:
        await simulation.switch_off(f"{upstream}_down")
    assert all(answer.is_success for answer in not_empty(await call_all()))


async def test_the_others_go_on_when_one_is_down(simulation: Simulation) -> None:
    await simulation.switch_on("ai_down")
    others = [upstream for upstream in EVERY_UPSTREAM if upstream is not Upstream.AI]
    answers = await asyncio.gather(*map(simulation.call, others))
    assert all(answer.is_success for answer in not_empty(answers))


async def test_down_cuts_calls_under_way(simulation: Simulation) -> None:
    await simulation.switch_on("ai_timeouts")
    hanging = asyncio.create_task(simulation.call(Upstream.AI))
    await asyncio.wait([hanging], timeout=0.3)

    await simulation.switch_on("ai_down")

    with pytest.raises(httpx.TransportError):
        await hanging


async def test_down_stays_on_while_something_else_has_the_port(simulation: Simulation) -> None:
    await simulation.switch_on("ai_down")
    port = simulation.upstreams[Upstream.AI].base_url.port
    assert port
    with socket.create_server(("127.0.0.1", port)):
        refused = await simulation.control.delete("/faults/ai_down")
        listed = (await simulation.control.get("/faults")).json()["faults"]

    assert refused.status_code == 409
    assert f"127.0.0.1:{port}" in refused.json()["detail"]
    assert [fault["name"] for fault in listed if fault["active"]] == ["ai_down"]
    await simulation.switch_off("ai_down")
    assert (await simulation.call(Upstream.AI)).is_success


async def test_low_confidence(simulation: Simulation) -> None:
    async def confidences() -> list[float]:
        answers = await asyncio.gather(*(simulation.call(Upstream.AI) for _ in range(20)))
        contents = [answer.json()["choices"][0]["logprobs"]["content"] for answer in answers]
        return [math.exp(sum(t["logprob"] for t in c) / len(c)) for c in contents]

    await simulation.switch_on("ai_low_confidence")
    assert max(await confidences()) < 0.6

    await simulation.switch_off("ai_low_confidence")
    # That all 20 are below 0.6 without the fault has a chance of 0.08 to the power of 20.
    assert max(await confidences()) > 0.6


async def test_health_tells_down_from_faulty(simulation: Simulation) -> None:
    for effect in (Effect.ERRORS, Effect.LATENCY, Effect.TIMEOUTS):
        await simulation.switch_on(f"ai_{effect}")
    assert (await simulation.upstreams[Upstream.AI].get("/health")).status_code == 200
