"""What Prometheus, Alertmanager and the receiver of a stack say of its alerts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from app.core.catalogue import WORKFLOWS_FAILED
from tests.test_stack.journey import Addresses

INFO = "info"
"""The severity of alerts that go to nobody, such as the Watchdog."""

MACHINE = "node"
"""The job that watches the machine under the stacks. Others work on it too, so what is told of it
is not of the fault."""

LAST_SECONDS = 40
"""A firing alert has a sample at each evaluation; this long without one, and it is over."""

Labels = frozenset[tuple[str, str]]
"""What tells an alert from all others."""


@dataclass(frozen=True, slots=True)
class Spell:
    """An alert that fired from ``began`` to ``ended``, in Unix seconds."""

    labels: Labels
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert in a notification that the receiver got at ``at``, in Unix seconds."""

    labels: Labels
    status: str
    at: float


@dataclass(frozen=True, slots=True)
class Message:
    """What a person gets at once: the alerts of a group. ``receiver`` is its route's."""

    receiver: str
    status: str
    at: float
    notices: tuple[Notice, ...]

    @property
    def is_page(self) -> bool:
        """Whether it wakes somebody."""
        return self.receiver == "page"


@dataclass(frozen=True, slots=True)
class Monitoring:
    """How well Prometheus kept up; a machine that is too busy shows here."""

    scrapes: int
    scrapes_failed: int
    slowest_scrape: float
    evaluations_missed: int


class Answers:
    """Asks the components at ``addresses``. Everything raises httpx.HTTPError."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._client = httpx.Client(timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def vector(self, expr: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series that ``expr`` gives now."""
        return [(each["metric"], float(each["value"][1])) for each in self._query(expr)]

    def firing(self) -> set[Labels]:
        """The alerts of the stack that fire in Prometheus now."""
        return {_labels(metric) for metric, _ in self.vector(_FIRING)}

    def spells(self, seconds: float) -> list[Spell]:
        """When each alert fired within the last ``seconds``, in the order in which they began."""
        found = []
        for each in self._query(f"{_FIRING}[{seconds:.0f}s]"):
            times = [float(moment) for moment, _ in each["values"]]
            starts = [
                index
                for index, moment in enumerate(times)
                if not index or moment - times[index - 1] > LAST_SECONDS
            ]
            for start, after in zip(starts, [*starts[1:], len(times)], strict=True):
                found.append(Spell(_labels(each["metric"]), times[start], times[after - 1]))
        return sorted(found, key=lambda spell: spell.began)

    def in_alertmanager(self) -> dict[Labels, bool]:
        """The alerts of the stack that Alertmanager holds; whether each is inhibited."""
        alerts = self._json(f"{self._addresses.alertmanager}/api/v2/alerts")
        return {
            _labels(alert["labels"]): bool(alert["status"]["inhibitedBy"])
            for alert in alerts
            if _counts(alert["labels"])
        }

    def messages(self) -> list[Message]:
        """Every message received about the stack, in the order in which they came."""
        received = self._json(f"{self._addresses.receiver}/alerts")["notifications"]
        return [message for each in received if (message := _message(each)).notices]

    def failed_workflows(self) -> float:
        """How many workflows wait to be run again."""
        return sum((value for _, value in self.vector(f"max({WORKFLOWS_FAILED.name})")), 0.0)

    def run_failed_again(self, since: float) -> None:
        """Run the workflows again that failed ``since``, as their runbook says."""
        self._client.post(
            f"{self._addresses.app}/orchestrate/retry-failed",
            json={"since": datetime.fromtimestamp(since, UTC).isoformat()},
        ).raise_for_status()

    def monitoring(self, seconds: float) -> Monitoring:
        """How Prometheus kept up within the last ``seconds``."""
        window = f"[{seconds:.0f}s]"

        def number(expr: str) -> float:
            return sum((value for _, value in self.vector(expr)), 0.0)

        missed = f"increase(prometheus_rule_group_iterations_missed_total{window})"
        return Monitoring(
            int(number(f"sum(count_over_time(up{window}))")),
            int(number(f"sum(count_over_time(up{window}) - sum_over_time(up{window}))")),
            number(f"max(max_over_time(scrape_duration_seconds{window}))"),
            round(number(f"sum({missed})")),
        )

    def switch_on(self, fault: str) -> None:
        """Switch a fault of the simulator on."""
        self._client.put(f"{self._addresses.receiver}/faults/{fault}").raise_for_status()

    def all_faults_off(self) -> None:
        """Switch every fault off."""
        self._client.delete(f"{self._addresses.receiver}/faults").raise_for_status()

    def _query(self, expr: str) -> list[dict[str, Any]]:
        url = f"{self._addresses.prometheus}/api/v1/query"
        result: list[dict[str, Any]] = self._json(url, query=expr)["data"]["result"]
        return result

    def _json(self, url: str, **parameters: str) -> Any:
        return self._client.get(url, params=parameters).raise_for_status().json()


def name_of(labels: Labels) -> str:
    """The name of an alert."""
    return dict(labels)["alertname"]


def written(labels: Labels) -> str:
    """An alert as PromQL writes it."""
    others = ",".join(f'{key}="{value}"' for key, value in sorted(labels) if key != "alertname")
    return f"{name_of(labels)}{{{others}}}"


_FIRING = f'ALERTS{{alertstate="firing",severity!="{INFO}",job!="{MACHINE}"}}'


def _counts(labels: dict[str, str]) -> bool:
    return labels["severity"] != INFO and labels.get("job") != MACHINE


def _labels(labels: dict[str, str]) -> Labels:
    """The labels without those that only Prometheus's own series of alerts have."""
    return frozenset(labels.items() - {("__name__", "ALERTS"), ("alertstate", "firing")})


def _message(received: dict[str, Any]) -> Message:
    at = datetime.fromisoformat(received["received_at"]).timestamp()
    notices = (
        Notice(_labels(alert["labels"]), alert["status"], at)
        for alert in received["alerts"]
        if _counts(alert["labels"])
    )
    return Message(received["receiver"], received["status"], at, tuple(notices))
