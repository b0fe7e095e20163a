"""What the end of a session looks for, where several processes have shared the tests."""

import os
import subprocess
import sys
from pathlib import Path

from tests.project import ROOT

SHARED = """
from tests import personal_data

def test_one_process_sends():
    personal_data.note({"content": "what a tenant writes"})

def test_another_one_logs():
    (personal_data.LOG_FOLDER / "service-1.jsonl").write_text("Text: what a tenant writes.")
"""


def test_what_one_has_sent_is_looked_for_in_the_logs_of_the_other(tmp_path: Path) -> None:
    shared = tmp_path / "test_shared.py"
    shared.write_text(SHARED)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n2", "-v", "-p", "tests.conftest"),
            *("-p", "no:cacheprovider", f"--basetemp={tmp_path / 'shared'}"),
            *(f"--config-file={ROOT / 'pyproject.toml'}", f"--rootdir={tmp_path}", str(shared)),
        ],
        cwd=ROOT,
        env={name: v for name, v in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "[gw0]" in done.stdout
    assert "[gw1]" in done.stdout
    assert "2 passed" in done.stdout
    assert "PERSONAL DATA IN LOGS, of 1 numbers and texts" in done.stdout
    assert "Text: what a tenant writes." in done.stdout
    assert done.returncode == 1
