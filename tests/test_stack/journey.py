"""The path from an SMS to a notification and back to quiet, on any running stack."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from app.core import catalogue

T = TypeVar("T")
FAULT, ALERT = "ai_errors", "AIProviderFailing"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the components of a stack are."""

    app: str
    receiver: str
    prometheus: str
    alertmanager: str
    token: str


def walk(stack: Addresses, *, scrape_seconds: float) -> None:
    """Go the whole way; AssertionError says where it ended. Prints when each station was reached.

    ``scrape_seconds`` is the stack's scrape and evaluation interval.
    """
    print(f"\n{'seconds':>8}  station")
    began = time.monotonic()
    slack = 60 + 4 * scrape_seconds

    def reached(station: str, ask: Callable[[], T], within: float) -> T:
        answer = _poll(station, ask, within)
        print(f"{time.monotonic() - began:>8.1f}  {station}", flush=True)
        return answer

    httpx.delete(f"{stack.receiver}/faults").raise_for_status()
    httpx.delete(f"{stack.receiver}/alerts").raise_for_status()
    reached(
        "every target is scraped",
        lambda: len(_query(stack, "up == 1")) == 4 and not _query(stack, "up == 0"),
        slack,
    )
    # What was scraped since, and not the end of a synthetic history, which has counted far more.
    processed = catalogue.SMS_PROCESSING_DURATION.count
    sent = f"sum({processed} and timestamp({processed}) > {time.time()})"
    before = reached("Prometheus counts SMS", lambda: _value(stack, sent), slack)
    reached("and more of them", lambda: (_value(stack, sent) or 0) > before, slack)
    answer = _metrics(stack)
    assert answer["last_hour"]["sms_received"] > 0, answer
    assert _notifications(stack, ALERT, "firing") == []

    httpx.put(f"{stack.receiver}/faults/{FAULT}").raise_for_status()
    reached("the alert fires in Prometheus", lambda: _alert(stack, "firing"), 60 + slack)
    reached("Alertmanager has it", lambda: _in_alertmanager(stack), slack)
    notification, *_ = reached(
        "the receiver has the notification", lambda: _notifications(stack, ALERT, "firing"), slack
    )
    assert notification["labels"]["severity"] == "page"
    annotations = notification["annotations"]
    assert "AI provider" in annotations["summary"]
    assert "%" in annotations["description"], "the description carries the value"
    assert annotations["runbook_url"] == f"{stack.receiver}/runbooks/{ALERT}"
    runbook = httpx.get(annotations["runbook_url"]).raise_for_status()
    assert ALERT in runbook.text
    httpx.get(annotations["dashboard_url"], follow_redirects=True).raise_for_status()

    httpx.delete(f"{stack.receiver}/faults").raise_for_status()
    reached(
        "the resolution has arrived",
        lambda: _notifications(stack, ALERT, "resolved"),
        # The breaker's minute, the rule's minute, the five for which the alert is kept firing, and
        # Alertmanager's group interval.
        480 + slack,
    )


def _metrics(stack: Addresses) -> dict[str, Any]:
    url = f"{stack.app}/orchestrate/metrics"
    headers = {"Authorization": f"Bearer {stack.token}"}
    answer: dict[str, Any] = httpx.get(url, headers=headers).raise_for_status().json()
    return answer


def _poll(station: str, ask: Callable[[], T], within: float) -> T:
    deadline = time.monotonic() + within
    while True:
        try:
            answer = ask()
        except httpx.HTTPError as error:
            answer, seen = None, f"; last error: {error}"
        else:
            seen = ""
        if answer:
            return answer  # type: ignore[return-value]
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {station}{seen}"
        time.sleep(0.25)


def _query(stack: Addresses, expression: str) -> list[dict[str, Any]]:
    url = f"{stack.prometheus}/api/v1/query"
    response = httpx.get(url, params={"query": expression}).raise_for_status()
    result: list[dict[str, Any]] = response.json()["data"]["result"]
    return result


def _value(stack: Addresses, expression: str) -> float | None:
    result = _query(stack, expression)
    return float(result[0]["value"][1]) if result else None


def _alert(stack: Addresses, state: str) -> list[dict[str, Any]]:
    return _query(stack, f'ALERTS{{alertname="{ALERT}",alertstate="{state}"}}')


def _in_alertmanager(stack: Addresses) -> list[dict[str, Any]]:
    url = f"{stack.alertmanager}/api/v2/alerts"
    alerts = httpx.get(url, params={"filter": f"alertname={ALERT}"}).raise_for_status().json()
    return list(alerts)


def _notifications(stack: Addresses, name: str, status: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{stack.receiver}/alerts").raise_for_status().json()
    return [
        alert
        for notification in answer["notifications"]
        for alert in notification["alerts"]
        if alert["labels"]["alertname"] == name and alert["status"] == status
    ]
