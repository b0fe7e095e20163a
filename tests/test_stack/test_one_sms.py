"""`make send`: what became of one SMS, in words and in the exit code."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from stack import __main__ as stack_command
from stack.backend import StackError
from tests.upstreams import serving

FAILED = {"status": "failed", "error": "ai_provider: chat_completion failed: circuit_open"}
SENT = {"status": "sent", "response": "Thanks.", "confidence": 0.9}


async def _send(ended: dict[str, object], secrets: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Send to an orchestrator that says it ``ended`` so; gives the exit code."""

    def answer(_: Request) -> JSONResponse:
        return JSONResponse({"correlation_id": "c", "workflow_id": "w", "steps": [], **ended})

    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
    monkeypatch.setattr(stack_command, "_peoples_token", lambda _: "token")
    async with serving(app) as url:
        monkeypatch.setattr(stack_command, "_url", lambda *_: url)
        backend: Any = SimpleNamespace(secrets=secrets)
        return await asyncio.to_thread(stack_command._send, backend, "hello")


async def test_an_sms_that_failed_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StackError, match="the SMS failed: ai_provider: chat_completion"):
        await _send(FAILED, tmp_path, monkeypatch)
    # All that is known is told before.
    assert "status        failed" in capsys.readouterr().out


async def test_one_that_was_sent_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _send(SENT, tmp_path, monkeypatch) == 0
