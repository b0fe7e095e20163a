"""Every route under schemathesis: whatever is asked, the answer is one that it declares."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from app.core.config import LogSettings, MetricsAccess, Settings
from app.core.database import Database
from tests.application import served
from tests.length import LONG
from tests.not_empty import not_empty
from tests.test_api.test_bad_input import POSTS

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)
EXAMPLES = 40 if LONG else 3
PHASES = "examples,coverage,fuzzing" if LONG else "examples,coverage"
"""Each bound and each wrong type in turn, and in the long form whatever comes to mind as well."""
LEFT_OUT = () if LONG else ("get",)
"""Questions have few parameters, which the test after this one gives odd values; bodies have many
fields."""
TOKEN = "all-0123456789abcdef"
ENDLESS = "/orchestrate/metrics/stream"
TALKS_TO_OTHERS = "/health/dependencies"
"""Its answer depends on who is up, and it takes no parameter."""


def fuzz(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """schemathesis over every route that ends by itself."""
    script = str(Path(sys.executable).with_name("schemathesis"))
    return subprocess.run(
        [
            *(script, "run", f"{url}/openapi.json"),
            f"--exclude-path={ENDLESS}",
            *(f"--exclude-method={method.upper()}" for method in LEFT_OUT),
            f"--checks={','.join(CHECKS)}",
            f"--max-examples={EXAMPLES}",
            f"--phases={PHASES}",
            "--no-color",
            "--generation-deterministic",
            f"--header=Authorization: Bearer {TOKEN}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_whatever_is_asked(tmp_path: Path, settings: Settings) -> None:
    (tokens := tmp_path / "tokens").write_text(f"all:{TOKEN} metrics receive act\n")
    closed = MetricsAccess(tokens_file=tokens, requests_per_minute=100_000)
    changed = {"logs": LogSettings(tokens_file=tokens), "metrics_access": closed}
    async with served(settings.model_copy(update=changed)) as client:
        document = (await client.get("/openapi.json")).json()
        count = len(
            [
                path
                for path, method, _ in operations(document)
                if method not in LEFT_OUT and path != ENDLESS
            ]
        )
        done = await asyncio.to_thread(fuzz, str(client.base_url), tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert count > 4
    assert f"{count} selected" in done.stdout or f"Selected: {count}" in done.stdout, done.stdout[
        :1500
    ]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


ODD = ("", "x", "-1", "1e9", "\0", "é", "' OR 1=1", "-9999999d", "2026-02-30", "now", "0" * 70)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_refusal_names_the_parameter_and_nothing_breaks(
    client: httpx.AsyncClient, app: FastAPI
) -> None:
    parameters = [
        (path, method, parameter["name"])
        for path, method, operation in operations(app.openapi())
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    ]
    assert len(parameters) > 10
    for (path, method, name), value in not_empty(itertools.product(parameters, ODD)):
        answer = await client.request(method, path, params={name: value})
        assert answer.status_code in (200, 404, 422), (path, name, value)
        if answer.status_code != 200:
            error = answer.json()["error"]
            assert error["field"].split(".")[-1] == name, (path, value, error)
            assert len(error["message"]) > len(error["field"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_database_that_is_gone_is_a_503_everywhere_and_never_a_500(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def gone(_: Database) -> NoReturn:  # type: ignore[misc]
        raise OperationalError("SELECT 1", {}, OSError("the disk is full"))
        yield

    document = app.openapi()
    for name in ("reading", "writing"):
        monkeypatch.setattr(Database, name, gone)
    unavailable = set()
    for path, method, operation in not_empty(list(operations(document))):
        if path in (ENDLESS, TALKS_TO_OTHERS):
            continue
        address = path.replace("{escalation_id}", "unknown").replace("{workflow_id}", "unknown")
        body = POSTS.get(address) or {"since": "2026-03-01T09:30:00Z"}
        answer = await client.request(
            method,
            address.replace("{conversation_id}", "unknown"),
            **({"json": body} if method == "post" else {}),
        )
        assert answer.status_code < 500 or answer.status_code == 503, (path, answer.text)
        assert str(answer.status_code) in operation["responses"], (path, answer.status_code)
        if answer.status_code == 503:
            unavailable.add(path)
    assert unavailable >= {
        path
        for path in document["paths"]
        if path.startswith("/orchestrate/") and "metrics" not in path and "log-levels" not in path
    }
