"""Which alerts are held back by which, decided by a real Alertmanager."""

import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from alerts.model import Severity, Threshold, alert_names
from alerts.notifications.inhibition import Inhibition, inhibitions
from alerts.paths import ALERTMANAGER_CONFIG
from alerts.promql import seconds
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
QUEUE_OLD = {**ORCHESTRATOR, **PAGE, "alertname": "ApprovalQueueOld"}
QUEUE_OLDISH = {**QUEUE_OLD, **TICKET}
LAST = {**QUEUE_OLD, "job": "last"}
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
FAILED_FOR_AI = {
    **ORCHESTRATOR,
    **PAGE,
    "alertname": "SMSWorkflowsFailing",
    "cause": "ai_provider",
}
FAILED_FOR_SMS_AGENT = {**FAILED_FOR_AI, "cause": "sms_agent"}
FAILED_FOR_OTHER = {**FAILED_FOR_AI, "cause": "other"}


def _thresholds() -> Iterator[Threshold]:
    return (t for group in groups(Thresholds()) for s in group.signals for t in s.thresholds)


_BUDGETS = {"AvailabilityBudgetBurn", "SMSLatencyBudgetBurn"}
_EXPLAINS = {
    "AIProviderFailing": {"SMSWorkflowsFailing", "SMSLatencyBudgetBurn"},
    "DatabaseFailing": {"SMSWorkflowsFailing", *_BUDGETS},
    "SMSWorkflowsFailing": _BUDGETS,
    "ReleaseFailing": _BUDGETS,
    "ReleaseSlow": _BUDGETS,
}
"""The pages that a cause holds back."""
_WINDOWS = sorted(
    {window for t in _thresholds() if (window := t.labels.get("window"))}, key=seconds
)
"""In which budgets burn, the fastest first."""


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
        QUEUE_OLD,
        AI_FAILING,
        SMS_AGENT_BREAKER,
        burn("Availability", "1h"),
    )
    assert names(silent) == [
        *("AIProviderFailing", "ApprovalQueueOld", "AvailabilityBudgetBurn", "CircuitBreakerOpen")
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
    of_here = {**QUEUE_OLD, **here}
    told = [{**ORCHESTRATOR_DOWN, **place}, of_here, {**AI_FAILING, **place}, AI_QUOTA]
    assert await held_back(client, *told) == [{**AI_FAILING, **place}]


@pytest.mark.parametrize("job", [{}, {"job": ""}, {"job": "orchestrator"}])
async def test_an_alert_of_others_silences_nothing_of_ours(
    client: httpx.Client, job: Labels
) -> None:
    """Whatever it is called, and though a label that is missing on both sides is equal."""
    foreign: Labels = {"alertname": "ServiceDown", "team": "orchestrator", **PAGE, **job}
    their_ai = {**foreign, "alertname": "AIProviderFailing", "component": "ai_provider"}
    without_job = {name: value for name, value in QUEUE_OLD.items() if name != "job"}
    ours = [WATCHDOG, RULES_FAIL, QUEUE_OLD, without_job, AI_BREAKER, burn("AIAnswers", "1h")]
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
    told = (NODE_DOWN, PROMETHEUS_DOWN, RULES_FAIL, QUEUE_OLD, AI_BREAKER)
    assert await held_back(client, *told) == []


async def test_a_failing_upstream_silences_its_own_breaker_only(client: httpx.Client) -> None:
    silent = await held_back(client, AI_FAILING, AI_BREAKER, SMS_AGENT_BREAKER, AI_QUOTA)
    assert silent == [AI_BREAKER]


async def test_a_failing_upstream_that_calls_nobody_does_so_too(client: httpx.Client) -> None:
    assert await held_back(client, SMS_AGENT_FAILING, SMS_AGENT_BREAKER) == [SMS_AGENT_BREAKER]


async def test_an_open_breaker_silences_nothing(client: httpx.Client) -> None:
    assert await held_back(client, SMS_AGENT_BREAKER, QUEUE_OLD) == []


async def test_a_page_silences_the_ticket_of_the_same_thing(client: httpx.Client) -> None:
    elsewhere = {**QUEUE_OLDISH, "job": "another"}
    assert await held_back(client, QUEUE_OLD, QUEUE_OLDISH, elsewhere) == [QUEUE_OLDISH]


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
    others = [burn("SMSDelivery", "1h"), burn("Availability", "1h")]
    assert await held_back(client, AI_FAILING, FAILED_FOR_AI, *others) == [FAILED_FOR_AI]
    # The SMS Agent spends these budgets too.
    silent = await held_back(client, AI_FAILING, FAILED_FOR_SMS_AGENT, *others)
    assert FAILED_FOR_SMS_AGENT not in silent
    assert all(budget in silent for budget in others)


async def test_workflows_that_fail_hide_no_service_that_fails(client: httpx.Client) -> None:
    """Only where the SMS Agent takes no text do managers' requests fail for the same reason."""
    budgets = [burn("SMSDelivery", "1h"), burn("Availability", "1h")]
    assert await held_back(client, FAILED_FOR_OTHER, *budgets) == budgets[:1]


async def test_workflows_that_fail_for_the_ai_do_not_explain_that_answers_stay(
    client: httpx.Client,
) -> None:
    assert await held_back(client, FAILED_FOR_AI, burn("SMSDelivery", "1h")) == []


async def test_a_dead_database_calls_once(client: httpx.Client) -> None:
    budgets = [burn("Availability", "1h"), burn("SMSLatency", "6h")]
    effects = [FAILED_FOR_AI, FAILED_FOR_OTHER, *budgets]
    silent = await held_back(client, DATABASE_FAILING, *effects)
    assert names(silent) == names(effects)


async def test_a_cause_that_calls_nobody_holds_no_budget_back(client: httpx.Client) -> None:
    told = ({**DATABASE_FAILING, **TICKET}, burn("Availability", "1h"))
    assert await held_back(client, *told) == []


async def test_of_a_burning_budget_the_fastest_pace_is_told(client: httpx.Client) -> None:
    fastest, *slower = (burn("Availability", window) for window in _WINDOWS)
    assert slower
    silent = await held_back(client, fastest, *slower)
    assert sorted(alert["window"] for alert in silent) == sorted(a["window"] for a in slower)


async def test_another_budget_is_told(client: httpx.Client) -> None:
    others = [burn("SMSLatency", window) for window in _WINDOWS]
    silent = await held_back(client, burn("Availability", "1h"), *others)
    assert all(alert["alertname"] == "SMSLatencyBudgetBurn" for alert in not_empty(silent))
    assert others[0] not in silent


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
        missing = {
            name for name in {"job", *rule.same} - {"alertname"} if f'{name}!=""' not in matchers
        }
        assert not missing


@pytest.mark.parametrize("cause", _EXPLAINS)
def test_a_cause_goes_on_for_longer_than_what_it_explains(cause: str) -> None:
    """Else its effects call people when all is over."""
    pages = {t.alert: t for t in _thresholds() if t.severity is Severity.PAGE}
    for effect in not_empty(_EXPLAINS[cause] & pages.keys()):
        # A budget's fastest page remembers 5 minutes.
        is_budget = "slo" in pages[effect].matchers
        needed = 300 if is_budget else seconds(pages[effect].keep_firing) + 120
        assert seconds(pages[cause].keep_firing) >= needed, f"{cause} is over before {effect}"


def test_inhibitions_name_alerts_that_exist() -> None:
    known = alert_names(groups(Thresholds()))
    named = re.findall(r'alertname!?=~?"([\w|]+)"', ALERTMANAGER_CONFIG.read_text())
    assert {alert for each in not_empty(named) for alert in each.split("|")} <= known


def _conceivable() -> Iterator[Labels]:
    known = alert_names(groups(Thresholds()))
    values = {
        "alertname": sorted(known),
        "severity": Severity,
        "slo": ("", "availability", "sms_latency", "ai_answers", "sms_delivery"),
        "window": ("", "1h", "6h", "3d"),
        "cause": ("ai_provider", "sms_agent", "other"),
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
