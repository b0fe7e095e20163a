"""What documents and messages say to type: it ends in words, whatever the machine lacks."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT, environment

HELP = {
    "alerts": "`make generate`",
    "app.logs": "`make generate`",
    "asgi_observability.log_query": "pip install 'asgi-observability[logs-query]'",
    "dashboards": "`make generate`",
    "deploy": "`make generate`",
}
"""What brings the packages of each; archives of rollups are read where the service runs."""


def python(*arguments: str, stdout: int | None = subprocess.PIPE) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("command", HELP)
def test_what_is_not_installed_is_told_with_what_brings_it(command: str) -> None:
    with python("-S", "-m", command, "--help") as process:
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (2, "")
    (line,) = err.splitlines()
    assert " is not installed: " in line
    assert HELP[command] in line


def test_a_module_of_ours_that_is_gone_is_no_package_to_install(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "__init__.py").touch()
    (tmp_path / "broken" / "command.py").write_text("import broken.gone\n")
    code = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "from asgi_observability.command import run\n"
        "run('broken.command', 'never said')"
    )
    with python("-c", code) as process:
        _, err = process.communicate(timeout=300)
    assert "Traceback" in err
    assert "never said" not in err


COMMANDS = (
    ("alerts", "rules", "--environment", "staging", "--output", "OUT"),
    ("app.logs", "count", "event", "--in", "LOG"),
    ("app.logs", "find", "--in", "LOG"),
    ("dashboards", "diff", "HEAD", "HEAD"),
    ("stack", "capacity", "--sms-per-second", "1", "--instances", "1"),
    ("app.services.rollups", "archives", "--dir", "FOLDER"),
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "service-1.jsonl"
    file.write_text('{"timestamp":"2026-11-29T00:00:00.000Z","event":"request"}\n' * 5000)
    return file


def _on(log: Path, arguments: tuple[str, ...]) -> list[str]:
    places = {"LOG": str(log), "FOLDER": str(log.parent), "OUT": str(log.parent / "out")}
    return [places.get(each, each) for each in arguments]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_reader_who_has_seen_enough_hears_no_complaint(
    arguments: tuple[str, ...], log: Path
) -> None:
    with python("-m", *_on(log, arguments)) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        err = process.stderr.read()
    assert process.returncode == 0
    assert "Error" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_full_disk_is_told_in_a_line(arguments: tuple[str, ...], log: Path) -> None:
    with (
        open("/dev/full", "w", encoding="utf-8") as full,
        python("-m", *_on(log, arguments), stdout=full.fileno()) as process,
    ):
        assert process.stderr
        err = process.stderr.read()
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith("No space left on device: free some space where ")
    assert "Traceback" not in err
