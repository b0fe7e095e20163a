"""An upstream that asks to be left alone is left alone: by whom it asked, and not for ever."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st

from app.clients.patience import Patience
from app.clients.retry_after import seconds_asked_for
from app.core.config import Calls, Settings
from app.main import create_app
from tests.length import only_long
from tests.sms import sms
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LONG = ["100000", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"]


def limited(retry_after: str) -> Callable[[Request], Response]:
    return lambda _: Response(status_code=429, headers={"Retry-After": retry_after})


@asynccontextmanager
async def orchestrating(settings: Settings, **calls: object) -> AsyncIterator[httpx.AsyncClient]:
    """The service with other settings of its calls."""
    changed = settings.calls.model_dump() | calls
    settings = settings.model_copy(update={"calls": Calls.model_validate(changed)})
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://o") as client:
            yield client


async def receive(client: httpx.AsyncClient, number: int) -> str:
    answer = await client.post("/orchestrate/sms-received", json=sms(number))
    status: str = answer.json()["status"]
    return status


async def dependency(client: httpx.AsyncClient, name: str) -> dict[str, object]:
    answer = await client.get("/orchestrate/metrics?metrics=health")
    found: dict[str, object] = answer.json()["health"]["dependencies"][name]
    return found


@on_sqlite
@pytest.mark.parametrize("retry_after", LONG)
async def test_one_number_that_gets_no_more_texts_silences_nobody_else(
    settings: Settings, upstreams: ScriptedUpstreams, retry_after: str
) -> None:
    async with orchestrating(settings, timeout_seconds=30) as client:
        upstreams.answers["sms"] = limited(retry_after)
        assert await receive(client, 1) == "failed"
        del upstreams.answers["sms"]
        assert [await receive(client, number) for number in (2, 3, 4)] == ["sent"] * 3
        health = (await client.get("/health/dependencies")).json()
        assert health["status"] == "ok"
    assert len(upstreams.sent) == 4  # one of them was refused, and it was not asked again


@on_sqlite
@pytest.mark.parametrize(
    "retry_after", [LONG[0], *(pytest.param(each, marks=only_long) for each in LONG[1:])]
)
async def test_a_limit_of_all_is_seen_on_every_screen_and_is_over_at_the_ceiling(
    settings: Settings, upstreams: ScriptedUpstreams, retry_after: str
) -> None:
    async with orchestrating(settings, timeout_seconds=4, longest_retry_after_seconds=5) as client:
        upstreams.answers["v1"] = limited(retry_after)
        assert [await receive(client, number) for number in (1, 2)] == ["failed"] * 2
        assert await receive(client, 3) == "failed"
        health = (await client.get("/health/dependencies")).json()
        assert health["status"] == "degraded"
        assert health["dependencies"]["ai_provider"]["up"] is False
        reason = health["dependencies"]["ai_provider"]["reason"]
        assert reason.startswith("asked to be left alone until 20")
        assert health["dependencies"]["sms_agent"]["up"] is True

        async def is_shown() -> bool:
            shown = await dependency(client, "ai_provider")
            return shown["state"] == "failing" and shown["asked_to_wait_until"] is not None

        await eventually(is_shown)

        # Nobody restarts anything.
        del upstreams.answers["v1"]

        async def is_well() -> bool:
            answer = await client.get("/health/dependencies")
            return bool(answer.json()["status"] == "ok")

        await eventually(is_well)
        assert await receive(client, 4) == "sent"
    asked = [path for path, _, _ in upstreams.requests if path.startswith("/v1/")]
    assert len(asked) == 3  # the third SMS was refused without a call


@on_sqlite
async def test_a_text_that_is_refused_leaves_the_history_to_be_asked_for(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    async with orchestrating(settings, timeout_seconds=30) as client:
        upstreams.answers["sms"] = limited("100000")
        for number in (1, 2, 3):
            assert await receive(client, number) == "failed"
    asked = [path for path, _, _ in upstreams.requests if path.startswith("/conversations/")]
    assert len(asked) == 3
    assert len(upstreams.sent) == 2


@on_sqlite
async def test_there_are_never_more_errors_than_calls(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    async with orchestrating(settings, timeout_seconds=30) as client:
        upstreams.answers["sms"] = limited("100000")
        for number in range(5):
            await receive(client, number)

        async def is_counted() -> bool:
            shown = await dependency(client, "sms_agent")
            return (shown["calls"], shown["errors"]) == (10, 5)

        await eventually(is_counted)  # five histories, and five texts that were refused


class Clock:
    """A clock that the test turns."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_everybody_waits_once_two_in_a_row_were_asked_to() -> None:
    patience = Patience(60, clock := Clock())
    patience.asked("a", 50)
    assert [patience.seconds(name) for name in ("a", "b")] == [50, 0]
    patience.succeeded()
    patience.asked("b", 40)
    assert [patience.seconds(name) for name in ("a", "b", "c")] == [50, 40, 0]
    patience.asked("c", 30)
    assert [patience.seconds(name) for name in ("a", "b", "c", "d")] == [50, 40, 30, 30]
    clock.now += 30
    assert patience.seconds_for_everybody == 0


def test_the_same_number_again_and_again_is_one() -> None:
    patience = Patience(60, clock := Clock())
    for _ in range(10):
        patience.asked("a", 1e9)
        clock.now += 61
    patience.asked("b", 1e9)
    assert patience.seconds_for_everybody == 0


@given(st.floats(min_value=0, allow_nan=False))
def test_nobody_waits_longer_than_the_ceiling(seconds: float) -> None:
    patience = Patience(60, Clock())
    for name in ("a", "b", "c"):
        patience.asked(name, seconds)
    assert 0 <= patience.seconds("a") <= 60


@given(
    st.text()
    | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [+-]?\w{1,5}")
    | st.integers().map(str)
)
def test_whatever_is_asked_for_is_seconds_or_nothing(value: str) -> None:
    seconds = seconds_asked_for(value)
    assert seconds is None or seconds >= 0
