"""Where alerts go and which are held back, as a real Alertmanager with our configuration says."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from alerts.rules import RULESET
from prometheus_tools.scratch_alertmanager import scratch_alertmanager
from prometheus_tools.yaml_reading import read_yaml

Alert = frozenset[tuple[str, str]]
"""An alert's labels."""
State = frozenset[Alert]
"""Alerts that fire at the same time."""

_TAKEN_WITHIN_SECONDS = 120
_LAST = "last"
_POSTED_AT_ONCE = 500


class Routing:
    """What Alertmanager says of each alert in each state: its receivers, and is it held back?"""

    def __init__(self, said: Mapping[tuple[State, Alert], tuple[tuple[str, ...], bool]]) -> None:
        self._said = said

    def receivers(self, state: State, alert: Alert) -> tuple[str, ...]:
        return self._said[state, alert][0]

    def is_inhibited(self, state: State, alert: Alert) -> bool:
        return self._said[state, alert][1]


def routing(states: Iterable[State], config: str, templates: Path) -> Routing:
    """Ask an Alertmanager with ``config`` of all ``states`` at once.

    They are told apart by the alerts' ``job``, which every inhibition and every group compares.
    """
    numbered = list(dict.fromkeys(state for state in states if state))
    if not numbered:
        return Routing({})
    posted = [
        _of_state(alert, str(number)) for number, state in enumerate(numbered) for alert in state
    ]
    said: dict[tuple[State, Alert], tuple[tuple[str, ...], bool]] = {}
    with TemporaryDirectory(prefix="alertmanager-") as name:
        folder = Path(name)
        (folder / templates.name).symlink_to(templates.resolve())
        file = folder / "alertmanager.yml"
        file.write_text(_never_sending(config), encoding="utf-8")
        with scratch_alertmanager(folder, file) as address:
            for first in range(0, len(posted), _POSTED_AT_ONCE):
                _post(address, posted[first : first + _POSTED_AT_ONCE])
            _wait_until_taken(address, posted)
            for known in _alerts(address):
                number, _, job = known["labels"]["job"].partition("|")
                if number == _LAST:
                    continue
                labels = {**known["labels"], "job": job}
                alert = frozenset((k, v) for k, v in labels.items() if v)
                receivers = tuple(receiver["name"] for receiver in known["receivers"])
                held_back = bool(known["status"]["inhibitedBy"])
                said[numbered[int(number)], alert] = receivers, held_back
    return Routing(said)


def _of_state(alert: Alert, name: str) -> dict[str, str]:
    labels = dict(alert)
    return {**labels, "job": f"{name}|{labels.get('job', '')}"}


def _never_sending(config: str) -> str:
    """``config`` with waits so long that nothing goes out."""
    document: dict[str, Any] = read_yaml(config)

    def slow(route: dict[str, Any]) -> None:
        route |= {"group_wait": "24h", "group_interval": "24h"}
        for each in route.get("routes", ()):
            slow(each)

    slow(document["route"])
    return yaml.safe_dump(document)


def _wait_until_taken(address: str, posted: Sequence[Mapping[str, str]]) -> None:
    """Alertmanager takes note of what inhibits one after the other, after it has answered.

    Once it knows the last, it knows those before.
    """
    names = dict.fromkeys(labels["alertname"] for labels in posted)
    both = [
        {"alertname": name, "severity": severity, "job": _LAST, **dict([RULESET])}
        for name in (*names, "ServiceDown", "AvailabilityBudgetBurn", "SMSWorkflowsFailing")
        for severity in ("page", "ticket")
    ]
    _post(address, both)
    deadline = time.monotonic() + _TAKEN_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if any(
            a["labels"]["job"] == _LAST and a["status"]["inhibitedBy"] for a in _alerts(address)
        ):
            return
        time.sleep(0.05)
    raise TimeoutError("no ticket is held back by its page: is there no such inhibition any more?")


def _post(address: str, labels: Sequence[Mapping[str, str]]) -> None:
    body = json.dumps([{"labels": each} for each in labels])
    _request(address, "POST", "/api/v2/alerts", body)


def _alerts(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_request(address, "GET", "/api/v2/alerts"))
    return found


def _request(address: str, method: str, path: str, body: str | None = None) -> bytes:
    connection = HTTPConnection(address, timeout=_TAKEN_WITHIN_SECONDS)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != HTTPStatus.OK:
            raise ValueError(f"Alertmanager answered {response.status}: {answer[:500]!r}")
        return answer
    finally:
        connection.close()
