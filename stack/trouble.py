"""What is wrong with a component that answers: that it is up does not say that it works."""

import hashlib
import re
import struct
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from stack import plain_http, remote_write_lag
from stack.backend import ComponentStatus

YOUNG_SECONDS = 60.0
"""A Prometheus that has been up for less need not have scraped everything."""

STORED_WITHIN_SECONDS = 90.0
"""The last sample is at most this old, at the longest scrape interval that the stack takes."""

CLOCK_SECONDS = 5.0
"""Clocks that differ by more are called wrong."""

_ANSWER_SECONDS = 8.0
"""Longer than the orchestrator waits for a dependency that hangs."""

_UNSENT = "sum by (integration) (increase(alertmanager_notifications_failed_total[5m])) > 0"
_STORED = 'time() - max(timestamp(up{job="prometheus"}))'
_ALWAYS_FIRING = "Watchdog"
_NEVER = "0001-01-01T00:00:00Z"
"""When Prometheus evaluated what it has not evaluated yet."""


def troubles(
    statuses: Sequence[ComponentStatus], token: str, alertmanager_config: Path
) -> dict[str, list[str]]:
    """What is wrong with each component that is up, in words; none where nothing is known to be.

    ``token`` is one that may read the orchestrator's figures.
    """
    up = {status.name: status for status in statuses if status.up and status.url}

    def of_prometheus(url: str) -> Iterator[str]:
        since = up["prometheus"].since
        age = (datetime.now(UTC) - since).total_seconds() if since else YOUNG_SECONDS
        yield from _of_prometheus(url, is_young=0 <= age < YOUNG_SECONDS)

    def of_alertmanager(url: str) -> Iterator[str]:
        yield from _of_alertmanager(url, alertmanager_config)
        if prometheus := up.get("prometheus"):
            yield from _unsent(str(prometheus.url))

    checks: Mapping[str, Callable[[str], Iterator[str]]] = {
        "app": lambda url: _of_app(url, token),
        "prometheus": of_prometheus,
        "alertmanager": of_alertmanager,
    }
    found = {}
    for name, status in up.items():
        its = [*_of_start(status)]
        if check := checks.get(name):
            try:
                its += check(str(status.url))
            except (httpx.HTTPError, ValueError, KeyError) as error:
                its.append(f"can't be asked how it does: {str(error) or type(error).__name__}")
        if its:
            found[name] = its
    return found


def alerts(statuses: Sequence[ComponentStatus]) -> list[str]:
    """The alerts that fire, a line each, and those that will; or a line that says it isn't known.

    An alert is pending until what it is about has lasted for as long as its rule asks.
    """
    prometheus = next((each for each in statuses if each.name == "prometheus"), None)
    if prometheus is None or not prometheus.up or not prometheus.url:
        return ["Alerts: not known, Prometheus does not answer"]
    try:
        groups = _data(f"{prometheus.url}/api/v1/rules")["groups"]
        stored = _query(prometheus.url, _STORED)
        found = [*_active(groups)]
        waiting, slow = _not_evaluated(groups)
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return [f"Alerts: not known, Prometheus says {error}"]
    if waiting:
        return [f"Alerts: not known, rules not evaluated yet{_started(prometheus)}"]
    names = sorted({(each.severity, each.name) for each in found if each.fires})
    if _ALWAYS_FIRING not in {name for _, name in names}:
        return ["Alerts: not known, Prometheus evaluates no rules"]
    if stored and stored[0][1] > STORED_WITHIN_SECONDS:
        # What it answers is of the time before.
        return ["Alerts: not known, Prometheus stores nothing"]
    told = [f"Alert: {name} ({severity})" for severity, name in names if name != _ALWAYS_FIRING]
    more = [*_pending(found, {name for _, name in names})]
    if slow:
        more.append(f"rules not evaluated yet: {', '.join(slow)}{_started(prometheus)}")
    if not told:
        return [f"Alerts: {'; '.join(['none fires', *more])}"]
    return [*told, *([f"Alerts: {'; '.join(more)}"] if more else [])]


@dataclass(frozen=True, slots=True)
class _Alert:
    """An alert that is active: it fires, or it will ``after`` so many seconds."""

    name: str
    severity: str
    fires: bool
    after: float


def _active(groups: Sequence[Any]) -> Iterator[_Alert]:
    """The alerts of the rules that Prometheus has evaluated. Raises KeyError, ValueError."""
    for rule in (each for group in groups for each in group["rules"] if "alerts" in each):
        for alert in rule["alerts"]:
            lasted = time.time() - datetime.fromisoformat(alert["activeAt"]).timestamp()
            severity = alert["labels"].get("severity", "no severity")
            left = max(0.0, rule["duration"] - lasted)
            yield _Alert(rule["name"], severity, alert["state"] == "firing", left)


def _not_evaluated(groups: Sequence[Any]) -> tuple[list[str], list[str]]:
    """The groups with alerts that wait for their first turn: the usual ones, and the slower ones.

    Each has a moment of its own in its first interval. Raises KeyError.
    """
    shortest = min((group["interval"] for group in groups), default=0)
    waiting = [
        group
        for group in groups
        if group["lastEvaluation"] == _NEVER and any("alerts" in each for each in group["rules"])
    ]
    usual = [group["name"] for group in waiting if group["interval"] <= shortest]
    return usual, sorted({group["name"] for group in waiting} - {*usual})


def _pending(found: Sequence[_Alert], firing: Collection[str]) -> Iterator[str]:
    """What will fire where nothing changes, the soonest first; those that fire are told already."""
    soonest: dict[tuple[str, str], float] = {}
    for each in sorted(found, key=lambda alert: alert.after):
        if each.name not in firing:
            soonest.setdefault((each.name, each.severity), each.after)
    if not soonest:
        return
    told = [f"{name} ({severity}) in {s:.0f} s" for (name, severity), s in soonest.items()]
    yield f"{len(told)} pending, to fire if this lasts: {', '.join(told)}"


def _started(status: ComponentStatus) -> str:
    if status.since is None:
        return ""
    return f" (Prometheus started {(datetime.now(UTC) - status.since).total_seconds():.0f} s ago)"


def _of_start(status: ComponentStatus) -> Iterator[str]:
    if status.since and status.since.timestamp() > time.time() + CLOCK_SECONDS:
        yield "it was started in the future: this machine's clock was set back"


def _of_app(url: str, token: str) -> Iterator[str]:
    answer = _get(f"{url}/health/dependencies")
    yield from _of_clock(answer)
    down = {
        name: state["reason"]
        for name, state in answer.json()["dependencies"].items()
        if not state["up"]
    }
    yield from (f"{_words(name)}: {reason}" for name, reason in down.items())
    figures = _get(
        f"{url}/orchestrate/metrics?metrics=health,thresholds",
        headers={"Authorization": f"Bearer {token}"},
    )
    if figures.is_error:
        yield f"its figures can't be read: it answers {figures.status_code}"
        return
    body = figures.json()
    store = body["health"]["rollup_store"]
    if store["state"] != "ok":
        yield f"its counts can't be stored or read: {store['reason']}"
    for name, use in body["health"]["dependencies"].items():
        if use["state"] == "failing" and name not in down:
            told = "" if use["calls"] is None else f": {use['errors']} of {use['calls']}"
            yield f"{_words(name)}: its calls fail{told} in the last 5 minutes"
    for limit in body["thresholds"]:
        if limit["state"] == "critical":
            yield f"{limit['description']}: {limit['value']:.3g}, limit {limit['critical']:g}"


def _of_clock(answer: httpx.Response) -> Iterator[str]:
    """What the time in an answer's head says of the clock of whoever gave it."""
    if not (said := answer.headers.get("Date")):
        return
    ahead = parsedate_to_datetime(said).timestamp() - time.time()
    if abs(ahead) > CLOCK_SECONDS:
        side = "ahead of" if ahead > 0 else "behind"
        yield f"its clock is {abs(ahead):.0f} s {side} this machine's"


def _of_prometheus(url: str, *, is_young: bool) -> Iterator[str]:
    targets = _data(f"{url}/api/v1/targets?state=active")["activeTargets"]
    # It finds its targets some seconds after its start.
    if not targets and not is_young:
        yield "it scrapes nothing: it knows no target"
    for target in targets:
        job = target["labels"]["job"]
        if target["health"] == "down":
            yield f"it can't scrape {job}: {target['lastError']}"
        elif target["health"] != "up" and not is_young:
            yield f"it has never scraped {job}"
    if not is_young and targets:
        stored = _query(url, _STORED)
        if not stored:
            yield "it has stored nothing in the last 5 minutes"
        elif stored[0][1] > STORED_WITHIN_SECONDS:
            yield f"it has stored nothing for {stored[0][1]:.0f} s"
    if not _data(f"{url}/api/v1/alertmanagers")["activeAlertmanagers"] and not is_young:
        yield "it sends alerts to nobody: it knows no Alertmanager"
    exposed = _exposed(url)
    if _metric(exposed, "prometheus_config_last_reload_successful") == 0:
        yield "it runs with an old configuration: the last reload failed"
    yield from remote_write_lag.troubles(exposed, lambda expr: _query(url, expr))


def _of_alertmanager(url: str, config: Path) -> Iterator[str]:
    exposed = _exposed(url)
    if _metric(exposed, "alertmanager_config_last_reload_successful") == 0:
        yield "it runs with an old configuration: the last reload failed"
        return
    runs_with = _metric(exposed, "alertmanager_config_hash")
    if runs_with is not None and config.exists() and runs_with != _hash(config.read_bytes()):
        yield f"it runs with another configuration than {config.name}; `make up` reloads it"


def _unsent(prometheus_url: str) -> Iterator[str]:
    try:
        found = _query(prometheus_url, _UNSENT)
    except (httpx.HTTPError, ValueError, KeyError):
        return  # said of Prometheus
    for labels, count in found:
        yield f"{labels['integration']} took no notification {count:.0f} times in 5 minutes"


def _hash(content: bytes) -> float:
    """As Alertmanager makes a number of its configuration: 48 bits, which a float can hold."""
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return float(struct.unpack("<Q", digest[:6] + b"\0\0")[0])


def _exposed(url: str) -> str:
    return _get(f"{url}/metrics").raise_for_status().text


def _metric(exposed: str, name: str) -> float | None:
    """A gauge without labels that a component exposes; None where it has none."""
    found = re.search(rf"^{name} (\S+)$", exposed, re.MULTILINE)
    return float(found[1]) if found else None


def _query(url: str, expr: str) -> list[tuple[dict[str, str], float]]:
    """The series that Prometheus has for ``expr`` now."""
    result = _data(f"{url}/api/v1/query?{httpx.QueryParams(query=expr)}")["result"]
    return [(each["metric"], float(each["value"][1])) for each in result]


def _data(url: str) -> Any:
    return _get(url).raise_for_status().json()["data"]


def _get(url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    # Components are on this machine: no proxy from the environment leads to them.
    return plain_http.client().get(url, headers=headers, timeout=_ANSWER_SECONDS)


def _words(name: str) -> str:
    return name.replace("_", " ")
