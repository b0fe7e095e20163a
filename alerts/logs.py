"""The log lines behind an alert, as a question for each place that can be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asgi_observability.event import Event

SINCE = "30m"
"""Longer than any alert is pending, so that what began it is among the lines."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Lines of these ``events``, or of this ``level`` and worse, whose fields have these values.

    Values may be templates over the alert's labels.
    """

    events: tuple[type[Event], ...] = ()
    level: str | None = None
    where: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def levels(self) -> tuple[str, ...]:
        """``level`` and worse; none where all levels are asked for."""
        serious = ("warning", "error", "critical")
        return serious[serious.index(self.level) :] if self.level else ()

    @property
    def command(self) -> str:
        """For the log files: the query tool of the service."""
        options = [f"--event {event.name}" for event in self.events]
        options += [f"--level {self.level}"] if self.level else []
        options += [f"--where {name}={value}" for name, value in self.where.items()]
        return " ".join(["python -m app.logs find", f"--since {SINCE}", *options])

    @property
    def logql(self) -> str:
        """For Loki, which the alert's link or Grafana's Explore takes it to."""
        labels = ['service="orchestrator"']
        labels += [f'level=~"{"|".join(self.levels)}"'] if self.level else []
        names = "|".join(event.name for event in self.events)
        matches = "=~" if len(self.events) > 1 else "="
        conditions = [f'event{matches}"{names}"'] if names else []
        conditions += [f'{name}="{value}"' for name, value in self.where.items()]
        # All of these are structured metadata: no line has to be parsed.
        return " | ".join([f"{{{', '.join(labels)}}}", *conditions])
