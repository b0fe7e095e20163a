"""The Makefile: what is typed arrives."""

import os
import subprocess

import pytest

from tests.project import ROOT


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`make`, with a command in Python's place that prints its arguments one a line."""
    command = ["make", "--old-file=.venv/stack", "RUN=printf '%s\\n'", *arguments]
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


def test_make_alone_lists_the_targets() -> None:
    listed = make().stdout
    everyday = ("up", "down", "status", "logs", "fault", "send", "metrics")
    tests = ("test", "test-compose", "test-faults")
    for target in (*everyday, *tests, "generate", "check", "bench", "clean"):
        assert f"  make {target} " in listed
