"""What can happen to a world, in words. Minutes count from minute 0 of the scenario."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alerts.scenarios.conditions import Conditions, check_labels, labelled
from alerts.scenarios.counted import whole
from app.core.catalogue import Component, ErrorType
from asgi_observability.metric import Kind, Metric


@dataclass(frozen=True, slots=True)
class Fails:
    """``share`` of the calls of a component fail with ``error``."""

    component: Component
    since: float = 0
    until: float | None = None
    share: float = 1
    error: ErrorType = ErrorType.SERVER_ERROR

    def apply(self, to: Conditions) -> None:
        during = to.during(self.since, self.until)
        to.failing[self.component][during] = self.share
        for step in np.flatnonzero(during):
            to.error[self.component][step] = self.error


@dataclass(frozen=True, slots=True)
class Slow:
    """``share`` of the calls of a component take ``seconds``."""

    component: Component
    seconds: float
    since: float = 0
    until: float | None = None
    share: float = 1

    def apply(self, to: Conditions) -> None:
        during = to.during(self.since, self.until)
        to.seconds[self.component][during] = self.seconds
        to.slow_share[self.component][during] = self.share


@dataclass(frozen=True, slots=True)
class Traffic:
    """``times`` as many SMS as usual; 0 for none."""

    times: float
    since: float = 0
    until: float | None = None

    def apply(self, to: Conditions) -> None:
        to.traffic[to.during(self.since, self.until)] *= self.times


@dataclass(frozen=True, slots=True)
class ServerErrors:
    """``share`` of the requests at a route are answered with 500."""

    share: float
    since: float = 0
    until: float | None = None
    route: str = "/orchestrate/sms-received"

    def apply(self, to: Conditions) -> None:
        shares = to.server_errors.setdefault(self.route, np.zeros(len(to.minutes)))
        shares[to.during(self.since, self.until)] = self.share


@dataclass(frozen=True, slots=True)
class Requests:
    """Beside the traffic, requests at a ``route`` are answered with ``status``: ``per_minute``.

    They come to the first instance. A status that nobody saw before has no series until then.
    """

    route: str
    status: str
    per_minute: float
    since: float = 0
    until: float | None = None
    seconds: float = 0.05

    def apply(self, to: Conditions) -> None:
        amount = np.zeros(len(to.minutes))
        amount[to.during(self.since, self.until)] = self.per_minute * to.step / 60
        to.requests.append((self.route, self.status, whole(amount), self.seconds))


@dataclass(frozen=True, slots=True)
class Down:
    """An instance (all of them without a number) does not run; then it starts anew."""

    since: float = 0
    until: float | None = None
    instance: int | None = None

    def apply(self, to: Conditions) -> None:
        which = to.instances(self.instance)
        to.runs[which, to.during(self.since, self.until)] = False
        if self.until is not None:
            to.starts[which, to.at(self.until)] = True


@dataclass(frozen=True, slots=True)
class Restart:
    """An instance (all without a number) starts anew between two scrapes: counters from zero."""

    at: float
    instance: int | None = None
    version: str = ""
    """The release that runs from then on, where that is another one."""

    def apply(self, to: Conditions) -> None:
        step = to.at(self.at)
        to.starts[to.instances(self.instance), step] = True
        if self.version:
            to.version[step:] = [self.version] * (len(to.minutes) - step)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The sweep finds ``workflows`` that a dead process has left, and marks them failed."""

    workflows: int
    at: float

    def apply(self, to: Conditions) -> None:
        to.interrupted[to.at(self.at)] += self.workflows


@dataclass(frozen=True, slots=True)
class ScrapesFail:
    """An instance (all without a number) runs, but its scrapes fail."""

    since: float = 0
    until: float | None = None
    instance: int | None = None

    def apply(self, to: Conditions) -> None:
        to.scraped[to.instances(self.instance), to.during(self.since, self.until)] = False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An instance (all without a number) is no longer a target of Prometheus."""

    since: float = 0
    until: float | None = None
    instance: int | None = None

    def apply(self, to: Conditions) -> None:
        to.target[to.instances(self.instance), to.during(self.since, self.until)] = False


@dataclass(frozen=True, slots=True)
class JobDown:
    """What is scraped beside the orchestrator is down: prometheus, alertmanager or node."""

    job: str
    since: float = 0
    until: float | None = None

    def apply(self, to: Conditions) -> None:
        to.jobs_down.append((self.job, to.during(self.since, self.until)))


@dataclass(frozen=True, slots=True)
class JobForgotten:
    """What is scraped beside the orchestrator is no longer a target."""

    job: str
    since: float = 0
    until: float | None = None

    def apply(self, to: Conditions) -> None:
        to.jobs_unknown.append((self.job, to.during(self.since, self.until)))


@dataclass(frozen=True, slots=True)
class Sets:
    """A gauge of an instance (all without a number) is ``value``, rising ``per_minute``."""

    metric: Metric
    value: float
    since: float = 0
    until: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    per_minute: float = 0
    instance: int | None = None

    def apply(self, to: Conditions) -> None:
        check_labels(self.metric, self.labels)
        if self.metric.kind is not Kind.GAUGE:
            raise ValueError(f"{self.metric.name} is a {self.metric.kind}; use Counts")
        key = (self.metric, labelled(self.labels), self.instance)
        values = to.set_to.setdefault(key, np.full(len(to.minutes), np.nan))
        during = to.during(self.since, self.until)
        values[during] = self.value + self.per_minute * (to.minutes[during] - self.since)


@dataclass(frozen=True, slots=True)
class Counts:
    """A counter of an instance (the first without a number) counts more: ``per_minute``.

    With ``at`` all of ``amount`` within one scrape.
    """

    metric: Metric
    per_minute: float = 0
    since: float = 0
    until: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    instance: int = 0
    amount: float = 0
    at: float | None = None

    def apply(self, to: Conditions) -> None:
        check_labels(self.metric, self.labels)
        if self.metric.kind is not Kind.COUNTER:
            raise ValueError(f"{self.metric.name} is a {self.metric.kind}; use Sets or traffic")
        key = (self.metric, labelled(self.labels), self.instance)
        values = to.counted.setdefault(key, np.zeros(len(to.minutes)))
        values[to.during(self.since, self.until)] += self.per_minute * to.step / 60
        if self.at is not None:
            values[to.at(self.at)] += self.amount


@dataclass(frozen=True, slots=True)
class Missing:
    """Series of a metric (all that have ``labels``) are not there."""

    metric: Metric
    since: float = 0
    until: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)

    def apply(self, to: Conditions) -> None:
        to.missing.append((self.metric, labelled(self.labels), to.during(self.since, self.until)))


def every(minutes: float, until: float, since: float = 0, version: str = "") -> tuple[Restart, ...]:
    """A restart of everything each so many minutes."""
    count = int((until - since) // minutes) + 1
    return tuple(Restart(since + number * minutes, version=version) for number in range(count))
