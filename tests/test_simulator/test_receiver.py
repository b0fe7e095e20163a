"""The webhook receiver: what it keeps, and what it shows."""

from pathlib import Path
from typing import Any

import pytest

from simulator import receiver
from simulator.receiver import Receiver, Webhook
from tests.test_simulator.conftest import Simulation, quiet_settings, simulating


def notification(name: str, **annotations: str) -> dict[str, Any]:
    """What Alertmanager posts, in short."""
    return {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="{name}"}}',
        "status": "firing",
        "receiver": "webhook",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": name, "severity": "page"},
                "annotations": annotations,
                "startsAt": "2026-01-01T00:00:00Z",
            }
        ],
    }


async def _received(simulation: Simulation) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = (await simulation.control.get("/alerts")).json()["notifications"]
    return kept


async def test_notifications_are_kept_whole_and_in_order(simulation: Simulation) -> None:
    for name in ("First", "Second"):
        answer = await simulation.control.post("/alerts", json=notification(name, summary="s"))
        assert answer.status_code == 200

    first, second = await _received(simulation)
    assert first.pop("received_at") <= second.pop("received_at")
    assert first == notification("First", summary="s")
    assert second == notification("Second", summary="s")

    assert (await simulation.control.delete("/alerts")).status_code == 204
    assert await _received(simulation) == []


async def test_notifications_outlive_the_process(tmp_path: Path) -> None:
    settings = quiet_settings(data_dir=tmp_path)
    async with simulating(settings) as simulation:
        await simulation.control.post("/alerts", json=notification("First"))
        await simulation.control.post("/alerts", json=notification("Second"))
        before = await _received(simulation)
    # A write that was cut off by a crash.
    with (tmp_path / receiver.FILE).open("a") as file:
        file.write('{"status": "firing", "ale')

    async with simulating(settings) as simulation:
        assert await _received(simulation) == before
        await simulation.control.post("/alerts", json=notification("Third"))
    names = [n.alerts[0].labels["alertname"] for n in Receiver(tmp_path).notifications()]
    assert names == ["First", "Second", "Third"]


def test_what_is_cleared_stays_so(tmp_path: Path) -> None:
    first_life = Receiver(tmp_path)
    first_life.keep(Webhook.model_validate(notification("Alert")))
    first_life.clear()
    assert first_life.notifications() == Receiver(tmp_path).notifications() == []


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    first_life = Receiver(tmp_path)
    for number in range(receiver.KEPT + 3):
        first_life.keep(Webhook.model_validate(notification(f"Alert{number}")))
    second_life = Receiver(tmp_path)

    for kept in (first_life.notifications(), second_life.notifications()):
        assert len(kept) == receiver.KEPT
        assert kept[0].alerts[0].labels["alertname"] == "Alert3"
    assert len((tmp_path / receiver.FILE).read_text().splitlines()) == receiver.KEPT


def test_a_notification_that_cannot_be_stored_is_kept_in_memory(tmp_path: Path) -> None:
    kept = Receiver(tmp_path)
    (tmp_path / receiver.FILE).unlink()
    (tmp_path / receiver.FILE).mkdir()

    kept.keep(Webhook.model_validate(notification("Alert")))

    assert len(kept.notifications()) == 1


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"{", "body", "JSON"),
        (b"", "body", "JSON"),
        (b"[]", "body", "object"),
        (b"{}", "alerts", "required"),
        (b'{"alerts": 1}', "alerts", "array"),
        (b'{"alerts": [1]}', "alerts.0", "object"),
        (b'{"alerts": [{"labels": []}]}', "alerts.0.labels", "object"),
        (b'{"alerts": [], "a": "\\ud800"}', "body", "JSON"),
        (b'{"alerts": ' + b"[" * 100_000, "body", "recursion"),
    ],
)
async def test_what_is_no_notification_is_refused(
    simulation: Simulation, body: bytes, field: str, rule: str
) -> None:
    answer = await simulation.control.post("/alerts", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == field
    assert rule in answer.json()["detail"][0]["problem"]
    assert await _received(simulation) == []


async def test_a_notification_without_end_is_refused(simulation: Simulation) -> None:
    answer = await simulation.control.post("/alerts", content=b" " * 2_000_000)
    assert answer.status_code == 413


async def test_numbers_that_json_does_not_know_become_null(simulation: Simulation) -> None:
    await simulation.control.post("/alerts", content=b'{"alerts": [], "a": NaN, "b": [Infinity]}')
    kept = (await _received(simulation))[0]
    assert kept["a"] is None
    assert kept["b"] == [None]


async def test_the_page_shows_notifications_faults_and_traffic(simulation: Simulation) -> None:
    empty = await simulation.control.get("/")
    assert "None so far" in empty.text
    await simulation.control.post(
        "/alerts",
        json=notification(
            "<b>Bold</b>",
            summary="<script>alert(1)</script>",
            runbook_url='http://runbooks.test/a"b',
            dashboard_url="javascript:alert(1)",
        ),
    )
    await simulation.switch_on("ai_errors")
    page = await simulation.control.get("/")

    assert page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page.text
    assert "<script" not in page.text
    assert 'href="http://runbooks.test/a&quot;b"' in page.text
    assert "javascript:" not in page.text
    assert 'ai_errors</td><td><span class="on">on</span>' in page.text
    assert "SMS a minute" in page.text


async def test_dashboard_links_lead_to_the_pictures(tmp_path: Path) -> None:
    async with simulating(quiet_settings(preview_dir=tmp_path)) as simulation:
        before = await simulation.control.get("/d/sms-orchestrator-overview")
        assert before.status_code == 200
        assert "make preview" in before.text

        (tmp_path / "index.html").write_text("<h1>Dashboards</h1>")
        (tmp_path / "overview.png").write_bytes(b"\x89PNG")
        after = await simulation.control.get("/d/sms-orchestrator-overview")
        assert after.headers["location"] == "/preview/index.html#sms-orchestrator-overview"
        index = await simulation.control.get("/preview/index.html")
        assert (index.status_code, index.text) == (200, "<h1>Dashboards</h1>")
        picture = await simulation.control.get("/preview/overview.png")
        assert picture.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "path",
    ["/preview/nothing.png", "/preview/..%2Fsecret.html", "/preview/secret.key", "/d/%3Cx%3E"],
)
async def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "preview"
    folder.mkdir()
    (tmp_path / "secret.html").write_text("secret")
    (folder / "secret.key").write_text("secret")
    async with simulating(quiet_settings(preview_dir=folder)) as simulation:
        assert (await simulation.control.get(path)).status_code == 404
