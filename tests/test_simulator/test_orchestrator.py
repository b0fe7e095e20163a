"""The orchestrator itself on top of the simulated upstreams."""

import asyncio
from pathlib import Path

import httpx

from app.core.config import Settings
from app.main import create_app
from simulator.faults import Upstream
from tests.sms import sms
from tests.test_simulator.conftest import Simulation, quiet_settings, simulating


async def test_texts_go_through_the_whole_workflow(tmp_path: Path) -> None:
    async with simulating(quiet_settings()) as simulation:
        await _send_texts(simulation, tmp_path)


async def _send_texts(simulation: Simulation, tmp_path: Path) -> None:
    urls = {upstream: client.base_url for upstream, client in simulation.upstreams.items()}
    settings = Settings.model_validate(
        {
            "database_url": f"sqlite:///{tmp_path}/orchestrator.db",
            "collections_monitor_url": str(urls[Upstream.COLLECTIONS_MONITOR]),
            "sms_agent_url": str(urls[Upstream.SMS_AGENT]),
            "notification_service_url": str(urls[Upstream.NOTIFICATION_SERVICE]),
            "ai_provider_url": str(urls[Upstream.AI]),
            "metrics_access": {"open_on_loopback": True},
        }
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app", timeout=60) as client,
    ):

        async def send(number: int) -> tuple[str, str]:
            message = sms(number, "Can I get a few more days?")
            answer = await client.post("/orchestrate/sms-received", json=message)
            assert answer.is_success
            return message["conversation_id"], answer.json()["status"]

        outcomes = await asyncio.gather(*map(send, range(30)))

    everything = await simulation.upstreams[Upstream.SMS_AGENT].get("/sms/sent")
    sent = {text["conversation_id"] for text in everything.json()["messages"]}
    assert {status for _, status in outcomes} <= {"sent", "awaiting_approval", "escalated"}
    answered = {conversation for conversation, status in outcomes if status == "sent"}
    assert answered == sent != set()
