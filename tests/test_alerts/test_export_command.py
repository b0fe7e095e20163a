"""`python -m alerts export`: what it refuses, and how it says so."""

from collections.abc import Callable
from pathlib import Path

import pytest

import alerts.__main__
from alerts.notifications.channels import NOBODY_LISTENS

Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `python -m alerts export …`; gives exit code and errors."""

    def run(arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["alerts", "export", *arguments.split()])
        code = alerts.__main__.main()
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("engine", "option", "said"),
    [
        ("prometheus", "--label a=b", "--label is for --for operator"),
        ("mimir", "--label a=b", "--label is for --for operator"),
        ("vmalert", "--namespace sms", "--namespace is for --for operator or mimir"),
        ("prometheus", "--namespace monitoring", "--namespace is for --for operator or mimir"),
        ("mimir", "--vmalert-version 1.79", "--vmalert-version is for --for vmalert"),
        ("vmalert", "--secrets .", "--secrets is for --for operator"),
    ],
)
def test_what_means_nothing_for_the_engine_is_refused(
    run: Run, tmp_path: Path, engine: str, option: str, said: str
) -> None:
    code, err = run(f"--for {engine} --output {tmp_path}/out {option}")
    assert code == 1
    assert err.startswith(f"{said}; for {engine} ")
    assert not (tmp_path / "out").exists()


def test_an_export_for_another_engine_is_not_replaced(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(f"--for mimir --output {out}") == (0, "")
    assert run(f"--for mimir --output {out} --namespace sms") == (0, "")
    before = {file: file.read_bytes() for file in out.iterdir()}
    code, err = run(f"--for prometheus --output {out}")
    assert (code, err) == (
        1,
        f"{out} holds an export for mimir; give --for prometheus a folder of its own, or delete "
        "this one\n",
    )
    assert {file: file.read_bytes() for file in out.iterdir()} == before


def test_files_that_no_export_made_are_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "theirs.yml").write_bytes(b"# \xff\n")
    code, err = run(f"--for prometheus --output {tmp_path}")
    assert (code, err) == (
        1,
        f"{tmp_path}/theirs.yml was not made by an export; choose another --output\n",
    )


def test_it_says_that_nobody_listens_and_what_is_misspelt(run: Run, tmp_path: Path) -> None:
    """As `python -m alerts notifications` does, which reads the same folder."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "webhook_url").write_text("https://pager.example/hook")
    (secrets / "watchdog_ulr").write_text("https://heartbeat.example")
    asked = f"--for operator --output {tmp_path}/out --secrets {secrets}"
    assert run(asked) == (
        0,
        f"{secrets}/watchdog_ulr switches nothing on; did you mean watchdog_url?\n"
        f"{NOBODY_LISTENS}\n",
    )
    (secrets / "watchdog_ulr").rename(secrets / "watchdog_url")
    assert run(asked) == (0, "")
