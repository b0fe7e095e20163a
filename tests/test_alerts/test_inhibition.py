"""Which alerts are held back by which, decided by a real Alertmanager."""

import re
from collections.abc import AsyncIterator, Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest

from alerts.model import Severity, alert_names, records
from alerts.notifications.inhibition import INHIBITIONS, THE_SAME_THING, Inhibition
from alerts.paths import ALERTMANAGER_CONFIG
from alerts.prometheus_config import scrape_seconds
from alerts.rules import alert_expr
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.thresholds import Thresholds
from tests.not_empty import not_empty
from tests.test_alerts.alertmanager_process import alertmanager
from tests.waiting import until

Labels = dict[str, str]

ORCHESTRATOR_DOWN = {"alertname": "ServiceDown", "severity": "page", "job": "orchestrator"}
NODE_DOWN = {"alertname": "TargetDown", "severity": "ticket", "job": "node"}
PROMETHEUS_DOWN = {"alertname": "TargetDown", "severity": "ticket", "job": "prometheus"}
RULES_FAIL = {"alertname": "RuleEvaluationFailing", "severity": "page", "job": "prometheus"}
WATCHDOG = {"alertname": "Watchdog", "severity": "info"}
SLOW = {"alertname": "SMSProcessingSlow", "severity": "page", "job": "orchestrator"}
A_BIT_SLOW = {**SLOW, "severity": "ticket"}
LAST = {**SLOW, "job": "last"}
AI_FAILING = {
    "alertname": "AIProviderFailing",
    "severity": "page",
    "job": "orchestrator",
    "component": "ai_provider",
}
AI_BREAKER = {**AI_FAILING, "alertname": "CircuitBreakerOpen", "severity": "ticket"}
SMS_AGENT_BREAKER = {**AI_BREAKER, "component": "sms_agent"}
SMS_AGENT_FAILING = {**SMS_AGENT_BREAKER, "alertname": "UpstreamFailing"}
AI_QUOTA = {**AI_BREAKER, "alertname": "AIQuotaNearlyUsed"}


def burn(slo: str, window: str) -> Labels:
    """A budget that burns at the pace of ``window``."""
    return {
        "alertname": f"{slo}BudgetBurn",
        "severity": "page" if window in ("1h", "6h") else "ticket",
        "job": "orchestrator",
        "slo": slo.lower(),
        "window": window,
    }


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
    silent = await held_back(client, ORCHESTRATOR_DOWN, SLOW, AI_FAILING, SMS_AGENT_BREAKER)
    assert sorted(alert["alertname"] for alert in silent) == [
        *("AIProviderFailing", "CircuitBreakerOpen", "SMSProcessingSlow")
    ]


async def test_what_else_is_down_is_told(client: httpx.Client) -> None:
    assert await held_back(client, ORCHESTRATOR_DOWN, NODE_DOWN, WATCHDOG) == []


async def test_trouble_of_the_monitoring_silences_nothing_of_the_service(
    client: httpx.Client,
) -> None:
    assert await held_back(client, NODE_DOWN, PROMETHEUS_DOWN, RULES_FAIL, SLOW, AI_BREAKER) == []


async def test_a_failing_upstream_silences_its_own_breaker_only(client: httpx.Client) -> None:
    silent = await held_back(client, AI_FAILING, AI_BREAKER, SMS_AGENT_BREAKER, AI_QUOTA)
    assert silent == [AI_BREAKER]


async def test_a_failing_upstream_that_calls_nobody_does_so_too(client: httpx.Client) -> None:
    assert await held_back(client, SMS_AGENT_FAILING, SMS_AGENT_BREAKER) == [SMS_AGENT_BREAKER]


async def test_an_open_breaker_silences_nothing(client: httpx.Client) -> None:
    assert await held_back(client, SMS_AGENT_BREAKER, SLOW) == []


async def test_a_page_silences_the_ticket_of_the_same_thing(client: httpx.Client) -> None:
    elsewhere = {**A_BIT_SLOW, "job": "another"}
    of_one_upstream = {**A_BIT_SLOW, "component": "sms_agent"}
    assert await held_back(client, SLOW, A_BIT_SLOW, elsewhere, of_one_upstream) == [A_BIT_SLOW]


async def test_of_a_burning_budget_the_fastest_pace_is_told(client: httpx.Client) -> None:
    paces = [burn("Availability", window) for window in ("1h", "6h", "1d", "3d")]
    silent = await held_back(client, *paces)
    assert sorted(alert["window"] for alert in silent) == ["1d", "3d", "6h"]


@pytest.mark.parametrize(
    ("firing", "silent"), [(("6h", "1d", "3d"), ["1d", "3d"]), (("1d", "3d"), ["3d"])]
)
async def test_of_a_budget_that_burns_slower_as_well(
    client: httpx.Client, firing: tuple[str, ...], silent: list[str]
) -> None:
    found = await held_back(client, *(burn("Availability", window) for window in firing))
    assert sorted(alert["window"] for alert in found) == silent


async def test_another_budget_is_told(client: httpx.Client) -> None:
    others = [burn("AIAnswers", window) for window in ("6h", "1d")]
    silent = await held_back(client, burn("Availability", "1h"), *others)
    assert silent == [burn("AIAnswers", "1d")]


def test_what_tells_two_alerts_of_a_name_apart_is_compared() -> None:
    """Else a page about one thing would silence the ticket about another."""
    all_groups = groups(Thresholds())
    semantics = Semantics(records(all_groups), scrape_seconds())
    labels: dict[str, set[str]] = {}
    severities: dict[str, set[Severity]] = {}
    for signal, threshold in ((s, t) for g in all_groups for s in g.signals for t in s.thresholds):
        kept = semantics.labels(alert_expr(signal, threshold)) or frozenset()
        labels.setdefault(threshold.alert, set()).update(kept, threshold.labels)
        severities.setdefault(threshold.alert, set()).add(threshold.severity)
    both = {name for name, of in severities.items() if {Severity.PAGE, Severity.TICKET} <= of}
    assert "AvailabilityBudgetBurn" in both
    for alert in not_empty(both):
        missing = labels[alert] - {*THE_SAME_THING, "window"}
        assert missing == set(), f"{alert}: add it to THE_SAME_THING in inhibition.py"


@pytest.mark.parametrize("rule", INHIBITIONS, ids=lambda rule: rule.reason)
def test_nothing_silences_itself(rule: Inhibition) -> None:
    """No alert is both, whatever its labels; Alertmanager's own rule for that is hard to follow."""
    conceivable = not_empty(_conceivable())
    assert [labels for labels in conceivable if _is(rule.source, labels, rule.target)] == []


def _conceivable() -> Iterator[Labels]:
    names = alert_names(groups(Thresholds())) | {"UpstreamFailing"}
    labels = product(sorted(names), Severity, ("", "x"), ("", "x"), ("", "1h", "6h", "1d", "3d"))
    for name, severity, component, slo, window in labels:
        yield {
            "alertname": name,
            "severity": severity,
            "component": component,
            "slo": slo,
            "window": window,
        }


def _is(source: tuple[str, ...], labels: Labels, target: tuple[str, ...]) -> bool:
    return all(_matches(matcher, labels) for matcher in (*source, *target))


def _matches(matcher: str, labels: Labels) -> bool:
    parsed = re.fullmatch(r'(\w+)(=~|!=|=)"(.*)"', matcher)
    assert parsed, matcher
    name, operator, value = parsed.groups()
    match operator:
        case "=~":
            return bool(re.fullmatch(value, labels[name]))
        case "!=":
            return labels[name] != value
        case _:
            return labels[name] == value
