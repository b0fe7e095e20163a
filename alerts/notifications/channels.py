"""The ways to people, and the secret files that switch them on."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from alerts.model import Severity, Team
from asgi_observability.nearest import nearest


class Channel(StrEnum):
    """A way to people, as they call it."""

    WEBHOOK = "webhook"
    SLACK = "Slack"
    PAGERDUTY = "PagerDuty"
    EMAIL = "email"
    TEAMS = "Microsoft Teams"
    DEAD_MANS_SWITCH = "dead man's switch"


SECRET_FILES = {
    Channel.WEBHOOK: "webhook_url",
    Channel.SLACK: "slack_webhook_url",
    Channel.PAGERDUTY: "pagerduty_routing_key",
    Channel.EMAIL: "smtp_password",
    Channel.TEAMS: "teams_webhook_url",
    Channel.DEAD_MANS_SWITCH: "watchdog_url",
}
"""The file whose presence switches a channel on."""

NOBODY_LISTENS = (
    "Nobody notices when alerting itself stops: no "
    f"{SECRET_FILES[Channel.DEAD_MANS_SWITCH]} (docs/notifying.md)"
)
"""No alert can say that: Prometheus does not know where Alertmanager sends the Watchdog."""

INTEGRATIONS = {
    Channel.WEBHOOK: "webhook",
    Channel.SLACK: "slack",
    Channel.PAGERDUTY: "pagerduty",
    Channel.EMAIL: "email",
    Channel.TEAMS: "msteamsv2",
    Channel.DEAD_MANS_SWITCH: "webhook",
}
"""What Alertmanager's own metrics call them, in the label ``integration``."""

WAKES = (Channel.PAGERDUTY, Channel.WEBHOOK)
"""What wakes somebody; a webhook may lead to any service that does. The others are read."""

PAGING_INTEGRATIONS = tuple(INTEGRATIONS[channel] for channel in WAKES)
"""Those by whose failure nobody is woken any more."""

OF_TEAMS = (Channel.WEBHOOK, Channel.SLACK, Channel.PAGERDUTY, Channel.TEAMS)
"""Those of which a team can have its own, by a file with its name appended."""

CHANNELS = {
    Severity.PAGE: (
        *(Channel.WEBHOOK, Channel.SLACK, Channel.PAGERDUTY, Channel.EMAIL, Channel.TEAMS),
    ),
    # PagerDuty is left for what may wake somebody.
    Severity.TICKET: (Channel.WEBHOOK, Channel.SLACK, Channel.EMAIL, Channel.TEAMS),
    # Read on dashboards and in Alertmanager.
    Severity.INFO: (),
}
"""What reaches people how, as far as it is switched on."""


def team_file(channel: Channel, team: Team) -> str:
    """The file of a channel that is ``team``'s own."""
    return f"{SECRET_FILES[channel]}_{team}"


def known_files() -> list[str]:
    """Every file that switches something on."""
    own = [team_file(channel, team) for channel in OF_TEAMS for team in Team]
    return [*SECRET_FILES.values(), *own]


def warnings(folder: Path, secrets: "Secrets") -> list[str]:
    """What somebody should know who uses the ``secrets`` of ``folder``, a sentence each."""
    return [*misspelt(folder), *unheard(secrets)]


def unheard(secrets: "Secrets") -> list[str]:
    """A sentence for each severity with no way to some team, and one if nobody would notice."""
    found = []
    for severity, channels in CHANNELS.items():
        teams = [
            f"team {team}"
            for team in Team
            if channels and not any(secrets.file(channel, team) for channel in channels)
        ]
        if teams:
            files = ", ".join(SECRET_FILES[channel] for channel in channels)
            found.append(
                f"{severity.capitalize()}s to {' and '.join(teams)} reach nobody: no file of "
                f"{files} (docs/notifying.md)"
            )
    return found if secrets.is_on(Channel.DEAD_MANS_SWITCH) else [*found, NOBODY_LISTENS]


def misspelt(folder: Path) -> list[str]:
    """A sentence for each file in ``folder`` whose name is nearly one that switches something on.

    Nothing for other files: the folder may hold other secrets too.
    """
    return [
        f"{folder / name} switches nothing on; did you mean {meant}?"
        for name, meant in _meant(folder).items()
        if meant
    ]


def strange(folder: Path) -> list[str]:
    """The names of files in ``folder`` that switch nothing on and resemble none that does."""
    return [name for name, meant in _meant(folder).items() if not meant]


def _meant(folder: Path) -> dict[str, str | None]:
    """The files that switch nothing on, but for hidden ones, and what each was meant to be."""
    known = known_files()
    found = (file.name for file in folder.iterdir() if file.is_file())
    return {
        name: nearest(name, known)
        for name in sorted(found)
        if name not in known and not name.startswith(".")
    }


@dataclass(frozen=True, slots=True)
class Secrets:
    """Which secret files there are, by name. What is in them is only for Alertmanager."""

    files: frozenset[str]

    @classmethod
    def of(cls, *channels: Channel) -> Self:
        """Those that switch ``channels`` on."""
        return cls(frozenset(SECRET_FILES[channel] for channel in channels))

    @classmethod
    def found_in(cls, folder: Path) -> Self:
        """Those in ``folder``. Raises ValueError for a missing folder and for an empty file."""
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder; create it and put the secret files there")
        present = [name for name in known_files() if (folder / name).is_file()]
        for name in present:
            if not (folder / name).stat().st_size:
                raise ValueError(f"{folder / name} is empty; fill it, or remove it")
        return cls(frozenset(present))

    def file(self, channel: Channel, team: Team | None = None) -> str | None:
        """The file by which ``channel`` is on for ``team``; None where it is off."""
        own = team_file(channel, team) if team and channel in OF_TEAMS else None
        candidates = (own, SECRET_FILES[channel])
        return next((name for name in candidates if name in self.files), None)

    def is_on(self, channel: Channel) -> bool:
        """Whether ``channel`` reaches anybody."""
        return any(self.file(channel, team) for team in Team)
