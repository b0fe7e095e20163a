"""Files are UTF-8 in any locale: every place that reads or writes text says so."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.length import only_long
from tests.project import ROOT

FOLDERS = ("app", "alerts", "dashboards", "prometheus_tools", "simulator", "stack")
TEXT = {"read_text", "write_text"}
RUNS = {"run", "Popen", "check_output"}
JAPANESE = {"LC_ALL": "ja_JP.EUC-JP", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
PLAIN = JAPANESE | {"LC_ALL": "C"}


def without_encoding(source: str) -> Iterator[int]:
    """The lines at which text is read or written in the encoding of the locale."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if "encoding" in given:
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        modes = [value.value for value in (*node.args, *given.values()) if _is_text(value)]
        is_binary = any("b" in mode for mode in modes if set(mode) <= set("rwaxb+t"))
        opens = name == "open" and not _is_of(node, "os", "gzip", "Image") and bool(modes)
        if name in TEXT or (opens and not is_binary):
            yield node.lineno
        if name in RUNS and {"text", "universal_newlines"} & given.keys():
            yield node.lineno


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_of(node: ast.Call, *owners: str) -> bool:
    return getattr(getattr(node.func, "value", None), "id", None) in owners


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("path.open('w')", True),
        ("open('file', 'r+')", True),
        ("subprocess.run(command, text=True)", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.open('rb')", False),
        ("subprocess.run(command, text=True, encoding='utf-8')", False),
        ("listener.open()", False),
    ],
)
def test_the_search_finds_what_it_should(source: str, found: bool) -> None:
    assert bool(list(without_encoding(source))) is found


def test_no_file_is_read_or_written_in_the_encoding_of_the_locale() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in files
        for line in without_encoding(file.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "locale",
    [pytest.param(JAPANESE, id="japanese"), pytest.param(PLAIN, id="plain", marks=only_long)],
)
@pytest.mark.parametrize(
    "command",
    [
        ("alerts", "rules", "--environment", "staging", "--output", "{folder}/rules"),
        pytest.param(
            ("alerts", "notifications", "--secrets", "{folder}", "--output", "{folder}/alerts.yml"),
            marks=only_long,
        ),
        pytest.param(("app.core.events_reference", "--check"), marks=only_long),
        pytest.param(("app.core.settings_reference", "--check"), marks=only_long),
        pytest.param(
            ("dashboards", "diff", "{root}/grafana/dashboards", "{root}/grafana/dashboards"),
            marks=only_long,
        ),
        # The whole service runs in one of them in test_environment.py.
        pytest.param(("app", "--help"), marks=only_long),
        pytest.param(("simulator", "--help"), marks=only_long),
        ("app.logs", "find", "--in", "{folder}/log.jsonl"),
    ],
    ids=lambda command: command[0],
)
def test_commands_work_in_other_locales(
    tmp_path: Path, command: tuple[str, ...], locale: dict[str, str]
) -> None:
    line = '{"timestamp":"2026-01-01T00:00:00Z","level":"info","event":"grüße \u3042 \U0001f600"}\n'
    (tmp_path / "log.jsonl").write_text(line, encoding="utf-8")
    arguments = [part.format(folder=tmp_path, root=ROOT) for part in command]
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)} | locale,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    written = [file.read_text(encoding="utf-8") for file in tmp_path.rglob("*.yml")]
    assert bool(written) is ("--output" in command)
    assert "" not in written
