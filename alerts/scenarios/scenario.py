"""The words of a scenario: what happens to the business, and what a person must hear of it.

Minutes count from ``begins``, which is minute 0. Before it lies a lead-up in which all is well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from alerts.scenarios.world import Rhythm, World

LEAD_MINUTES = 15
"""So long all is well before minute 0, unless a scenario says otherwise: rates over 5 minutes have
come to rest, and what fires without a reason has had the time to. Each minute costs."""

EVERY_15_SECONDS = 15
"""How often the stack scrapes and evaluates."""

COSTLY_STEPS, LONG_STEPS = 245, 1_500
"""Evaluations, of all instances, beyond which a scenario is a long one: by all rules, by some."""

PAGE, TICKET = "page", "ticket"
"""How somebody is told: the names of the receivers."""


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody must be told.

    ``alert`` by a ``severity`` (page or ticket) to a ``team``: first at most ``within`` minutes
    after minute 0 (less than 0 for what goes on before), in ``notifications`` messages altogether
    (reminders included, the message that it is over not), and told to be over at most ``over``
    minutes after minute 0; None where it must still be going on at the end. ``about`` are labels
    that the alert must have, such as the component or the environment. ``says`` is a piece of its
    summary or description at ``within``.
    """

    alert: str
    severity: str = PAGE
    team: str = "orchestrator"
    within: float = 5
    notifications: int = 1
    over: float | None = None
    about: Mapping[str, str] = field(default_factory=dict, hash=False)
    says: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """An incident, or a day without one.

    ``begins`` is minute 0 in the local time of the tenants, with a zone where clocks change; the
    scenario ends at minute ``lasts``. ``world`` and its neighbours ``beside`` are observed by the
    same Prometheus and the same Alertmanager. Whatever is not in ``told`` must stay silent, pages
    and tickets both.

    ``lead`` are the minutes before minute 0, ``step`` the seconds between scrapes, and between
    evaluations. Whoever takes a longer one for weeks names the ``groups`` of rules that are needed,
    and says what is ``given`` in place of what those do not record: by a series' selector its value
    at a local time. ``blind`` are from-to minutes in which Prometheus does not run. With two
    ``prometheuses`` the second evaluates the same a little later. ``alone`` is for what must not
    share Prometheus with other scenarios: rules that look for the absence of a series see that of
    others. ``fails_today`` says why the rules do not do this yet; the test fails when they do.
    """

    name: str
    story: str
    begins: datetime
    lasts: float
    told: tuple[Told, ...] = ()
    world: World = field(default_factory=World)
    beside: tuple[World, ...] = ()
    lead: float = LEAD_MINUTES
    step: int = EVERY_15_SECONDS
    groups: tuple[str, ...] = ()
    given: Mapping[str, Rhythm] = field(default_factory=dict, hash=False)
    blind: tuple[tuple[float, float], ...] = ()
    prometheuses: int = 1
    alone: bool = False
    fails_today: str = ""

    def __post_init__(self) -> None:
        worlds = [(world.cluster, world.environment) for world in self.worlds]
        if len(set(worlds)) < len(worlds):
            raise ValueError(f"{self.name}: two worlds have the same cluster and environment")
        if self.step > 60 and not self.groups:
            raise ValueError(f"{self.name}: a step of {self.step} s needs the groups that it reads")
        for told in self.told:
            if told.severity not in (PAGE, TICKET):
                raise ValueError(
                    f"{self.name}: {told.alert}: severity {told.severity!r}: {PAGE} or {TICKET}"
                )

    @property
    def worlds(self) -> tuple[World, ...]:
        return (self.world, *self.beside)

    @property
    def is_long(self) -> bool:
        """Whether it takes too much to be told again and again, as `make mutate` does."""
        instances = 1 if self.groups else sum(world.instances for world in self.worlds)
        return self.steps * instances > (LONG_STEPS if self.groups else COSTLY_STEPS)

    @property
    def slug(self) -> str:
        """The name as an identifier."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def steps(self) -> int:
        """Scrapes from the beginning of the lead-up to the end."""
        return int((self.lead + self.lasts) * 60 / self.step) + 1

    @property
    def moments(self) -> list[datetime]:
        """When each step ends, in local time; with a zone, its clock changes included."""
        utc = self.begins.astimezone(UTC) if self.begins.tzinfo else self.begins
        zone = self.begins.tzinfo
        passed = (timedelta(seconds=n * self.step) for n in range(self.steps))
        since = utc - timedelta(minutes=self.lead)
        return [(since + each).astimezone(zone) if zone else since + each for each in passed]

    def second(self, minute: float) -> int:
        """Of the last evaluation up to a minute, seconds after the beginning of the lead-up."""
        return int((minute + self.lead) * 60 // self.step * self.step)

    def minute(self, seconds: float) -> float:
        """Minutes after minute 0, of seconds after the beginning of the lead-up."""
        return seconds / 60 - self.lead


MONDAY_MORNING = datetime(2026, 3, 2, 10)
"""An ordinary Monday, 10:00."""
MONDAY_NIGHT = datetime(2026, 3, 2, 2)
"""The same day, two hours after midnight."""
