"""What one SMS costs its database."""

import httpx

from app.assembly import Orchestrator
from app.core.config import Settings
from tests.not_empty import not_empty
from tests.sms import sms
from tests.statements import KINDS, cost_of_an_sms, counted, watch
from tests.upstreams import ScriptedUpstreams

AT_MOST = {
    "sqlite": dict(zip(KINDS, (18, 20, 15, 16, 16, 17), strict=True)),
    "postgresql": dict(zip(KINDS, (13, 16, 12, 14, 14, 15), strict=True)),
}
"""All that the driver is given: statements, BEGIN and COMMIT."""


async def test_an_sms_takes_no_more_statements_than_it_is_allowed(
    orchestrator: Orchestrator,
    client: httpx.AsyncClient,
    settings: Settings,
    upstreams: ScriptedUpstreams,
) -> None:
    """The figures are a promise: each is not more than before facts were counted with their SMS.

    Every statement to PostgreSQL is a round trip that all 100 SMS at once wait for, and on SQLite
    all of them wait for one writer. Who needs one more says so by changing the figure here and in
    docs/performance.md.
    """
    watch(orchestrator.database.engine)
    # Connections are opened and asked about beside the SMS that needs the first of them.
    await cost_of_an_sms(orchestrator, client, upstreams, "queued", 0)
    at_most = AT_MOST[settings.database.get_backend_name()]
    for number, (kind, most) in enumerate(not_empty(at_most.items()), 1):
        sent = await cost_of_an_sms(orchestrator, client, upstreams, kind, number)
        assert 3 < sent.total <= most, (kind, sent)


async def test_the_next_message_of_a_conversation_costs_no_more(
    orchestrator: Orchestrator,
    client: httpx.AsyncClient,
    settings: Settings,
    upstreams: ScriptedUpstreams,
) -> None:
    """It also ends what was answered before, and is held against the plans of before."""
    watch(orchestrator.database.engine)
    at_most = AT_MOST[settings.database.get_backend_name()]
    for kind in not_empty(KINDS):
        await cost_of_an_sms(orchestrator, client, upstreams, kind, 1)
    upstreams.requests.clear()
    other = sms(1, "Can I pay 210 a week for 8 weeks?")
    upstreams.confidence = 0.95
    with counted() as sent:
        answer = await client.post("/orchestrate/sms-received", json=other)
    assert answer.json()["status"] == "sent"
    assert sent.total <= at_most["sent, with a plan"], sent


async def test_a_message_that_is_delivered_again_costs_a_look(
    orchestrator: Orchestrator,
    client: httpx.AsyncClient,
    settings: Settings,
    upstreams: ScriptedUpstreams,
) -> None:
    watch(orchestrator.database.engine)
    await cost_of_an_sms(orchestrator, client, upstreams, "sent", 1)
    sent = await cost_of_an_sms(orchestrator, client, upstreams, "sent", 1)
    assert sent.total <= (5 if settings.database.get_backend_name() == "postgresql" else 4), sent
