"""Who gets in, how often, and what is given again."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api import access, metrics
from app.api import tokens as token_files
from app.core import catalogue
from app.core.config import MetricsAccess, Settings
from app.core.environment import SettingsError
from app.core.instrumentation import orchestrator_instruments
from tests.application import application
from tests.captured_logs import captured_logs
from tests.clock import Clock

TOKEN, OTHER = "first-token-0123456789", "second-token-0123456789"
PATHS = (
    "/metrics",
    "/orchestrate/metrics",
    "/orchestrate/metrics/series",
    "/orchestrate/metrics/export",
)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text(f"# who may\nprometheus:{TOKEN}\n\npeople:{OTHER}\n")
    return file


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Access does not depend on the database."""
    return sqlite_url


@pytest.fixture
def serving(settings: Settings) -> Callable[..., object]:
    """Makes a client of an application with these access settings."""

    @asynccontextmanager
    async def made(
        address: str = "10.0.0.9", **section: object
    ) -> AsyncIterator[httpx.AsyncClient]:
        own = settings.model_copy(update={"metrics_access": MetricsAccess.model_validate(section)})
        async with application(own, address) as (client, _):
            yield client

    return made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_opens_and_nothing_else_does(serving, tokens: Path, path: str) -> None:  # type: ignore[no-untyped-def]
    async with serving(tokens_file=tokens) as client:
        for token in (TOKEN, OTHER):
            assert (await client.get(path, headers=bearer(token))).status_code == 200
        for headers in ({}, bearer("wrong"), bearer(""), {"Authorization": f"Basic {TOKEN}"}):
            refused = await client.get(path, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert "Bearer" in refused.json()["error"]["message"]
        exposed = (await client.get("/metrics", headers=bearer(TOKEN))).text
        assert f'{catalogue.METRICS_REQUESTS_REFUSED.name}{{reason="unauthorized"}} 4.0' in exposed
        assert TOKEN not in exposed


async def test_without_tokens_it_is_closed_and_says_what_opens_it(serving) -> None:  # type: ignore[no-untyped-def]
    with captured_logs() as logged:
        async with serving() as client:
            refused = await client.get("/orchestrate/metrics")
    assert refused.status_code == 401
    assert "METRICS_ACCESS__TOKENS_FILE" in refused.json()["error"]["message"]
    assert [line["event"] for line in logged].count("metrics_closed") == 1


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.0.0.9", 401)]
)
async def test_loopback_is_let_in_only_when_the_settings_say_so(  # type: ignore[no-untyped-def]
    serving, address: str, status: int
) -> None:
    async with serving(address, open_on_loopback=True) as client:
        assert (await client.get("/orchestrate/metrics")).status_code == status
    async with serving(address) as client:
        assert (await client.get("/orchestrate/metrics")).status_code == 401


def test_tokens_are_rotated_by_changing_the_file(
    tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(1000)
    monkeypatch.setattr(token_files.time, "monotonic", clock)
    known = token_files.Tokens(tokens, "TOKENS_FILE")

    def named(token: str) -> str | None:
        caller = known.caller(token)
        return caller and caller.name

    assert named(TOKEN) == "prometheus"
    tokens.write_text("people:third-token-0123456789\n")
    os.utime(tokens, ns=(1, 1))
    assert named(TOKEN) == "prometheus"
    clock.now += 1.1
    assert named(TOKEN) is None
    assert named("third-token-0123456789") == "people"
    tokens.write_text("nonsense\n")
    os.utime(tokens, ns=(2, 2))
    clock.now += 1.1
    with captured_logs() as logged:
        assert named("third-token-0123456789") == "people"
    assert logged[0]["event"] == "metrics_tokens_not_read"


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("", "no token"),
        ("name-only\n", "line 1"),
        ("a:short\n", "16"),
        ("ok:0123456789abcdef\n:x\n", "line 2"),
        ("a:0123456789abcdef metrics managr\n", "did you mean manager"),
        ("a:0123456789abcdef everything\n", "metrics, receive, act, manager"),
    ],
)
def test_a_file_that_can_t_be_used_is_refused_at_start(
    tmp_path: Path, content: str, hint: str
) -> None:
    (file := tmp_path / "tokens").write_text(content)
    with pytest.raises(SettingsError, match="TOKENS_FILE") as refused:
        access.Access(MetricsAccess(tokens_file=file), orchestrator_instruments())
    assert hint in str(refused.value)
    with pytest.raises(SettingsError, match="can't be read"):
        token_files.Tokens(tmp_path / "missing", "TOKENS_FILE")


async def test_who_asks_too_often_is_told_when_to_come_back(serving, tokens: Path) -> None:  # type: ignore[no-untyped-def]
    async with serving(tokens_file=tokens, requests_per_minute=3) as client:
        for _ in range(3):
            assert (await client.get(PATHS[1], headers=bearer(TOKEN))).status_code == 200
        refused = await client.get(PATHS[1], headers=bearer(TOKEN))
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 61
        assert "3 requests a minute to this worker" in refused.json()["error"]["message"]
        assert refused.headers["RateLimit-Policy"] == '"per-worker-process";q=3;w=60'
        # Others are others, and scrapes go on.
        assert (await client.get(PATHS[1], headers=bearer(OTHER))).status_code == 200
        exposed = (await client.get("/metrics", headers=bearer(TOKEN))).text
        assert f'{catalogue.METRICS_REQUESTS_REFUSED.name}{{reason="rate_limited"}} 1.0' in exposed


async def test_the_same_question_is_computed_once(serving, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    computed = 0
    answered = metrics.overview_answer

    async def counted(*args: Any) -> object:
        nonlocal computed
        computed += 1
        return await answered(*args)

    monkeypatch.setattr(metrics, "overview_answer", counted)
    async with serving("127.0.0.1", open_on_loopback=True, cache_seconds=60) as client:
        answers = await asyncio.gather(*(client.get(PATHS[1]) for _ in range(50)))
        assert computed == 1
        assert len({answer.text for answer in answers}) == 1
        swapped = [
            await client.get(f"{PATHS[1]}?metrics=sms.received&from=-1h"),
            await client.get(f"{PATHS[1]}?from=-1h&metrics=sms.received"),
        ]
        assert computed == 2
        assert swapped[0].text == swapped[1].text


async def test_errors_are_not_kept(serving) -> None:  # type: ignore[no-untyped-def]
    async with serving("127.0.0.1", open_on_loopback=True, cache_seconds=60) as client:
        for _ in range(2):
            refused = await client.get(f"{PATHS[1]}?metrics=nothing")
            assert refused.status_code == 422
            assert "ETag" not in refused.headers


async def test_an_answer_that_is_known_is_not_sent_again(serving) -> None:  # type: ignore[no-untyped-def]
    async with serving("127.0.0.1", open_on_loopback=True, cache_seconds=60) as client:
        first = await client.get(PATHS[1])
        assert first.headers["Cache-Control"] == "private, max-age=60"
        etag = first.headers["ETag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            again = await client.get(PATHS[1], headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == etag
        assert (await client.get(PATHS[1], headers={"If-None-Match": '"other"'})).status_code == 200
