"""The end of a session: what it looks for in all processes, what it deletes, what it ends."""

import os
import subprocess
import sys
from asyncio import create_subprocess_exec
from pathlib import Path
from signal import Signals

import psutil
import pytest

from tests.length import only_long
from tests.project import ROOT
from tests.waiting import until

SHARED = """
from tests import personal_data

def test_one_process_sends():
    personal_data.note({"content": "what a tenant writes"})

def test_another_one_logs():
    (personal_data.LOG_FOLDER / "service-1.jsonl").write_text("Text: what a tenant writes.")
"""

IN_A_FOLDER = """
from pathlib import Path

def test_a_folder(tmp_path_factory, tmp_path):
    Path("base").write_text(str(tmp_path_factory.getbasetemp()))
    assert WORKS
"""

STARTS = """
import subprocess, sys, time
from pathlib import Path

def test_that_starts():
    daemon = [sys.executable, "-c", "import time; time.sleep(600)"]
    pid = subprocess.Popen(daemon, start_new_session=True).pid
    Path("new").write_text(str(pid))
    Path("new").rename("pid")
    time.sleep(600)
"""


def run(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """pytest on ``test`` as it is run here, with its temporary folders in ``folder``/tmp."""
    return subprocess.run(
        command(folder, test, *options),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def command(folder: Path, test: str, *options: str) -> list[str]:
    """That pytest."""
    file = folder / "test_it.py"
    file.write_text(test)
    return [
        *(sys.executable, "-m", "pytest", "-v", "-p", "tests.session", "-p", "no:cacheprovider"),
        *(f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={folder}", *options, str(file)),
    ]


def environment(folder: Path) -> dict[str, str]:
    """Its environment variables."""
    (folder / "tmp").mkdir(exist_ok=True)
    outer = {name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")}
    return outer | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}


def test_what_one_has_sent_is_looked_for_in_the_logs_of_the_other(tmp_path: Path) -> None:
    done = run(tmp_path, SHARED, "-n2", f"--basetemp={tmp_path / 'shared'}")
    assert "[gw0]" in done.stdout
    assert "[gw1]" in done.stdout
    assert "2 passed" in done.stdout
    assert "PERSONAL DATA IN LOGS, of 1 numbers and texts" in done.stdout
    assert "Text: what a tenant writes." in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("workers", [pytest.param("-n0", marks=only_long), "-n1"])
def test_a_run_has_temporary_folders_of_its_own_and_deletes_them_when_green(
    tmp_path: Path, workers: str
) -> None:
    done = run(tmp_path, IN_A_FOLDER.replace("WORKS", "True"), workers)
    assert done.returncode == 0, done.stdout
    base = (tmp_path / "base").read_text()
    assert base.startswith(f"{tmp_path}/tmp/tests-")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_temporary_folders_of_a_failed_run_are_kept_and_named(tmp_path: Path) -> None:
    done = run(tmp_path, IN_A_FOLDER.replace("WORKS", "False"), "-n0")
    base = (tmp_path / "base").read_text()
    assert f"temporary folders of this run: {base}" in done.stdout
    assert Path(base).is_dir()


def test_the_temporary_folder_that_is_given_is_used_and_kept(tmp_path: Path) -> None:
    given = tmp_path / "given"
    done = run(tmp_path, IN_A_FOLDER.replace("WORKS", "True"), "-n0", f"--basetemp={given}")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "base").read_text() == str(given)
    assert given.is_dir()


@pytest.mark.parametrize(
    ("signal", "workers"),
    [
        (Signals.SIGTERM, "-n0"),
        pytest.param(Signals.SIGTERM, "-n1", marks=only_long),
        pytest.param(Signals.SIGKILL, "-n0", marks=only_long),
        (Signals.SIGKILL, "-n1"),
    ],
)
async def test_what_a_killed_run_has_started_ends(
    tmp_path: Path, workers: str, signal: Signals
) -> None:
    pid = tmp_path / "pid"
    with (tmp_path / "out").open("w") as output:
        killed = await create_subprocess_exec(
            *command(tmp_path, STARTS, workers),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=output,
            stderr=output,
        )
        await until(pid.exists)
        started = psutil.Process(int(pid.read_text()))
        killed.send_signal(signal)
        await until(lambda: not started.is_running() or started.status() == psutil.STATUS_ZOMBIE)
        assert await killed.wait() == -signal
