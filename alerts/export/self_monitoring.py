"""Rules that read what Prometheus tells of itself, where it is not Prometheus that evaluates them.

Mimir's ruler is made of Prometheus's, and tells the same of rules and notifications under another
prefix. What an engine does not tell is left out, and so are the rules that read it: such an engine
is watched by what its makers ship for that.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from alerts.export.engines import Engine

Rule = dict[str, Any]
Groups = dict[str, list[dict[str, Any]]]

_OWN = re.compile(r"(?<![\w:])prometheus_\w+")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_OF_RULER = ("prometheus_rule_", "prometheus_notifications_")


def translated(groups: Mapping[str, list[dict[str, Any]]], engine: Engine) -> Groups:
    """The groups with what ``engine`` tells of itself in place of what Prometheus does."""
    match engine:
        case Engine.PROMETHEUS | Engine.OPERATOR:
            return dict(groups)
        case Engine.MIMIR:
            return _without(groups, lambda metric: not metric.startswith(_OF_RULER), "cortex_")
        case Engine.VMALERT:
            return _without(groups, lambda _: True, "")


def _without(
    groups: Mapping[str, list[dict[str, Any]]], missing: Callable[[str], bool], prefix: str
) -> Groups:
    """The rules that read no metric that is ``missing``; the others' get ``prefix``."""
    gone: set[str] = set()
    kept: Groups = {}
    for name, of_file in groups.items():
        kept[name] = []
        for group in of_file:
            rules = []
            for rule in group["rules"]:
                own = _OWN.findall(rule["expr"])
                if any(map(missing, own)) or gone & {*_NAME.findall(rule["expr"])}:
                    gone.add(rule.get("record", ""))
                    continue
                expr = _OWN.sub(lambda metric: f"{prefix}{metric[0]}", rule["expr"])
                rules.append({**rule, "expr": expr})
            if rules:
                kept[name].append({**group, "rules": rules})
    return kept
