"""Two checkouts on one machine: both up, both sent to, one cleaned, the other moved.

The other is up where everything is unlike it was where this was written.
"""

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from stack import processes
from stack.ports import OFFSET
from tests.length import LONG
from tests.not_empty import not_empty
from tests.test_stack.checkouts import Checkout, copied_to
from tests.test_stack.free_offsets import free_offset

DEAD_PROXY = "http://127.0.0.1:9"
HOSTILE = {
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), DEAD_PROXY),
    # What Kubernetes gives to every container beside services of these names.
    **dict.fromkeys(("PROMETHEUS_PORT", "GRAFANA_PORT", "APP_PORT"), "tcp://10.0.0.1:80"),
    "APP_SERVICE_HOST": "10.0.0.1",
    "LC_ALL": "ja_JP.EUC-JP",
    "TZ": "Asia/Tokyo",
    "PIP_USER": "1",
}
CLOSED = ("bash", "-c", 'umask 077; exec "$@"', "-")
"""Starts a command whose files are closed to others."""


def _processes(state: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if processes.stack_of(process) == str(state):
                found.append(process.pid)
    return sorted(found)


def _conversation(sent: str) -> str:
    (line,) = [line for line in sent.splitlines() if line.startswith("conversation ")]
    return line.split()[1]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Checkout, int, Checkout, int]]:
    """Two checkouts of one name, not up, and an offset for each.

    The second has every hostile setting at once, and a path that supervisord's configuration can't
    hold.
    """
    first = copied_to(tmp_path / "one" / "sms")
    second = copied_to(tmp_path / "50% of it ;here #1" / "sms", HOSTILE)
    try:
        yield first, free_offset(), second, free_offset()
    finally:
        for checkout in (first, second):
            # One is moved on the way.
            if checkout.path.exists():
                checkout.make("down")


def test_side_by_side(two: tuple[Checkout, int, Checkout, int], tmp_path: Path) -> None:
    first, first_offset, second, second_offset = two
    for checkout, offset, prefix in ((first, first_offset, ()), (second, second_offset, CLOSED)):
        up = checkout.make("up", f"{OFFSET}={offset}", prefix=prefix)
        assert up.returncode == 0, up.stdout + up.stderr
        assert f"http://127.0.0.1:{8000 + offset}" in up.stdout

    # Nobody has to say the ports again, and each sends to its own.
    sent_first, sent_second = (each.make("send", "TEXT=¿cuánto debo?") for each in (first, second))
    assert sent_first.returncode == 0, sent_first.stderr
    assert sent_second.returncode == 0, sent_second.stderr
    assert "status " in sent_second.stdout
    conversation = _conversation(sent_second.stdout)
    path = f"/orchestrate/workflow/{conversation}/status"
    of_second = f"http://127.0.0.1:{8000 + second_offset}{path}"
    assert httpx.get(of_second).status_code == 200
    assert httpx.get(f"http://127.0.0.1:{8000 + first_offset}{path}").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{8000 + second_offset}/health").is_success
    assert (second.state / "logs" / "app.log").exists()
    assert str(8000 + first_offset) not in second.make("status").stdout

    taken = first.make("up", f"{OFFSET}={second_offset}")
    assert taken.returncode != 0
    assert f"APP_PORT is {8000 + first_offset}, not {8000 + second_offset}" in taken.stderr

    before = _processes(second.state)
    assert len(before) >= 6
    refused = first.make("clean")
    assert refused.returncode != 0
    assert "make clean YES=1" in refused.stderr
    assert _processes(first.state), "a refused clean stops nothing"

    cleaned = first.make("clean", "YES=1")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "MB  .state  every generated secret" in cleaned.stdout
    assert _processes(first.state) == []
    assert not first.state.exists()
    assert not (first.path / ".venv").is_symlink(), "the link is gone"
    assert (second.path / ".venv" / "bin" / "python").exists(), "what it led to is not"

    assert _processes(second.state) == before
    status = second.make("status")
    assert status.returncode == 0, status.stdout
    assert "DOWN" not in status.stdout
    assert httpx.get(of_second).json()["conversation_id"] == conversation

    if LONG:
        _moved_while_it_runs(second, tmp_path / "moved" / "sms", second_offset, path)
    else:
        assert second.make("down").returncode == 0
        assert _processes(second.state) == []


def _moved_while_it_runs(checkout: Checkout, to: Path, offset: int, path: str) -> None:
    to.parent.mkdir()
    earlier = checkout.state
    moved = Checkout(checkout.path.rename(to))
    status = moved.make("status")
    assert f"was started in {earlier} and was moved to {moved.state}" in status.stderr
    try:
        up = moved.make("up", f"{OFFSET}={offset}")
        assert up.returncode == 0, up.stdout + up.stderr
        assert _processes(earlier) == []
        assert httpx.get(f"http://127.0.0.1:{8000 + offset}{path}").status_code == 200
        assert "was moved" not in moved.make("status").stderr
    finally:
        down = moved.make("down")
    assert down.returncode == 0
    assert _processes(moved.state) == []


def test_a_state_folder_of_another_checkout_is_refused(tmp_path: Path) -> None:
    first, second = copied_to(tmp_path / "one"), copied_to(tmp_path / "two")
    shared = tmp_path / "state"
    shared.mkdir()
    origin = {"id": "1", "checkout": str(first.path), "state": str(shared), "project": "one-1"}
    (shared / "origin.json").write_text(json.dumps(origin))
    # Each asks for the folder in the same way.
    for command in not_empty(("up", "down", "status") if LONG else ("down",)):
        refused = second.make(command, f"STACK_STATE_DIR={shared}")
        assert refused.returncode != 0
        assert f"holds the stack of another checkout, {first.path}" in refused.stderr


def test_nothing_is_deleted_without_a_yes(tmp_path: Path) -> None:
    checkout = copied_to(tmp_path / "sms")
    (checkout.state / "data").mkdir(parents=True)
    other = checkout.path / "inside" / "other"
    (other / ".git").mkdir(parents=True)
    (other / "__pycache__").mkdir()
    assert checkout.make("clean").returncode != 0
    controller, terminal = pty.openpty()
    os.write(controller, b"no\n")
    answered = checkout.make("clean", stdin=terminal)
    assert "nothing was deleted" in answered.stderr
    assert (checkout.state / "data").is_dir()
    assert checkout.make("clean", "YES=1").returncode == 0
    assert not checkout.state.exists()
    assert (other / "__pycache__").is_dir(), "another checkout's"
    assert "nothing to delete" in checkout.make("clean", "YES=1").stdout


def test_running_with_its_state_elsewhere_it_is_not_cleaned(tmp_path: Path) -> None:
    checkout = copied_to(tmp_path / "sms")
    elsewhere = tmp_path / "elsewhere"
    python = checkout.path / ".venv" / "bin" / "python"
    code = "input()"
    with subprocess.Popen(
        [python, "-c", code], stdin=subprocess.PIPE, env={processes.MARK: str(elsewhere)}
    ) as running:
        refused = checkout.make("clean", "YES=1")
        running.communicate(b"\n")
    assert refused.returncode != 0
    assert f"make down STACK_STATE_DIR={elsewhere}" in refused.stderr
    assert python.exists()
