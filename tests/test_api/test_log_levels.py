"""Log levels, changed while the service runs."""

import errno
import os
from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from app.core.config import LogSettings, Settings
from asgi_observability.log_levels import LogLevels
from asgi_observability.log_query.files import find_files
from asgi_observability.log_query.filters import Filters
from asgi_observability.log_query.query import Query
from asgi_observability.logging import level_of
from tests.application import application
from tests.captured_logs import captured_logs
from tests.length import only_long
from tests.not_empty import not_empty
from tests.serving_process import serving_process
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually, until

URL = "/orchestrate/log-levels"
TOKEN = {"Authorization": "Bearer operators-token-1"}


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    file = tmp_path / "operator_tokens"
    file.write_text("operator:operators-token-1\n")
    return file


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def settings(settings: Settings, tokens: Path) -> Settings:
    return settings.model_copy(update={"logs": LogSettings(tokens_file=tokens)})


@pytest.fixture
async def operator(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the operator's token; afterwards nothing is changed any more."""
    client.headers.update(TOKEN)
    yield client
    for logger in (await client.get(URL)).json()["changes"]:
        await client.delete(f"{URL}/{logger}")


async def test_a_level_is_changed_listed_and_reset(operator: httpx.AsyncClient) -> None:
    before = (await operator.get(URL)).json()
    assert before["levels"]["app.clients.upstream"] == "debug"
    assert before["changes"] == {}
    with captured_logs() as lines:
        changed = await operator.put(f"{URL}/app.clients", json={"level": "error"})
        assert changed.status_code == 200, changed.text
        assert (changed.json()["level"], changed.json()["by"]) == ("error", "operator")
        after = (await operator.get(URL)).json()
        assert after["levels"]["app.clients.upstream"] == "error"
        assert after["levels"]["app.services.workflow"] == "debug"
        assert [*after["changes"]] == ["app.clients"]
        assert (await operator.delete(f"{URL}/app.clients")).status_code == 204
    assert level_of("app.clients.upstream") == "debug"
    said = [line for line in lines if line["event"] == "log_level_changed"]
    assert [(line["changed_level"], line["changed_by"]) for line in said] == [
        *(("error", "operator"), ("debug", "operator")),
    ]


async def test_a_full_disk_is_said_and_changes_nothing(
    operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(LogLevels, "_put", full)
    monkeypatch.setattr(LogLevels, "changes", {})
    answer = await operator.put(f"{URL}/app.clients", json={"level": "error"})
    assert answer.status_code == 503
    assert "No space left on device" in answer.json()["error"]["message"]
    assert level_of("app.clients.upstream") == "debug"


async def test_it_ends_by_itself(operator: httpx.AsyncClient) -> None:
    wanted = {"level": "error", "for_seconds": 0.5}
    assert (await operator.put(f"{URL}/app.clients", json=wanted)).status_code == 200
    assert level_of("app.clients.upstream") == "error"
    await until(lambda: level_of("app.clients.upstream") == "debug")
    assert (await operator.get(URL)).json()["changes"] == {}


@pytest.mark.parametrize("level", ["warn", "WARN", "Warning"])
async def test_warn_is_warning(operator: httpx.AsyncClient, level: str) -> None:
    wanted = {"level": level, "for_seconds": 0.5}
    changed = await operator.put(f"{URL}/app.clients", json=wanted)
    assert changed.json()["level"] == "warning"
    await until(lambda: level_of("app.clients") == "debug")


IMPOSSIBLE: tuple[tuple[str, dict[str, object], int, str, str], ...] = (
    ("app.clients.upstrem", {"level": "debug"}, 404, "logger", "app.clients.upstream"),
    ("nonsense", {"level": "debug"}, 404, "logger", "app.clients"),
    ("app", {"level": "loud"}, 422, "level", "'debug', 'info', 'warning' or 'error'"),
    ("app", {}, 422, "level", "it is missing"),
    ("app", {"level": "info", "for_seconds": 0}, 422, "for_seconds", "it must be more than 0"),
    (
        "app",
        {"level": "info", "for_seconds": 1e9},
        422,
        "for_seconds",
        "it must be 604800 or less",
    ),
    (
        "app",
        {"level": "info", "forever": True},
        422,
        "forever",
        "unknown field; there are level, for_seconds",
    ),
)
"""Logger, body, and the answer: its status, field and words."""


async def test_what_can_not_be_done_is_explained(operator: httpx.AsyncClient) -> None:
    for logger, body, status, field, complaint in IMPOSSIBLE:
        answer = await operator.put(f"{URL}/{logger}", json=body)
        assert answer.status_code == status, (logger, body)
        error = answer.json()["error"]
        assert error["field"] == field, (logger, body)
        assert complaint in error["message"], (logger, body)
        assert (await operator.delete(f"{URL}/app")).status_code == 404, (logger, body)


async def test_nobody_gets_in_without_the_token(client: httpx.AsyncClient) -> None:
    routes = (("GET", URL), ("PUT", f"{URL}/app"), ("DELETE", f"{URL}/app"))
    without: tuple[dict[str, str], ...] = ({}, {"Authorization": "Bearer wrong-token-123456"})
    for (method, path), headers in not_empty(product(routes, without)):
        answer = await client.request(method, path, headers=headers)
        assert answer.status_code == 401, (method, headers)
        assert "operator" in answer.json()["error"]["message"]


async def test_without_a_tokens_file_it_is_closed_even_on_loopback(
    client: httpx.AsyncClient,
) -> None:
    from app.api.access import Operators

    client._transport.app.state.operators = Operators(None)  # type: ignore[attr-defined]
    answer = await client.get(URL, headers=TOKEN)
    assert answer.status_code == 401
    assert "ORCHESTRATOR_LOGS__TOKENS_FILE" in answer.json()["error"]["message"]


async def test_every_worker_knows_of_a_change(settings: Settings, tmp_path: Path) -> None:
    shared = settings.model_copy(update={"worker_metrics_dir": tmp_path})
    async with application(shared) as (one, _), application(shared) as (other, _):
        changed = await one.put(f"{URL}/app.clients", json={"level": "error"}, headers=TOKEN)
        assert changed.status_code == 200, changed.text

        async def known_to_the_other() -> list[str]:
            return [*(await other.get(URL, headers=TOKEN)).json()["changes"]]

        await eventually(known_to_the_other)
        assert await known_to_the_other() == ["app.clients"]
        assert (await other.delete(f"{URL}/app.clients", headers=TOKEN)).status_code == 204


# In processes of their own they do it only in the long form.
@only_long
async def test_every_worker_follows(
    tmp_path: Path, tokens: Path, upstreams: ScriptedUpstreams
) -> None:
    folder = tmp_path / "logs"
    quiet = Filters(events=("quiet_request",))

    def speaking() -> set[str]:
        """The workers, by their files, that log requests of probes, which is debug."""
        return {
            file.name
            for file in folder.glob("*.jsonl")
            # One that just started has written nothing yet.
            if file.stat().st_size and Query(find_files([file], None), quiet).lines(None)
        }

    async with serving_process(
        tmp_path / "out",
        upstreams.url,
        f"sqlite:///{tmp_path}/orchestrator.db",
        workers=2,
        ENVIRONMENT="production",
        LOGS__FOLDER=str(folder),
        LOGS__TOKENS_FILE=str(tokens),
    ) as client:

        async def asked() -> set[str]:
            # A connection of its own each time: any worker may take it.
            async with httpx.AsyncClient(base_url=client.base_url) as other:
                await other.get("/health")
            return speaking()

        assert await asked() == set()
        wanted = {"level": "debug", "for_seconds": 600}
        (await client.put(f"{URL}/access", json=wanted, headers=TOKEN)).raise_for_status()

        async def all_speak() -> bool:
            return len(await asked()) == 2

        await eventually(all_speak, seconds=60)
