"""`python -m simulator` as the stack runs it."""

import asyncio
import json
import os
import signal
import socket
import sys
from typing import Any

import httpx
import pytest

from simulator.__main__ import main
from simulator.settings import Settings
from tests.length import only_long
from tests.not_empty import not_empty
from tests.project import ROOT, command_line

FREE_PORTS = {
    f"SIMULATOR_{name.upper()}": "0" for name in Settings.model_fields if name.endswith("_port")
}


async def _start(*arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulator", *arguments),
        cwd=ROOT,
        env=os.environ | FREE_PORTS | {"SIMULATOR_APP_URL": "http://127.0.0.1:1"} | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def _ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=only_long)])
async def test_it_stops_cleanly_with_a_call_that_would_never_end(number: int) -> None:
    process = await _start(SIMULATOR_TRAFFIC_PER_MINUTE="600")
    assert process.stdout
    ready: dict[str, Any] = json.loads(await process.stdout.readline())
    assert ready["event"] == "ready"
    async with httpx.AsyncClient(timeout=60) as client:
        (await client.put(f"{ready['control']}/faults/sms_agent_timeouts")).raise_for_status()
        hanging = asyncio.create_task(client.get(f"{ready['sms_agent']}/conversations/+15550001"))
        await asyncio.wait([hanging], timeout=0.5)

        process.send_signal(number)

        code, output, errors = await _ended(process)
        with pytest.raises(httpx.TransportError):
            await hanging
    assert code == 0
    assert "Traceback" not in output + errors
    # Numbers and texts are personal data.
    assert "15550001" not in output + errors
    assert json.loads(output.splitlines()[-1])["event"] == "stopping"


async def test_it_names_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await _start(SIMULATOR_SMS_AGENT_PORT=str(port))
        code, _, errors = await _ended(process)
    assert code == 1
    assert f"SIMULATOR_SMS_AGENT_PORT: http://127.0.0.1:{port}: taken" in errors
    assert "Traceback" not in errors


def test_it_refuses_an_unknown_setting() -> None:
    ended = command_line(main, variables={"SIMULATOR_AI_PORT": "0"})
    assert ended.returncode == 2
    assert "SIMULATOR_AI_PORT" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_its_help_names_every_variable() -> None:
    ended = command_line(main, "--help")
    assert ended.returncode == 0
    names = not_empty(Settings.model_fields)
    assert all(f"SIMULATOR_{name.upper()}" in ended.stdout for name in names)
    assert max(map(len, ended.stdout.splitlines())) <= 100
