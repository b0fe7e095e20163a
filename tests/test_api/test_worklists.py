"""What waits for people can be listed whole, page by page, in an order that is said."""

from datetime import timedelta

import httpx
import pytest

from app.assembly import Orchestrator
from app.core.catalogue import Detection, EscalationType, Severity
from app.models import (
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from tests.test_api.conftest import on_both_databases

LISTS = {
    "/orchestrate/responses/waiting": "response_queue_id",
    "/orchestrate/escalations/open": "escalation_id",
}
COUNT = 7


@pytest.fixture
async def waiting(orchestrator: Orchestrator) -> None:
    """Seven of each, three of which began at the same moment; and what is over already."""
    began = now() - timedelta(hours=1)
    async with orchestrator.database.writing() as session:
        for number in range(COUNT + 2):
            at = began + timedelta(minutes=max(0, number - 2))
            is_over = number >= COUNT
            workflow = WorkflowInstance(
                id=f"workflow-{number}",
                message_key=f"key-{number}",
                conversation_id=f"conversation-{number}",
                tenant_id=f"tenant-{number}",
                phone_number="",
                content="",
                correlation_id=f"correlation-{number}",
                status=WorkflowStatus.AWAITING_APPROVAL,
            )
            session.add(workflow)
            await session.flush()
            session.add(
                QueuedResponse(
                    id=f"entry-{number}",
                    workflow_id=workflow.id,
                    text="On Friday.",
                    confidence=0.7,
                    status=QueueStatus.APPROVED if is_over else QueueStatus.PENDING,
                    created_at=at,
                )
            )
            session.add(
                EscalationEvent(
                    id=f"entry-{number}",
                    conversation_id=workflow.conversation_id,
                    type=EscalationType.PAYMENT_DISPUTE,
                    severity=Severity.HIGH,
                    detection=Detection.AUTO,
                    resolved_at=now() if is_over else None,
                    created_at=at,
                )
            )


@on_both_databases
@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("path", LISTS)
async def test_every_entry_is_on_one_page_in_order(client: httpx.AsyncClient, path: str) -> None:
    expected = [f"entry-{number}" for number in range(COUNT)]
    for limit in (1, 3, 7, 500):
        assert await listed(client, path, limit, "oldest") == expected
        assert await listed(client, path, limit, "newest") == expected[::-1]


async def listed(client: httpx.AsyncClient, path: str, limit: int, order: str) -> list[str]:
    """The IDs of a list, read page by page."""
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = await client.get(path, params={"limit": limit, "order": order, **after})
        page = answer.json()
        assert page["total"] == COUNT
        assert 0 < len(page["items"]) <= limit
        seen += [item[LISTS[path]] for item in page["items"]]
        if page["after"] is None:
            break
        after = {"after": page["after"]}
    return seen


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_can_t_be_a_page_is_refused(client: httpx.AsyncClient, path: str) -> None:
    for parameters, status, field in (
        ({"limit": "0"}, 422, "limit"),
        ({"limit": "501"}, 422, "limit"),
        ({"order": "best"}, 422, "order"),
        ({"after": "nobody"}, 404, "after"),
        ({"after": "no body"}, 422, "after"),
    ):
        refused = await client.get(path, params=parameters)
        assert refused.status_code == status
        assert refused.json()["error"]["field"].split(".")[-1] == field
