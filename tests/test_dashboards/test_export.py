"""Dashboards for a Prometheus in which the orchestrator's job has another name."""

import json
import subprocess
import sys
from pathlib import Path

from alerts.model import Dashboard
from dashboards.queries import of_all, panels
from tests.not_empty import not_empty
from tests.project import ROOT


def exported(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dashboards", "export", "--output", str(folder), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_query_asks_for_the_other_name(tmp_path: Path) -> None:
    done = exported(tmp_path / "out", "--job", "orchestrator=sms-api")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(file.read_text()) for file in (tmp_path / "out").glob("*.json")]
    assert {document["uid"] for document in not_empty(documents)} == set(Dashboard)
    texts = [
        target["expr"]
        for document in documents
        for panel in panels(document)
        for target in panel["targets"]
    ]
    named = [text for text in texts if "sms-api" in text]
    assert not_empty(named)
    assert not any('job="orchestrator"' in text for text in not_empty(texts))
    # Also while nothing of it is known.
    assert {of_all(each)["job"] for each in documents if "job" in of_all(each)} == {"sms-api"}


def test_what_is_no_job_of_ours_is_named(tmp_path: Path) -> None:
    done = exported(tmp_path / "out", "--job", "orchestrater=sms")
    assert done.returncode == 2
    assert "OURS as one of orchestrator" in done.stderr


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    done = exported(tmp_path / "out")
    assert done.returncode == 1
    assert "give a folder to write to" in done.stderr
    assert "Traceback" not in done.stderr
