"""Two revisions compared, section by section in the order in which a reviewer reads."""

import json
from collections.abc import Mapping, Sequence

from dashboards.changes.alerts import alert_section, calling_section
from dashboards.changes.dashboards import Surroundings, dashboard_section
from dashboards.changes.notifications import notification_section
from dashboards.changes.report import Section
from dashboards.changes.revision import Document, Revision
from dashboards.changes.rules import Rules, record_section, rules


def compared(old: Revision, new: Revision) -> list[Section]:
    """What changed, whom it calls first. What one of the two holds none of is left out."""
    sections: list[Section] = []
    rules_of_both = None
    if old.rules is not None and new.rules is not None:
        rules_of_both = rules(old.rules, new.rules)
        sections += [
            calling_section(rules_of_both),
            alert_section(rules_of_both),
            record_section(rules_of_both),
        ]
    if old.dashboards is not None and new.dashboards is not None:
        around = _surroundings(new.dashboards, rules_of_both)
        sections.append(dashboard_section(old.dashboards, new.dashboards, around))
    sections.append(notification_section(old, new))
    return [section for section in sections if section.parts]


def _surroundings(dashboards: Mapping[str, Document], rules: Rules | None) -> Surroundings:
    alerts = [rule for rule in rules.after if rule.alerts] if rules else []
    linking: dict[str, Sequence[str]] = {
        "alert": [" ".join(value for _, value in rule.annotations) for rule in alerts],
        "dashboard": [json.dumps(document) for document in dashboards.values()],
    }
    return Surroundings(linking, rules.renamed if rules else {})
