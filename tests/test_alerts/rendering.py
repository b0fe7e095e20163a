"""Messages as amtool renders them with the templates and fields of the generated configuration.

`python -m tests.test_alerts.rendering` writes the expected texts in messages/ anew; read the
difference before you commit it.
"""

import json
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from alerts import paths
from alerts.identity import IDENTITY
from alerts.links import COMMITTED, base
from alerts.notifications import configuration
from alerts.notifications.channels import Channel, Secrets
from alerts.notifications.routes import GROUP_BY
from alerts.notifications.settings import NotificationSettings
from prometheus_tools.toolchain import locate
from prometheus_tools.yaml_reading import read_yaml

EXPECTED = Path(__file__).parent / "messages"

SETTINGS = NotificationSettings(email_to="on-call@example.com")
_CONFIG = read_yaml(configuration.text(Secrets.of(*Channel), SETTINGS))
(_PAGE,) = (each for each in _CONFIG["receivers"] if each["name"] == "page")
_SLACK, _PAGERDUTY = _PAGE["slack_configs"][0], _PAGE["pagerduty_configs"][0]
_EMAIL, _TEAMS = _PAGE["email_configs"][0], _PAGE["msteamsv2_configs"][0]

FIELDS = {
    "slack": {name: _SLACK[name] for name in ("title", "title_link", "color", "text", "fallback")},
    "pagerduty": {
        **{name: _PAGERDUTY[name] for name in ("description", "severity", "class", "component")},
        **{f"details: {name}": text for name, text in _PAGERDUTY["details"].items()},
        **{f"link: {link['text']}": link["href"] for link in _PAGERDUTY["links"]},
    },
    "email": {"Subject": _EMAIL["headers"]["Subject"], "text": _EMAIL["text"]},
    "email_html": {"html": _EMAIL["html"]},
    "teams": {name: _TEAMS[name] for name in ("title", "text")},
}
"""What is filled in by templates, by kind of receiver."""

_NOT_ENDED = "0001-01-01T00:00:00Z"


def _of_the_rule(alert: str, **filled_in: str) -> dict[str, str]:
    """The annotations of a committed rule, as Prometheus fills them in."""
    (annotations,) = {
        tuple(rule["annotations"].items())
        for file in paths.RULES.glob("*.yml")
        for group in read_yaml(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if rule.get("alert") == alert
    }
    texts = dict(annotations)
    for name, text in texts.items():
        moved = text.replace(base(COMMITTED.runbooks_url), "http://runbooks.example")
        moved = moved.replace(base(COMMITTED.grafana_url), "http://grafana.example")
        texts[name] = re.sub(r"{{ \$(?:labels\.)?(\w+)[^}]* }}", lambda m: filled_in[m[1]], moved)
    return texts


AI_FAILING: dict[str, Any] = {
    "labels": {
        "alertname": "AIProviderFailing",
        "severity": "page",
        "team": "orchestrator",
        "job": "orchestrator",
        "component": "ai_provider",
        "environment": "production",
        "cluster": "eu-1",
    },
    "annotations": _of_the_rule("AIProviderFailing", job="orchestrator", value="34.1%"),
    "status": "firing",
    "startsAt": "2026-01-05T14:05:00Z",
    "endsAt": _NOT_ENDED,
}


def _resolved(alert: dict[str, Any]) -> dict[str, Any]:
    return {**alert, "status": "resolved", "endsAt": "2026-01-05T14:58:10Z"}


def _breaker(component: str, minute: int) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": "CircuitBreakerOpen",
            "severity": "ticket",
            "team": "orchestrator",
            "job": "orchestrator",
            "component": component,
        },
        "annotations": {
            "summary": f"The breaker of orchestrator for {component} is open",
            "description": f"Calls to {component} are refused. Last 1; alerts above 0 for 1m.",
            "action": f"Fix {component}, or wait for it.",
            "runbook_url": "http://runbooks.example/CircuitBreakerOpen",
            "dashboard_url": "http://grafana.example/d/sms-orchestrator-overview?var-job=all",
            "logs_command": f"python -m app.logs find --where component={component}",
        },
        "status": "firing",
        "startsAt": f"2026-01-05T14:{minute:02}:00Z",
        "endsAt": _NOT_ENDED,
    }


def _target_down(instance: str) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": "TargetDown",
            "severity": "ticket",
            "team": "platform",
            "job": "node",
            "instance": instance,
        },
        "annotations": {
            "summary": f"node can't be scraped at {instance}",
            "description": "It is down, unreachable or too slow. Down for 1m or longer.",
            "action": "Ask for its /health; if it doesn't answer, restart it.",
            "runbook_url": "http://runbooks.example/TargetDown",
            "dashboard_url": "http://grafana.example/d/sms-orchestrator-overview",
        },
        "status": "firing",
        "startsAt": "2026-01-05T14:05:00Z",
        "endsAt": _NOT_ENDED,
    }


_COMPONENTS = (
    *("ai_provider", "collections_monitor", "database", "notification_service"),
    *("sms_agent", "spare_1", "spare_2"),
)
_BREAKERS = [_breaker(name, 20 - number) for number, name in enumerate(_COMPONENTS)]

_HOSTILE: dict[str, Any] = {
    "labels": {"alertname": "Hostile", "severity": "ticket", "component": "<!channel>"},
    "annotations": {
        "summary": "<b>bold</b> & <!channel>",
        "description": "<script>alert(1)</script> [pay here](http://evil.example) *now*\n"
        "Do: call 555 <http://evil.example|the bank>",
        "runbook_url": "javascript:alert(1)",
        "dashboard_url": "http://grafana.example/d/x|y>(z)",
        "logs_command": "grep '<!channel>' `id` & rm",
    },
    "status": "firing",
    "startsAt": "2026-01-05T14:05:00Z",
    "endsAt": _NOT_ENDED,
}

SITUATIONS: dict[str, list[dict[str, Any]]] = {
    "one that fires": [AI_FAILING],
    "one that is over": [_resolved(AI_FAILING)],
    "seven that fire": _BREAKERS,
    "one of two that still fires": [_resolved(_BREAKERS[0]), _BREAKERS[1]],
    "two that are over": [*map(_resolved, _BREAKERS[:2])],
    "two to be seen to the same way": [_target_down("a:9100"), _target_down("b:9100")],
    "somebody else's, without annotations": [
        {**AI_FAILING, "labels": {"alertname": "Foreign"}, "annotations": {}}
    ],
    "hostile texts": [_HOSTILE],
}
"""The alerts of one group, as Alertmanager gives them to the templates."""


def message(kind: str) -> str:
    """All situations of one kind of receiver, each with its rendered fields."""
    parts = []
    for situation, alerts in SITUATIONS.items():
        parts.append(f"=== {situation} " + "=" * (76 - len(situation)))
        for name, template in FIELDS[kind].items():
            parts.append(f"--- {name}\n{_rendered(template, alerts, html=name == 'html')}")
    return "\n".join(parts) + "\n"


def _rendered(template: str, alerts: list[dict[str, Any]], *, html: bool) -> str:
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data.json"
        data.write_text(json.dumps(_data(alerts)))
        done = subprocess.run(
            [
                *(str(locate("amtool").path), "template", "render"),
                f"--template.glob={paths.MESSAGE_TEMPLATES}/*.tmpl",
                f"--template.text={template}",
                f"--template.type={'html' if html else 'text'}",
                f"--template.data={data}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _data(alerts: list[dict[str, Any]]) -> dict[str, Any]:
    def common(what: str) -> dict[str, str]:
        shared = set.intersection(*({*alert[what].items()} for alert in alerts))
        return dict(sorted(shared))

    firing = any(alert["status"] == "firing" for alert in alerts)
    labels = common("labels")
    return {
        "receiver": labels.get("severity", "ticket"),
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "groupLabels": {name: labels[name] for name in (*GROUP_BY, *IDENTITY) if name in labels},
        "commonLabels": labels,
        "commonAnnotations": common("annotations"),
        "externalURL": "http://alertmanager.example:9093",
    }


if __name__ == "__main__":
    for each in FIELDS:
        (EXPECTED / f"{each}.txt").write_text(message(each))
        print(EXPECTED / f"{each}.txt")
