"""Prometheus rule files from the signals."""

from collections.abc import Iterator
from typing import Any

import promql_parser

from alerts.identity import IDENTITY, checked
from alerts.links import base
from alerts.model import Group, Record, Signal, Threshold, Unit, beside, number
from alerts.signals import groups
from alerts.yaml_text import Literal, dumped
from app.core.config import Links
from app.core.thresholds import Thresholds

HEADER = "# Generated from alerts/signals/"
"""How a line near the beginning of each rule file starts."""


RULESET = ("ruleset", "sms-orchestrator")
"""The label, and its value, by which our alerts are told from those of other rules.

Names are not enough: others have a ServiceDown and a Watchdog too. Alertmanager's inhibitions
(alerts/notifications/inhibition.py) match nothing without it.
"""

OURS = (f'{RULESET[0]}="{RULESET[1]}"',)
"""Alertmanager's matcher of our alerts."""

SET_BY_RULES = frozenset({"severity", "team", RULESET[0]})
"""Labels that every alert is given; series that alerts read must not have them."""


def rule_files(
    thresholds: Thresholds, links: Links, identity: tuple[str, ...] = IDENTITY
) -> dict[str, str]:
    """The text of each rule file by its name.

    ``identity`` are the labels that tell deployments apart; with none, a job is one deployment.
    Raises ValueError for an identity that can't be.
    """
    every = groups(thresholds, checked(identity))
    return {f"{group.name}.yml": _text(group, links) for group in every}


def alert_expr(signal: Signal, threshold: Threshold) -> str:
    """The PromQL by which ``threshold`` fires."""
    series = str(signal.source)
    if threshold.matchers:
        series = f"{series}{{{threshold.matchers}}}"
    elif isinstance(promql_parser.parse(series), promql_parser.BinaryExpr):
        series = f"({series})"
    bound = threshold.value
    if signal.unit is Unit.COUNT:
        bound = beside(threshold.comparison, bound)
    fires = f"{series} {threshold.comparison} {number(bound)}"
    return " ".join((fires, *(guard.expr for guard in threshold.guards)))


def expressions(group: Group) -> Iterator[tuple[str, str]]:
    """The name and the PromQL of each rule of a group, in order."""
    for record in group.all_records():
        yield record.name, record.expr
    for signal in group.signals:
        for threshold in signal.thresholds:
            yield threshold.alert, alert_expr(signal, threshold)


def _text(group: Group, links: Links) -> str:
    header = (
        f"# {group.about}\n"
        f"{HEADER}{group.source or group.name}.py by `make generate`; edit"
        " there.\n"
    )
    rules = [_recording_rule(record) for record in group.all_records()]
    rules += [alert_rule(group, s, t, links) for s in group.signals for t in s.thresholds]
    interval = {"interval": group.interval} if group.interval else {}
    document = {"groups": [{"name": group.name, **interval, "rules": rules}]}
    return header + dumped(document)


def _recording_rule(record: Record) -> dict[str, Any]:
    rule: dict[str, Any] = {"record": record.name, "expr": _pretty(record.expr)}
    if record.labels:
        rule["labels"] = dict(record.labels)
    return rule


def alert_rule(group: Group, signal: Signal, threshold: Threshold, links: Links) -> dict[str, Any]:
    """The alerting rule as Prometheus reads it."""
    rule: dict[str, Any] = {
        "alert": threshold.alert,
        "expr": _pretty(alert_expr(signal, threshold)),
    }
    if threshold.pending != "0s":
        rule["for"] = threshold.pending
    if threshold.keep_firing != "0s":
        rule["keep_firing_for"] = threshold.keep_firing
    rule["labels"] = {
        "severity": threshold.severity.value,
        "team": threshold.team.value,
        RULESET[0]: RULESET[1],
        **threshold.labels,
    }
    rule["annotations"] = {
        "summary": threshold.summary,
        "description": f"{threshold.description}{threshold.told(signal.unit)}",
        "action": threshold.action,
        "runbook_url": f"{base(links.runbooks_url)}/{threshold.alert}",
        "dashboard_url": f"{base(links.grafana_url)}/d/{signal.dashboard or group.dashboard}",
    }
    if threshold.logs:
        rule["annotations"]["logs_command"] = threshold.logs.command
        rule["annotations"]["logs_query"] = threshold.logs.logql
    return rule


def _pretty(expr: str) -> Literal:
    return Literal(promql_parser.parse(expr).prettify())
