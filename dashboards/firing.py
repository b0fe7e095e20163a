"""The alerts that fire: how many, which, since when, and where to look."""

from collections.abc import Iterable
from functools import reduce

from alerts.exporters import ALERTS, ALERTS_FOR_STATE
from alerts.identity import IDENTITY
from alerts.model import Dashboard, Group, Severity, Unit
from alerts.signals.monitoring import WATCHDOG
from app.core.config import Links
from dashboards.colours import Colour, steps
from dashboards.deployments import BY
from dashboards.grafana import Panel
from dashboards.known import EVALUATED, OURS, now
from dashboards.links import dashboard_url
from dashboards.panels import Column, Query, stat, state_timeline, table
from dashboards.panels.states import UNKNOWN_STATE
from dashboards.panels.tables import Heading, lowest

_NONE = "none"
_WHERE = (*IDENTITY, "job")
_OF_WHAT = ("cause", "slo", "version", "limit")
"""Labels of alerts without a component that say what they are of: of two budgets, both are seen."""
_COUNTED = "Each row of Firing alerts is one, whatever the number of instances."
_ASKED = f'severity=~"{Severity.PAGE}|{Severity.TICKET}",{OURS}'


def firing(severity: Severity) -> str:
    """How many alerts of ``severity`` fire, as the table lists them.

    Nobody knows where no rule is evaluated.
    """
    return f"count({_rows(_of(severity))}) or vector(0)"


def pages(leads_to: Dashboard) -> Panel:
    """How many alerts call somebody now."""
    return stat(
        "Pages",
        f"Alerts that fire now and call somebody at night. Good is 0. {_COUNTED} Without a number, "
        "no rule is evaluated: nobody would be called.",
        Unit.COUNT,
        Query(firing(Severity.PAGE), "pages"),
        steps(Colour.GOOD, (1, Colour.BAD)),
        empty="Not known",
        links=(leads_to,),
    )


def tickets(leads_to: Dashboard) -> Panel:
    """How many alerts wait for the morning."""
    return stat(
        "Tickets",
        f"Alerts that fire now and can wait for the morning. Good is 0. {_COUNTED}",
        Unit.COUNT,
        Query(firing(Severity.TICKET), "tickets"),
        steps(Colour.GOOD, (1, Colour.WARNING)),
        empty="Not known",
        links=(leads_to,),
    )


def firing_alerts(groups: Iterable[Group], links: Links) -> Panel:
    """The alerts that ask something of people now: pages first, with runbook and dashboard."""
    since = f"time() - {ALERTS_FOR_STATE}{{{_ASKED}}} and ignoring (alertstate) {_firing(_ASKED)}"
    runbooks = str(links.runbooks_url).rstrip("/")
    return table(
        "Firing alerts",
        "Alerts that fire now, and for how long it has been so, the wait before included. Those of "
        "several instances at one place are one, of which the first counts. Good is none. Where "
        "no rule is evaluated it says that nothing is known. Of what: component, objective, "
        "release or limit. Where: cluster, environment and job, as far as it has them. The name "
        "of an alert opens its runbook; the dashboard shows what it is about.",
        {
            "severity": Heading(
                "severity",
                {
                    Severity.PAGE: Colour.BAD,
                    Severity.TICKET: Colour.WARNING,
                    _NONE: Colour.GOOD,
                },
                width=90,
            ),
            "alertname": Heading(
                "alert", url=f"{runbooks}/${{__value.raw}}", link_title="Open the runbook"
            ),
            "component": Heading("of what", width=146),
            "where": Heading("where", width=210),
            "uid": Heading(
                "dashboard",
                texts={each.value: each.label for each in Dashboard},
                url=dashboard_url("${__value.raw}"),
                link_title="Open the dashboard",
                width=150,
            ),
        },
        Column(
            Query(
                _with_dashboard(_rows(since), groups),
                "for",
            ),
            Unit.SECONDS,
            texts={"-1": ("", Colour.MUTED)},
            width=85,
        ),
        sort=lowest("severity"),
        order=("severity", "alert", "of what", "where", "for", "dashboard"),
        none=(EVALUATED, _NONE),
    )


def what_fired() -> Panel:
    """A lane for each alert that fired."""
    severity = f"{_of(Severity.PAGE)} * 2 or {_of(Severity.TICKET)}"
    # An alert has no series while it doesn't fire; that is known where rules are evaluated.
    by = f"{BY}, alertname"
    quiet = f"0 * max by ({by}) (last_over_time({_firing(_ASKED)}[$__range] @ end())) - 1"
    fired = now(f"max by ({by}) ({severity}) or {quiet}")
    # The Watchdog is there so that there is always a lane.
    evaluated = f"max(0 * {EVALUATED}) or vector({UNKNOWN_STATE})"
    always = f'label_replace({evaluated}, "alertname", "{WATCHDOG}", "", "")'
    return state_timeline(
        "What fired?",
        "Each alert that fired within the range. Red is a page, orange a ticket, grey: not known. "
        "Good is no lane "
        "but the Watchdog's: that one always fires, and says that rules are evaluated.",
        Query(f"{fired} or on (alertname) {always}", "{{alertname}}"),
        states={
            "-1": ("does not fire", Colour.GOOD),
            "0": ("evaluated", Colour.GOOD),
            "1": ("ticket", Colour.WARNING),
            "2": ("page", Colour.BAD),
        },
        empty="Not known",
    )


def _rows(expr: str) -> str:
    """A row of the table for each of ``expr``: one for all instances at one place."""
    place = ", ".join(f'"{label}"' for label in _WHERE)
    joined = f'label_join({reduce(_called, _OF_WHAT, expr)}, "where", " ", {place})'
    return f"max by (alertname, severity, component, where) ({joined})"


def _called(expr: str, label: str) -> str:
    return f'label_replace({expr}, "component", "$1", "{label}", "(.+)")'


def _of(severity: Severity) -> str:
    return _firing(f'severity="{severity}",{OURS}')


def _firing(matchers: str) -> str:
    return f'{ALERTS}{{alertstate="firing",{matchers}}}'


def _with_dashboard(expr: str, groups: Iterable[Group]) -> str:
    """``expr`` with the label ``uid``: the dashboard that shows what its alert is about."""
    alerts: dict[Dashboard, set[str]] = {}
    for group in groups:
        for signal in group.signals:
            shown = alerts.setdefault(signal.dashboard or group.dashboard, set())
            shown.update(threshold.alert for threshold in signal.thresholds)

    def labelled(inner: str, uid: Dashboard) -> str:
        names = "|".join(sorted(alerts[uid]))
        return f'label_replace({inner}, "uid", "{uid}", "alertname", "{names}")'

    return reduce(labelled, sorted(alerts), expr)
