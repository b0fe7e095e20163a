"""The control API: faults, traffic, runbooks, and what it does with bad input."""

from pathlib import Path

import pytest

from tests.test_simulator.conftest import Simulation, quiet_settings, simulating


async def _active(simulation: Simulation) -> list[str]:
    faults = (await simulation.control.get("/faults")).json()["faults"]
    return [fault["name"] for fault in faults if fault["active"]]


async def test_faults_are_listed_and_switched(simulation: Simulation) -> None:
    assert await _active(simulation) == []
    answer = await simulation.control.put("/faults/ai_errors")
    assert answer.json()["active"] is True
    assert answer.json()["description"]
    await simulation.switch_on("ai_errors")
    await simulation.switch_on("sms_agent_down")
    assert await _active(simulation) == ["ai_errors", "sms_agent_down"]

    assert (await simulation.control.delete("/faults/ai_errors")).json()["active"] is False
    assert await _active(simulation) == ["sms_agent_down"]
    await simulation.control.delete("/faults")
    assert await _active(simulation) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_an_unknown_fault_is_answered_with_the_names(
    simulation: Simulation, method: str
) -> None:
    answer = await simulation.control.request(method, "/faults/ai_eror")
    assert answer.status_code == 404
    assert "ai_eror" in answer.json()["detail"]
    assert "ai_errors" in answer.json()["detail"]


async def test_traffic_rate_is_set_and_shown(simulation: Simulation) -> None:
    await simulation.control.put("/traffic", json={"messages_per_minute": 0.5})
    shown = (await simulation.control.get("/traffic")).json()
    assert shown["messages_per_minute"] == 0.5
    assert shown["sent"] == shown["failed"] == 0


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b'{"messages_per_minute": -1}', "messages_per_minute", "greater than or equal to 0"),
        (b'{"messages_per_minute": 1e9}', "messages_per_minute", "less than or equal to 6000"),
        (b'{"messages_per_minute": NaN}', "messages_per_minute", "finite"),
        (b'{"messages_per_minute": "fast"}', "messages_per_minute", "valid number"),
        (b'{"rate": 1, "messages_per_minute": 1}', "rate", "not permitted"),
        (b"{}", "messages_per_minute", "required"),
        (b"not JSON", "body", "JSON"),
        (b"[1]", "body", "object"),
    ],
)
async def test_bad_traffic_rates_are_explained(
    simulation: Simulation, body: bytes, field: str, rule: str
) -> None:
    answer = await simulation.control.put("/traffic", content=body)
    assert answer.status_code == 422
    assert field in answer.json()["detail"][0]["field"]
    assert rule in answer.json()["detail"][0]["problem"]
    assert (await simulation.control.get("/traffic")).json()["messages_per_minute"] == 0


async def test_runbooks_are_served(tmp_path: Path) -> None:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "SomeAlert.md").write_text("# What to do")
    (tmp_path / "secret.md").write_text("secret")
    async with simulating(quiet_settings(runbooks_dir=tmp_path / "runbooks")) as simulation:
        found = await simulation.control.get("/runbooks/SomeAlert")
        linked = await simulation.control.get("/runbooks/SomeAlert.md")
        missing = await simulation.control.get("/runbooks/OtherAlert")
        outside = await simulation.control.get("/runbooks/..%2Fsecret")

    assert (found.status_code, found.text) == (200, "# What to do")
    assert linked.text == found.text
    assert found.headers["Content-Type"].startswith("text/plain")
    assert missing.status_code == outside.status_code == 404
