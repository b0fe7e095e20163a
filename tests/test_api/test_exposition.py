"""`GET /metrics`: both formats, and nothing that the catalogue does not declare."""

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

from app.core.catalogue import metrics
from tests.not_empty import not_empty
from tests.sms import sms

PLAN = sms(17, "Can I pay 200 a week for 8 weeks?")
DECLARED = {metric.name: metric for metric in metrics()}


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain", prometheus_text),
        ("text/plain;version=0.0.4", "text/plain", prometheus_text),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics", openmetrics),
    ],
)
async def test_the_scraper_chooses_the_format(
    client: httpx.AsyncClient,
    accept: str,
    content_type: str,
    parse,  # type: ignore[no-untyped-def]
) -> None:
    await client.post("/orchestrate/sms-received", json=PLAN)
    response = await client.get("/metrics", headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith(content_type)
    families = {family.name for family in parse(response.text)}
    assert families == {name.removesuffix("_total") for name in DECLARED}


async def test_labels_and_values_are_those_of_the_catalogue(client: httpx.AsyncClient) -> None:
    await client.post("/orchestrate/sms-received", json=PLAN)
    await client.get("/nowhere")
    families = prometheus_text((await client.get("/metrics")).text)
    labelled = [
        (DECLARED.get(family.name) or DECLARED[f"{family.name}_total"], name, value)
        for family in families
        for sample in family.samples
        for name, value in sample.labels.items()
        if name != "le"
    ]
    for metric, name, value in not_empty(labelled):
        allowed = metric.label(name).values
        assert allowed is None or value in allowed, (metric.name, name, value)


async def test_nothing_personal_and_nothing_unbounded_is_exposed(
    client: httpx.AsyncClient,
) -> None:
    await client.post("/orchestrate/sms-received", json=PLAN)
    await client.get("/orchestrate/workflow/conversation-17/status")
    exposed = (await client.get("/metrics")).text
    assert "\norchestrator_sms_received_total 1.0\n" in exposed
    for value in (*PLAN.values(), PLAN["phone_number"].removeprefix("+")):
        assert value not in exposed


async def test_invented_paths_and_methods_make_no_series(client: httpx.AsyncClient) -> None:
    await client.get("/nowhere/0")
    await client.request("BREW0", "/nowhere")
    before = (await client.get("/metrics")).text.count("\n")
    for number in range(50):
        await client.get(f"/nowhere/{number}")
        await client.request(f"BREW{number}", "/nowhere")
    exposed = (await client.get("/metrics")).text
    # The scrape before has added its own series, nothing else has.
    own = exposed.count('http_route="/metrics"')
    assert exposed.count("\n") - before <= own
    assert 'http_request_method="other",http_response_status_code="404"' in exposed
    overflows = 'instrumentation_label_overflows_total{label="http_request_method"} 51.0'
    assert overflows in exposed


async def test_statements_that_may_fail_have_a_zero_before_they_do(
    client: httpx.AsyncClient,
) -> None:
    """The first burst of failures is an increase only of what was there before."""
    exposed = (await client.get("/metrics")).text
    for operation in ("select", "insert", "update", "delete", "other"):
        labels = f'component="database",error_type="database",operation="{operation}"'
        assert f"\noperation_errors_total{{{labels}}} 0.0\n" in exposed
