"""Which alert goes to which receiver, how soon, and how often."""

from typing import Any

from alerts.model import Severity, Team
from alerts.notifications import working_hours
from alerts.notifications.channels import Channel, Secrets
from alerts.notifications.receivers import (
    DEAD_MANS_SWITCH,
    NOBODY,
    Config,
    dead_mans_switch,
    receiver,
)
from alerts.notifications.settings import NotificationSettings
from alerts.rules import OURS
from app.core.environment import SettingsError

# One message a trouble: everything of a service that has the same alert, whichever instance or
# component it is. Severity and team need no place here, since groups never reach across routes.
# With less (by job alone) an outage would be one growing message that hides what is new in it. Two
# deployments are two troubles: their identity is added.
GROUP_BY = ("alertname", "job")

# A page is a matter of minutes: just long enough for what fires in the same evaluation and for
# what inhibits it. News of a group come soon, and who sees to it is reminded by the hour.
PAGE = {"group_wait": "10s", "group_interval": "30s", "repeat_interval": "1h"}
# A ticket may gather its like first. Twice a day is often enough for what nobody fixes at night.
TICKET = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "12h"}
# Missed after a few minutes of silence; the interval between two lies between these two.
WATCHDOG = {"group_wait": "0s", "group_interval": "30s", "repeat_interval": "1m"}

WATCHDOG_ALERT = 'alertname="Watchdog"'
WORKING_HOURS = "working-hours"
_ENVIRONMENT = "environment"


def receivers(secrets: Secrets, settings: NotificationSettings) -> list[Config]:
    """Every receiver by name: one a severity, and one more for a team that has its own channels."""
    found = []
    for severity in (Severity.PAGE, Severity.TICKET):
        found.append({"name": severity.value, **receiver(severity, None, secrets, settings)})
        found += [
            {"name": _of_team(severity, team), **receiver(severity, team, secrets, settings)}
            for team in _teams_apart(severity, secrets, settings)
        ]
    if secrets.is_on(Channel.DEAD_MANS_SWITCH):
        found.append({"name": DEAD_MANS_SWITCH, **dead_mans_switch(settings)})
    return [*found, {"name": NOBODY}]


def route(secrets: Secrets, settings: NotificationSettings, identity: tuple[str, ...]) -> Config:
    """The tree of routes; ``identity`` are the labels that tell deployments apart."""
    watched = secrets.is_on(Channel.DEAD_MANS_SWITCH)
    working = {"active_time_intervals": [WORKING_HOURS]} if settings.quiet_hours else {}
    return {
        # A rule of somebody else's may know no severity. It reaches people as a ticket does.
        "receiver": Severity.TICKET.value,
        "group_by": [*GROUP_BY, *identity],
        **TICKET,
        "routes": [
            {
                # Another team's would keep the switch quiet after ours has ended.
                "matchers": [*OURS, WATCHDOG_ALERT],
                "receiver": DEAD_MANS_SWITCH if watched else NOBODY,
                **(WATCHDOG if watched else {}),
            },
            {"matchers": [WATCHDOG_ALERT], "receiver": NOBODY},
            _severity(Severity.PAGE, _pages(settings, identity), PAGE, secrets, settings),
            # Pages of the environments that call nobody are among them.
            _severity(Severity.TICKET, ['severity=~"page|ticket"'], working, secrets, settings),
            {"matchers": ['severity="info"'], "receiver": NOBODY},
        ],
    }


def time_intervals(settings: NotificationSettings) -> list[Config]:
    """The hours that routes name."""
    if not settings.quiet_hours:
        return []
    hours = working_hours.time_intervals(
        settings.working_days, settings.work_begins, settings.work_ends, settings.time_zone
    )
    return [{"name": WORKING_HOURS, "time_intervals": hours}]


def _severity(
    severity: Severity,
    matchers: list[str],
    own: dict[str, Any],
    secrets: Secrets,
    settings: NotificationSettings,
) -> Config:
    found: Config = {
        "matchers": matchers,
        "receiver": severity.value,
        **own,
    }
    if apart := _teams_apart(severity, secrets, settings):
        # Routes inherit waits and intervals, but not the hours.
        hours = {name: hours for name, hours in own.items() if name == "active_time_intervals"}
        found["routes"] = [
            {"matchers": [f'team="{team}"'], "receiver": _of_team(severity, team), **hours}
            for team in apart
        ]
    return found


def require_environments(settings: NotificationSettings, identity: tuple[str, ...]) -> None:
    """Raise SettingsError where environments were chosen, and alerts have none."""
    field = "paging_environments"
    if field in settings.model_fields_set and _ENVIRONMENT not in identity:
        raise SettingsError(
            f"{settings.variable(field)}={','.join(settings.paging_environments)}: alerts have no "
            f"environment by --identity {','.join(identity)}; add environment to it, or unset the "
            "variable: then all pages may wake somebody"
        )


def _pages(settings: NotificationSettings, identity: tuple[str, ...]) -> list[str]:
    """What may wake somebody. An alert without an environment is taken for the worst."""
    pages = [f'severity="{Severity.PAGE}"']
    if _ENVIRONMENT not in identity:
        return pages
    environments = "|".join(("", *settings.paging_environments))
    return [*pages, f'{_ENVIRONMENT}=~"{environments}"']


def _teams_apart(
    severity: Severity, secrets: Secrets, settings: NotificationSettings
) -> list[Team]:
    common = receiver(severity, None, secrets, settings)
    return [team for team in Team if receiver(severity, team, secrets, settings) != common]


def _of_team(severity: Severity, team: Team) -> str:
    return f"{severity}-{team}"
