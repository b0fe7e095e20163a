"""The Makefile: what is typed arrives, and what fails stops it, also with GNU make 3.81."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.length import only_long
from tests.project import ROOT
from tests.test_stack.checkouts import Checkout, copied_to


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`make`, with a command in Python's place that prints its arguments one a line."""
    command = ["make", "--old-file=.venv/stack", "STARTED=yes", "RUN=printf '%s\\n'", *arguments]
    # As typed into a shell, also where these tests are run by make.
    shell = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd=ROOT, env=shell, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "text",
    ["can I pay $200 a week?", 'it\'s "fine"; # `no` $(shell echo no) %s \\', "¿cuánto debo?"],
)
def test_the_text_of_an_sms(text: str) -> None:
    assert make("send", f"TEXT={text}").stdout.splitlines()[-1] == text


def test_a_missing_text_is_asked_for() -> None:
    refused = make("send")
    assert refused.returncode != 0
    assert "make send TEXT=" in refused.stderr


def test_a_level_without_its_logger_is_refused() -> None:
    refused = make("log-level", "LEVEL=debug")
    assert refused.returncode != 0
    assert "make log-level LOGGER=app.clients LEVEL=debug" in refused.stderr
    assert make("log-level").returncode == 0


def test_make_alone_lists_the_targets() -> None:
    listed = make().stdout
    everyday = ("up", "down", "status", "logs", "fault", "send", "metrics")
    tests = ("test", "test-compose", "test-faults")
    for target in (*everyday, *tests, "generate", "check", "bench", "clean"):
        assert f"  make {target} " in listed


MAKE_381 = ".SHELLFLAGS=-c"
"""GNU make 3.81 knows no .SHELLFLAGS: it starts the shell with -c alone."""


@pytest.mark.parametrize(
    "requirements",
    [*(pytest.param(each, marks=only_long) for each in ("stack", "preview")), "dev"],
)
def test_a_pip_that_fails_stops_make_and_leaves_no_stamp(tmp_path: Path, requirements: str) -> None:
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    python = venv / "bin" / "python"
    python.write_text("#!/bin/sh\necho Collecting nothing\necho no such host >&2\nexit 3\n")
    python.chmod(0o755)
    (venv / "python").touch()
    stand_in = f"VENV={venv}", f"RUN={python}"
    failed = make(*stand_in, MAKE_381, f"{venv}/{requirements}")
    assert failed.returncode != 0
    assert "no such host" in failed.stderr
    assert f"requirements/{requirements}.txt could not be installed" in failed.stderr
    assert "installed requirements" not in failed.stdout
    assert not (venv / requirements).exists()
    python.write_text("#!/bin/sh\necho Collecting nothing\n")
    assert make(*stand_in, MAKE_381, f"{venv}/{requirements}").returncode == 0
    assert (venv / requirements).exists()


def test_a_python_that_makes_no_environment_stops_make(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ]\n')
    python.chmod(0o755)
    venv = tmp_path / "venv"
    failed = make(f"PYTHON={python}", f"VENV={venv}", MAKE_381, f"{venv}/python")
    assert failed.returncode != 0
    assert f"{venv} can't be made; make VENV=" in failed.stderr
    assert not venv.exists()


@pytest.fixture(scope="module")
def not_started(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which nothing is installed; what is asked of it changes nothing in it."""
    checkout = copied_to(tmp_path_factory.mktemp("checkout") / "sms")
    (checkout.path / ".venv").unlink()
    (checkout.path / ".tools").unlink()
    for compiled in list(checkout.path.rglob("__pycache__")):
        shutil.rmtree(compiled)
    return checkout


@pytest.mark.parametrize(
    ("command", "code"),
    [("down", 0), ("status", 2), ("logs", 2), ("fault", 2), ("replay", 2), ("clean", 0)],
)
def test_where_nothing_was_started_that_is_said_and_nothing_is_installed(
    not_started: Checkout, command: str, code: int
) -> None:
    there = sorted(not_started.path.iterdir())
    asked = not_started.make(command, "YES=1", "RUN=echo installing")
    said = "nothing to delete" if command == "clean" else "nothing runs here"
    assert said in asked.stdout + asked.stderr
    assert "installing" not in asked.stdout + asked.stderr
    assert asked.returncode == code
    assert sorted(not_started.path.iterdir()) == there


def test_nothing_that_make_381_does_not_know() -> None:
    makefile = (ROOT / "Makefile").read_text()
    # The 3.82 release and those after it brought these.
    newer = r"^\.(SHELLFLAGS|ONESHELL|RECIPEPREFIX)|[^:]::=|!=|^define \w+ *=|^undefine|\$\(file "
    assert re.findall(newer, makefile, re.MULTILINE) == []


def test_every_line_with_a_pipe_fails_with_any_of_its_commands() -> None:
    recipes = re.sub(r"\\\n", " ", (ROOT / "Makefile").read_text())
    piped = [line for line in recipes.splitlines() if re.match(r"\t.*[^|]\|[^|]", line)]
    installing = [line for line in piped if "pip install" in line]
    assert installing
    assert all("set -o pipefail" in line for line in installing)


def test_a_misspelt_variable_is_named_with_the_right_one() -> None:
    refused = make("up", "APP_PROT=9000")
    assert refused.returncode != 0
    assert "APP_PROT: there is no such variable; did you mean APP_PORT?" in refused.stderr
