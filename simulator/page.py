"""The receiver's page."""

from collections.abc import Iterable
from html import escape

from simulator.faults import FAULTS, ActiveFaults
from simulator.receiver import Alert, ReceivedNotification
from simulator.traffic import Traffic

SHOWN = 50
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
         border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
.on, .firing { color: light-dark(#b00020, #ff8a80); font-weight: 600; }
.resolved { color: light-dark(#1b5e20, #81c784); font-weight: 600; }
"""


def rendered(
    notifications: list[ReceivedNotification], faults: ActiveFaults, traffic: Traffic
) -> str:
    """The page: the latest notifications first, then faults and traffic."""
    latest = notifications[: -SHOWN - 1 : -1]
    rows = [_alert_row(n.received_at, alert) for n in latest for alert in n.alerts]
    fault_rows = [
        _row(
            escape(fault.name),
            '<span class="on">on</span>' if fault.name in faults else "off",
            escape(fault.description),
        )
        for fault in FAULTS.values()
    ]
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>Notifications received</title>
<style>{_STYLE}</style>
<h1>Notifications received</h1>
{_table(("Received", "Status", "Severity", "Alert"), rows) if rows else "<p>None so far.</p>"}
<h2>Faults</h2>
{_table(("Name", "State", "Effect"), fault_rows)}
<h2>Traffic</h2>
<p>{traffic.messages_per_minute:g} SMS a minute on average, {traffic.rate_per_minute():.0f} at this
hour. Of those so far: {traffic.sent} handled (answered, or left to a manager),
{traffic.failed} failed: not taken, or taken and its workflow failed (it can be run again),
{traffic.skipped} not sent because too many were unanswered.</p>
</html>
"""


def message(title: str, text: str) -> str:
    """A page that says one thing."""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
<h1>{escape(title)}</h1>
<p>{escape(text)}</p>
</html>
"""


def _alert_row(received_at: str, alert: Alert) -> str:
    known = alert.status if alert.status in ("firing", "resolved") else ""
    name = escape(alert.labels.get("alertname", "(no name)"))
    links = "".join(
        f' <a rel="noreferrer" href="{escape(url)}">{label}</a>'
        for label, field in (("runbook", "runbook_url"), ("dashboard", "dashboard_url"))
        if (url := alert.annotations.get(field, "")).startswith(("http://", "https://"))
    )
    command = alert.annotations.get("logs_command", "")
    logs = f"<br><code>{escape(command)}</code>" if command else ""
    return _row(
        escape(received_at[:19].replace("T", " ")),
        f'<span class="{known}">{escape(alert.status)}</span>',
        escape(alert.labels.get("severity", "")),
        f"<strong>{name}</strong>: {escape(alert.annotations.get('summary', ''))}{links}{logs}",
    )


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f"<table><tr>{head}</tr>\n" + "\n".join(rows) + "</table>"


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
