"""Who may hand in texts, read conversations and decide: each token only what it is for."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from app.assembly import Orchestrator
from app.core.config import MetricsAccess, Settings
from app.models import ApprovalAudit, EscalationEvent
from tests.application import application
from tests.sms import SMS
from tests.test_api.test_bad_input import POSTS
from tests.upstreams import ScriptedUpstreams

RECEIVE = "/orchestrate/sms-received"
ACTS = [("POST", path) for path in (*POSTS, "/orchestrate/retry-failed") if path != RECEIVE] + [
    ("GET", path)
    for path in (
        "/orchestrate/workflow/conversation-1/status",
        "/orchestrate/workflows/failed",
        "/orchestrate/responses/waiting",
        "/orchestrate/escalations/open",
    )
]
HOLDERS = {
    "prometheus": "",
    "webhook": "receive",
    "back-office": "act",
    "manager-3": "manager",
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Access does not depend on the database."""
    return sqlite_url


def bearer(holder: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {holder}-0123456789abcdef"}


@pytest.fixture
async def serving(
    settings: Settings, tmp_path: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, Orchestrator]]:
    """A client on another machine, of an orchestrator that knows the tokens of all holders."""
    (tokens := tmp_path / "tokens").write_text(
        "".join(f"{name}:{name}-0123456789abcdef {scope}\n" for name, scope in HOLDERS.items())
    )
    access = MetricsAccess(tokens_file=tokens, open_on_loopback=True)
    async with application(settings.model_copy(update={"metrics_access": access})) as made:
        yield made


async def test_a_stranger_can_t_text_tenants_decide_or_read(
    serving: tuple[httpx.AsyncClient, Orchestrator], upstreams: ScriptedUpstreams
) -> None:
    client, _ = serving
    for method, path in [("POST", RECEIVE), *ACTS]:
        for headers in ({}, bearer("nobody")):
            refused = await client.request(method, path, content=b"{", headers=headers)
            assert refused.status_code == 401, path
            assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert upstreams.requests == []


async def test_a_token_opens_what_it_is_for_and_says_what_it_lacks(
    serving: tuple[httpx.AsyncClient, Orchestrator],
) -> None:
    client, _ = serving
    allowed = {
        "prometheus": set(),
        "webhook": {RECEIVE},
        "back-office": {path for _, path in ACTS},
        "manager-3": {path for _, path in ACTS},
    }
    for holder, opened in allowed.items():
        for method, path in [("POST", RECEIVE), *ACTS]:
            body = {"json": POSTS.get(path, {})} if method == "POST" else {}
            answer = await client.request(method, path, headers=bearer(holder), **body)  # type: ignore[arg-type]
            refused = "this token isn't for this" in answer.text
            assert refused == (path not in opened), (holder, path)
            if path not in opened:
                needed = "receive" if path == RECEIVE else "act"
                assert f"it needs `{needed}`" in answer.json()["error"]["message"]
    for holder in ("webhook", "back-office", "manager-3"):
        assert (await client.get("/metrics", headers=bearer(holder))).status_code == 403


async def test_a_machine_that_is_open_on_loopback_needs_no_token_there(
    settings: Settings,
) -> None:
    async with application(settings, "127.0.0.1") as (client, _):
        assert (await client.post(RECEIVE, json=SMS)).status_code == 200
        assert (await client.get("/orchestrate/responses/waiting")).status_code == 200
    async with application(settings) as (client, _):
        assert (await client.post(RECEIVE, json=SMS)).status_code == 401


async def test_the_audit_names_the_manager_of_the_token_whatever_the_caller_says(
    serving: tuple[httpx.AsyncClient, Orchestrator], upstreams: ScriptedUpstreams
) -> None:
    client, orchestrator = serving
    upstreams.confidence = 0.7
    await client.post(RECEIVE, json=SMS, headers=bearer("webhook"))
    waiting = await client.get("/orchestrate/responses/waiting", headers=bearer("manager-3"))
    (response,) = waiting.json()["items"]
    decision = {"response_queue_id": response["response_queue_id"], "action": "escalate"}
    path = "/orchestrate/approve-response"
    as_another = {**decision, "manager_id": "manager-4"}
    refused = await client.post(path, json=as_another, headers=bearer("manager-3"))
    assert (refused.status_code, refused.json()["error"]["field"]) == (403, "manager_id")
    unsaid = await client.post(path, json=decision, headers=bearer("back-office"))
    assert (unsaid.status_code, unsaid.json()["error"]["field"]) == (422, "manager_id")
    assert (await client.post(path, json=decision, headers=bearer("manager-3"))).is_success

    listed = await client.get("/orchestrate/escalations/open", headers=bearer("back-office"))
    (escalation,) = listed.json()["items"]
    path = f"/orchestrate/escalations/{escalation['escalation_id']}/resolve"
    refused = await client.post(path, json={"manager_id": "manager-4"}, headers=bearer("manager-3"))
    assert (refused.status_code, refused.json()["error"]["field"]) == (403, "manager_id")
    assert (
        await client.post(path, json={"manager_id": "manager-4"}, headers=bearer("back-office"))
    ).is_success
    async with orchestrator.database.reading() as session:
        assert (await session.scalars(select(ApprovalAudit.manager_id))).all() == ["manager-3"]
        resolved_by = await session.scalars(select(EscalationEvent.resolved_by))
        assert resolved_by.all() == ["manager-4"]
