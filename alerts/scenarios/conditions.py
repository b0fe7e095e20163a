"""What a world is like in each step: traffic, how its upstreams do, what runs and what is seen."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from alerts.scenarios.world import World
from app.core.catalogue import UPSTREAMS, Component, ErrorType
from asgi_observability.metric import Kind, Metric

Floats = NDArray[np.float64]
Labels = frozenset[tuple[str, str]]
Key = tuple[Metric, Labels]

USUAL_SECONDS: Mapping[Component, float] = {
    Component.COLLECTIONS_MONITOR: 0.03,
    Component.SMS_AGENT: 0.08,
    Component.NOTIFICATION_SERVICE: 0.04,
    Component.AI_PROVIDER: 0.6,
    Component.DATABASE: 0.004,
}
"""How long a call takes while all is well."""


def labelled(labels: Mapping[str, str]) -> Labels:
    """Labels as part of a key."""
    return frozenset(labels.items())


class Conditions:
    """The conditions of ``world`` at some ``moments``, one a ``step``, before anything changes.

    Arrays have a value for each step; ``minutes`` are when it ends. A change writes into them:

    - ``traffic``: a factor; ``failing``: the share of a component's calls that fail, with what
      ``error``; ``seconds``: how long its calls take.
    - ``server_errors``: the share of requests at a route that are answered with 500;
      ``requests``: those beside the traffic, by route and status, and how long they take.
    - ``runs``: whether an instance runs, by its number; ``starts``: it starts in this step, with
      counters at zero; ``scraped``: whether its scrape works; ``target``: whether it is known.
    - ``interrupted``: SMS whose workflow a dead process has left, found in this step.
    - ``version`` that runs; ``set_to``: gauges, ``counted``: what is counted beside the traffic,
      ``missing``: series that are not there, by metric and labels, or by metric.
    """

    def __init__(self, world: World, moments: Sequence[datetime], step: int, lead: float) -> None:
        self.world, self.step, steps = world, step, len(moments)
        self.minutes: Floats = np.arange(steps) * step / 60 - lead
        self.traffic = np.array([float(world.rhythm(moment)) for moment in moments])
        each = [*UPSTREAMS, Component.DATABASE]
        self.failing = {component: np.zeros(steps) for component in each}
        self.error = {component: [ErrorType.SERVER_ERROR] * steps for component in each}
        self.seconds = {c: np.full(steps, USUAL_SECONDS[c]) for c in each}
        self.slow_share = {component: np.ones(steps) for component in each}
        self.server_errors: dict[str, Floats] = {}
        self.requests: list[tuple[str, str, Floats, float]] = []
        self.runs = np.ones((world.instances, steps), dtype=bool)
        self.starts = np.zeros((world.instances, steps), dtype=bool)
        self.scraped = np.ones((world.instances, steps), dtype=bool)
        self.target = np.ones((world.instances, steps), dtype=bool)
        self.version = [world.version] * steps
        self.set_to: dict[tuple[Metric, Labels, int | None], Floats] = {}
        self.counted: dict[tuple[Metric, Labels, int | None], Floats] = {}
        self.missing: list[tuple[Metric, Labels, NDArray[np.bool_]]] = []
        self.jobs_down: list[tuple[str, NDArray[np.bool_]]] = []
        self.jobs_unknown: list[tuple[str, NDArray[np.bool_]]] = []
        self.interrupted = np.zeros(steps)
        self.blind = np.zeros(steps, dtype=bool)

    @property
    def passed(self) -> Floats:
        """Seconds since the beginning in each step: the time as Prometheus has it."""
        return np.arange(len(self.minutes)) * np.float64(self.step)

    def during(self, since: float, until: float | None) -> NDArray[np.bool_]:
        """The steps that end after ``since`` and not after ``until``, minutes."""
        found: NDArray[np.bool_] = self.minutes > since
        return found if until is None else found & (self.minutes <= until)

    def at(self, minute: float) -> int:
        """The step in which ``minute`` lies; ValueError where that is none."""
        found = int(np.searchsorted(self.minutes, minute, side="left"))
        if not 0 <= found < len(self.minutes):
            raise ValueError(f"minute {minute:g} is outside of the scenario")
        return found

    def instances(self, instance: int | None) -> slice:
        """The numbers of those meant; all where it is None."""
        if instance is None:
            return slice(None)
        if not 0 <= instance < self.world.instances:
            raise ValueError(f"instance {instance}: the world has {self.world.instances}")
        return slice(instance, instance + 1)


def check_labels(metric: Metric, labels: Mapping[str, str], also: tuple[str, ...] = ()) -> None:
    """ValueError where the metric has other labels, or knows no such value."""
    if {*labels} - {*also} != {*metric.label_names}:
        names = ", ".join(metric.label_names) or "none"
        raise ValueError(f"{metric.name}: labels {sorted(labels)}: it has {names}")
    for label in metric.labels:
        if label.values is not None and labels[label.name] not in label.values:
            raise ValueError(
                f"{metric.name}: {label.name}={labels[label.name]!r}: one of "
                f"{', '.join(label.values)}"
            )


def is_gauge(metric: Metric) -> bool:
    return metric.kind is Kind.GAUGE
