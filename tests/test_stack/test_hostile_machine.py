"""The native stack where the machine is unlike the one it was written on.

One that comes up there is in test_two_checkouts.py.
"""

import errno
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from stack import __main__ as command_line
from stack.ports import OFFSET
from tests.project import ROOT
from tests.test_stack.checkouts import Checkout, copied_to
from tests.test_stack.free_offsets import free_offset


def _refused(checkout: Checkout, *arguments: str, **environment: str) -> str:
    refused = checkout.make(*arguments, **environment)
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    return refused.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """One for all: each is refused before anything is changed."""
    return copied_to(tmp_path_factory.mktemp("checkout") / "sms")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (("PORT_OFFSET=x",), "PORT_OFFSET=x: use a whole number from 0 to 56435, such as 1000"),
        (("STACK=docker",), "STACK=docker: use native or compose"),
        (("APP_PROT=9000",), "APP_PROT: there is no such variable; did you mean APP_PORT?"),
        (("DOORBELL=9000",), "DOORBELL: there is no such variable; `python -m stack --help`"),
    ],
)
def test_bad_input_is_named(checkout: Checkout, variables: tuple[str, ...], said: str) -> None:
    assert said in _refused(checkout, "up", *variables)


@pytest.mark.parametrize("installed", [True, False])
def test_few_open_files(checkout: Checkout, tmp_path: Path, installed: bool) -> None:
    few = ("bash", "-c", 'ulimit -Sn 64; ulimit -Hn 64; exec "$@"', "-")
    venv = () if installed else (f"VENV={tmp_path}/venv",)
    refused = checkout.make("up", f"{OFFSET}={free_offset()}", *venv, prefix=few)
    assert refused.returncode != 0
    assert "may open only 64 files here, and the stack needs 1024" in refused.stderr
    assert "Traceback" not in refused.stderr
    # Nothing was installed in order to refuse.
    assert "installed" not in refused.stdout
    assert not (tmp_path / "venv").exists()


def test_a_file_in_the_way_of_the_state(checkout: Checkout, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    said = _refused(checkout, "up", f"{OFFSET}={free_offset()}", f"STACK_STATE_DIR={file}/state")
    assert f"{file}/state" in said


def test_another_users_state_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STACK_STATE_DIR", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    owner = pwd.getpwuid(os.getuid()).pw_name
    for command in ("up", "down", "status", "metrics"):
        command_line._state.cache_clear()
        monkeypatch.setattr("sys.argv", ["stack", command])
        assert command_line.main() == 1
        said = capsys.readouterr().err
        assert f"{tmp_path} belongs to the user {owner}, and you are 4711" in said
        assert "STACK_STATE_DIR" in said


def test_what_the_machine_refuses_is_said_with_its_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/checkout/.state")

    monkeypatch.setattr(command_line, "_run", refuse)
    monkeypatch.setattr("sys.argv", ["stack", "up"])
    assert command_line.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("/checkout/.state: Read-only file system; STACK_STATE_DIR and")


def test_another_encoding_than_utf8(tmp_path: Path) -> None:
    """By hand, without make: what is printed does not exist in the locale's own encoding."""
    line = '{"timestamp":"2026-01-01T00:00:00Z","level":"info","event":"¿cuánto?"}\n'
    (tmp_path / "orchestrator-1.jsonl").write_text(line, "utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "app.logs",
            "find",
            "--ndjson",
            "--in",
            str(tmp_path),
        ],
        cwd=ROOT,
        env={**os.environ, **ascii_only},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "¿cuánto?" in done.stdout.decode("utf-8")
