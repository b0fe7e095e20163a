"""What this stack's Grafana gets that nobody else's does."""

import json
from pathlib import Path
from typing import Any

import pytest

from alerts.model import Dashboard
from app.core.config import Links
from app.core.synthetic_history import SYNTHETIC_HISTORY
from prometheus_tools.yaml_reading import read_yaml
from stack import grafana
from stack.native import NativeBackend
from tests.not_empty import not_empty
from tests.project import ROOT

COMMITTED = ROOT / "grafana"
LINKS = Links(runbooks_url="http://127.0.0.1:9999/runbooks")


def dashboards(folder: Path, *, with_loki: bool) -> dict[str, dict[str, Any]]:
    """The dashboards that the stack writes, by uid."""
    grafana.write_dashboards(COMMITTED / "dashboards", folder, LINKS, with_loki=with_loki)
    written = [json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")]
    return {document["uid"]: document for document in written}


def test_its_alerts_lead_to_the_runbooks_that_it_serves(tmp_path: Path) -> None:
    overview = dashboards(tmp_path, with_loki=True)[Dashboard.OVERVIEW]
    assert "http://127.0.0.1:9999/runbooks/" in json.dumps(overview)


def test_what_is_synthetic_is_marked_here_and_nowhere_else(tmp_path: Path) -> None:
    written = dashboards(tmp_path, with_loki=True)
    for uid in not_empty(set(Dashboard) - {Dashboard.LOGS}):
        marks = written[uid]["annotations"]["list"]
        assert [mark["expr"] for mark in marks][-1] == f"max({SYNTHETIC_HISTORY.name})"
    for file in not_empty(list((COMMITTED / "dashboards").glob("*.json"))):
        assert SYNTHETIC_HISTORY.name not in file.read_text(encoding="utf-8")


def test_without_a_loki_the_logs_say_what_they_need_and_nothing_is_in_error(
    tmp_path: Path,
) -> None:
    (note,) = dashboards(tmp_path, with_loki=False)[Dashboard.LOGS]["panels"]
    assert "targets" not in note
    assert "COMPOSE_PROFILES=logs" in note["options"]["content"]
    grafana.write_provisioning(COMMITTED / "provisioning", tmp_path / "p", with_loki=False)
    sources = [read_yaml(file.read_text()) for file in (tmp_path / "p").rglob("*source*/*.yml")]
    assert [source["type"] for each in sources for source in each["datasources"]] == ["prometheus"]
    assert "loki" not in json.dumps(sources)
    # Grafana logs an error for each of its folders that is not there.
    folders = {folder.name for folder in (tmp_path / "p").iterdir()}
    assert folders == {"alerting", "dashboards", "datasources", "plugins"}


@pytest.mark.parametrize("folder", ["dashboards", "datasources"])
def test_with_a_loki_the_provisioning_is_the_committed_one(tmp_path: Path, folder: str) -> None:
    grafana.write_provisioning(COMMITTED / "provisioning", tmp_path / "p", with_loki=True)
    for file in not_empty(list((COMMITTED / "provisioning" / folder).iterdir())):
        assert (tmp_path / "p" / folder / file.name).read_bytes() == file.read_bytes()


def test_grafana_added_later_leaves_prometheus_its_targets(tmp_path: Path) -> None:
    """A Prometheus that runs watches the folder: one in its place would be seen minutes later."""
    backend = NativeBackend(ROOT, tmp_path, {})
    backend._write_prometheus(with_grafana=False)
    targets = tmp_path / "run" / "prometheus" / "targets"
    before = targets.stat().st_ino
    backend._write_linked(with_grafana=True)
    assert targets.stat().st_ino == before
    assert {file.stem for file in targets.iterdir()} >= {"orchestrator", "prometheus"}
    assert (tmp_path / "run" / "prometheus" / "rules").is_dir()
