"""Which alerts are held back by which, decided by a real Alertmanager."""

import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from alerts.identity import IDENTITY
from alerts.model import Severity, alert_names
from alerts.notifications.inhibition import Inhibition, inhibitions
from alerts.paths import ALERTMANAGER_CONFIG
from alerts.rules import RULESET
from alerts.signals import groups
from app.core.thresholds import Thresholds
from tests.not_empty import not_empty
from tests.test_alerts.alertmanager_process import alertmanager
from tests.waiting import until

Labels = dict[str, str]

OURS = dict([RULESET])
ORCHESTRATOR = {**OURS, "job": "orchestrator"}
PAGE, TICKET = {"severity": "page"}, {"severity": "ticket"}

ORCHESTRATOR_DOWN = {**ORCHESTRATOR, **PAGE, "alertname": "ServiceDown"}
NODE_DOWN = {**OURS, **TICKET, "alertname": "TargetDown", "job": "node"}
PROMETHEUS_DOWN = {**NODE_DOWN, "job": "prometheus"}
RULES_FAIL = {**OURS, **PAGE, "alertname": "RuleEvaluationFailing", "job": "prometheus"}
WATCHDOG = {**OURS, "alertname": "Watchdog", "severity": "info"}
CROWDED = {**ORCHESTRATOR, **PAGE, "alertname": "SMSConcurrencyHigh"}
A_BIT_CROWDED = {**CROWDED, **TICKET}
LAST = {**CROWDED, "job": "last"}
AI_FAILING = {
    **ORCHESTRATOR,
    **PAGE,
    "alertname": "AIProviderFailing",
    "component": "ai_provider",
}
AI_BREAKER = {**AI_FAILING, **TICKET, "alertname": "CircuitBreakerOpen"}
SMS_AGENT_BREAKER = {**AI_BREAKER, "component": "sms_agent"}
SMS_AGENT_FAILING = {**SMS_AGENT_BREAKER, "alertname": "UpstreamFailing"}
AI_QUOTA = {**AI_BREAKER, "alertname": "AIQuotaNearlyUsed"}
DATABASE_FAILING = {**ORCHESTRATOR, **PAGE, "alertname": "DatabaseFailing"}
REQUESTS_FAIL = {**ORCHESTRATOR, **PAGE, "alertname": "ReleaseFailing"}
FAILED_FOR_AI = {
    **ORCHESTRATOR,
    **PAGE,
    "alertname": "SMSWorkflowsFailing",
    "cause": "ai_provider",
}
FAILED_FOR_OTHER = {**FAILED_FOR_AI, "cause": "other"}


def burn(slo: str, window: str) -> Labels:
    """A budget that burns at the pace of ``window``."""
    return {
        **ORCHESTRATOR,
        **(PAGE if window in ("1h", "6h") else TICKET),
        "alertname": f"{slo}BudgetBurn",
        "slo": {
            "Availability": "availability",
            "SMSLatency": "sms_latency",
            "AIAnswers": "ai_answers",
            "SMSDelivery": "sms_delivery",
        }[slo],
        "window": window,
    }


def names(alerts: list[Labels]) -> list[str]:
    """What they are called."""
    return sorted(alert["alertname"] for alert in alerts)


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.Client]:
    """Of a running Alertmanager with the committed configuration, and no alerts."""
    async with alertmanager(tmp_path, ALERTMANAGER_CONFIG) as client:
        yield client


async def held_back(client: httpx.Client, *alerts: Labels) -> list[Labels]:
    """Those of ``alerts``, all firing at once, that nobody is notified of."""

    def post(*labels: Labels) -> None:
        client.post("/api/v2/alerts", json=[{"labels": each} for each in labels]).raise_for_status()

    def inhibited() -> list[Labels]:
        known = client.get("/api/v2/alerts").raise_for_status().json()
        return [alert["labels"] for alert in known if alert["status"]["inhibitedBy"]]

    post(*alerts)
    # Alertmanager takes note of sources one after the other, after it has answered: once it knows
    # this one, it knows those before.
    post({**ORCHESTRATOR_DOWN, "job": "last"}, LAST)
    await until(lambda: LAST in inhibited())
    return [labels for labels in inhibited() if labels != LAST]


async def test_a_service_that_is_down_has_no_symptoms(client: httpx.Client) -> None:
    silent = await held_back(
        client,
        ORCHESTRATOR_DOWN,
        CROWDED,
        AI_FAILING,
        SMS_AGENT_BREAKER,
        burn("Availability", "1h"),
    )
    assert names(silent) == [
        *("AIProviderFailing", "AvailabilityBudgetBurn", "CircuitBreakerOpen"),
        "SMSConcurrencyHigh",
    ]


async def test_what_else_is_down_is_told(client: httpx.Client) -> None:
    assert await held_back(client, ORCHESTRATOR_DOWN, NODE_DOWN, WATCHDOG) == []


@pytest.mark.parametrize(
    "place", [{"environment": "staging"}, {"environment": "production", "cluster": "eu-2"}]
)
async def test_what_is_down_elsewhere_silences_nothing_here(
    client: httpx.Client, place: Labels
) -> None:
    here = {"environment": "production", "cluster": "eu-1"}
    of_here = {**CROWDED, **here}
    told = [{**ORCHESTRATOR_DOWN, **place}, of_here, {**AI_FAILING, **place}, AI_QUOTA]
    assert await held_back(client, *told) == [{**AI_FAILING, **place}]


@pytest.mark.parametrize("job", [{}, {"job": ""}, {"job": "orchestrator"}])
async def test_an_alert_of_others_silences_nothing_of_ours(
    client: httpx.Client, job: Labels
) -> None:
    """Whatever it is called, and though a label that is missing on both sides is equal."""
    foreign: Labels = {"alertname": "ServiceDown", "team": "orchestrator", **PAGE, **job}
    their_ai = {**foreign, "alertname": "AIProviderFailing", "component": "ai_provider"}
    without_job = {name: value for name, value in CROWDED.items() if name != "job"}
    ours = [WATCHDOG, RULES_FAIL, CROWDED, without_job, AI_BREAKER, burn("AIAnswers", "1h")]
    assert await held_back(client, foreign, their_ai, *ours) == []


async def test_nothing_of_others_is_silenced_by_ours(client: httpx.Client) -> None:
    theirs = {"alertname": "Slow", "job": "orchestrator", **PAGE}
    assert await held_back(client, ORCHESTRATOR_DOWN, theirs) == []


async def test_the_watchdog_is_never_held_back(client: httpx.Client) -> None:
    """Not even where Prometheus gives every alert a job of its own."""
    of_a_job = {**WATCHDOG, "job": "orchestrator"}
    loud = [ORCHESTRATOR_DOWN, AI_FAILING, DATABASE_FAILING]
    assert not {"Watchdog"} & {*names(await held_back(client, *loud, WATCHDOG, of_a_job))}


async def test_trouble_of_the_monitoring_silences_nothing_of_the_service(
    client: httpx.Client,
) -> None:
    told = (NODE_DOWN, PROMETHEUS_DOWN, RULES_FAIL, CROWDED, AI_BREAKER)
    assert await held_back(client, *told) == []


async def test_a_failing_upstream_silences_its_own_breaker_only(client: httpx.Client) -> None:
    silent = await held_back(client, AI_FAILING, AI_BREAKER, SMS_AGENT_BREAKER, AI_QUOTA)
    assert silent == [AI_BREAKER]


async def test_a_failing_upstream_that_calls_nobody_does_so_too(client: httpx.Client) -> None:
    assert await held_back(client, SMS_AGENT_FAILING, SMS_AGENT_BREAKER) == [SMS_AGENT_BREAKER]


async def test_an_open_breaker_silences_nothing(client: httpx.Client) -> None:
    assert await held_back(client, SMS_AGENT_BREAKER, CROWDED) == []


async def test_a_page_silences_the_ticket_of_the_same_thing(client: httpx.Client) -> None:
    elsewhere = {**A_BIT_CROWDED, "job": "another"}
    assert await held_back(client, CROWDED, A_BIT_CROWDED, elsewhere) == [A_BIT_CROWDED]


async def test_a_disk_that_is_full_silences_that_disk_only(client: httpx.Client) -> None:
    disk = {**OURS, "alertname": "NodeDiskFull", "job": "node", "device": "sda", "mountpoint": "/"}
    on = [{**disk, "instance": instance} for instance in ("a:9100", "b:9100")]
    silent = await held_back(client, {**on[0], **PAGE}, *({**each, **TICKET} for each in on))
    assert silent == [{**on[0], **TICKET}]


async def test_a_dead_ai_provider_calls_once(client: httpx.Client) -> None:
    effects = [FAILED_FOR_AI, burn("AIAnswers", "1h"), burn("SMSLatency", "1h")]
    silent = await held_back(client, AI_FAILING, *effects)
    assert names(silent) == names(effects)


async def test_a_dead_ai_provider_hides_nothing_that_fails_for_another_reason(
    client: httpx.Client,
) -> None:
    others = [FAILED_FOR_OTHER, burn("SMSDelivery", "1h"), burn("Availability", "1h")]
    silent = await held_back(client, AI_FAILING, *others)
    # Delivery is what fails in these workflows, so that is told by the workflows.
    assert silent == [burn("SMSDelivery", "1h")]


async def test_workflows_that_fail_for_the_ai_do_not_explain_that_answers_stay(
    client: httpx.Client,
) -> None:
    assert await held_back(client, FAILED_FOR_AI, burn("SMSDelivery", "1h")) == []


async def test_a_dead_database_calls_once(client: httpx.Client) -> None:
    effects = [
        FAILED_FOR_OTHER,
        burn("Availability", "1h"),
        burn("SMSLatency", "6h"),
    ]
    silent = await held_back(client, DATABASE_FAILING, *effects)
    assert names(silent) == names(effects)


async def test_a_cause_that_calls_nobody_holds_no_budget_back(client: httpx.Client) -> None:
    assert await held_back(client, {**REQUESTS_FAIL, **TICKET}, burn("Availability", "1h")) == []


async def test_of_a_burning_budget_the_fastest_pace_is_told(client: httpx.Client) -> None:
    paces = [burn("Availability", window) for window in ("1h", "6h", "3d")]
    silent = await held_back(client, *paces)
    assert sorted(alert["window"] for alert in silent) == ["3d", "6h"]


async def test_of_a_budget_that_burns_slower_as_well(client: httpx.Client) -> None:
    found = await held_back(client, *(burn("Availability", window) for window in ("6h", "3d")))
    assert [alert["window"] for alert in found] == ["3d"]


async def test_another_budget_is_told(client: httpx.Client) -> None:
    assert await held_back(client, burn("Availability", "1h"), burn("AIAnswers", "3d")) == []


@pytest.mark.parametrize("rule", inhibitions(), ids=lambda rule: " ".join(rule.target))
def test_nothing_silences_itself(rule: Inhibition) -> None:
    """No alert is both, whatever its labels; Alertmanager's own rule for that is hard to follow."""
    both = (*rule.source_matchers, *rule.target_matchers)
    assert [labels for labels in not_empty(_conceivable()) if _is(labels, both)] == []


@pytest.mark.parametrize("rule", inhibitions(), ids=lambda rule: " ".join(rule.target))
def test_what_has_to_be_equal_is_there(rule: Inhibition) -> None:
    """A label that both sides lack is equal; only that there is one place may be known so."""
    for matchers in (rule.source_matchers, rule.target_matchers):
        assert RULESET[0] in {each.split("=")[0] for each in matchers}
        for name in {*rule.equal} - {*IDENTITY, "alertname"}:
            assert f'{name}!=""' in matchers


def test_inhibitions_name_alerts_that_exist() -> None:
    known = alert_names(groups(Thresholds()))
    named = re.findall(r'alertname!?=~?"([\w|]+)"', ALERTMANAGER_CONFIG.read_text())
    assert {alert for each in not_empty(named) for alert in each.split("|")} <= known


def _conceivable() -> Iterator[Labels]:
    known = alert_names(groups(Thresholds())) | {"UpstreamFailing", "CircuitBreakerFlapping"}
    values = {
        "alertname": sorted(known),
        "severity": Severity,
        "slo": ("", "availability", "sms_latency", "ai_answers", "sms_delivery"),
        "window": ("", "1h", "6h", "3d"),
        "cause": ("ai_provider", "other"),
    }
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _is(labels: Labels, matchers: tuple[str, ...]) -> bool:
    return all(_matches(matcher, labels) for matcher in matchers)


def _matches(matcher: str, labels: Labels) -> bool:
    parsed = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
    assert parsed, matcher
    name, operator, value = parsed.groups()
    if name not in labels:
        return True  # as if it had whatever is asked for
    match operator:
        case "=~":
            return bool(re.fullmatch(value, labels[name]))
        case "!~":
            return not re.fullmatch(value, labels[name])
        case "!=":
            return labels[name] != value
        case _:
            return labels[name] == value
