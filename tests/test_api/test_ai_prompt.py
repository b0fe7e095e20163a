"""What the AI is told before it answers a tenant."""

import httpx
import pytest

from app.core.config import PaymentPlanLimits, Settings
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A landlord's own limits of payment plans."""
    limits = PaymentPlanLimits(max_weeks=6, min_weekly_dollars=49.5)
    return settings.model_copy(update={"payment_plans": limits})


async def test_the_ai_offers_no_plan_that_would_be_refused(
    client: httpx.AsyncClient, upstreams: ScriptedUpstreams
) -> None:
    answer = await client.post("/orchestrate/sms-received", json=SMS)
    assert answer.status_code == 200
    (asked,) = [body for path, _, body in upstreams.requests if path == "/v1/chat/completions"]
    told = str(asked["messages"])
    assert "at most 6 weeks at $49.5 a week" in told
    assert "12" not in told
