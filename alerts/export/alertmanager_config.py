"""Routes, receivers and inhibition as an AlertmanagerConfig, which the operator merges with others.

Secrets are keys of one Kubernetes secret, called as the files are (docs/notifying.md). What the
resource can't say is refused, with the way that can.
"""

import re
from collections.abc import Iterator
from typing import Any

from alerts.export.kubernetes import API, Resource, checked, metadata
from alerts.export.options import Options
from alerts.notifications import configuration
from alerts.notifications.channels import Channel, Secrets
from alerts.notifications.settings import NotificationSettings
from alerts.paths import MESSAGE_TEMPLATES
from alerts.yaml_text import Literal
from prometheus_tools.yaml_reading import read_yaml

SECRET = "sms-orchestrator-notifications"
TEMPLATES = "message-templates"
"""The Alertmanager resource mounts this ConfigMap by `spec.configMaps`."""

_INSTEAD = (
    "make the whole configuration with `python -m alerts notifications` and give it to the "
    "Alertmanager resource as a secret (spec.configSecret)"
)
_MATCHER = re.compile(r'(?P<name>\w+)\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"')
_CAPITALS = {"api_url": "apiURL", "client_url": "clientURL", "require_tls": "requireTLS"}
_OF_SECRETS = {
    "url_file": "urlSecret",
    "api_url_file": "apiURL",
    "routing_key_file": "routingKey",
    "auth_password_file": "authPassword",
}
_PAIRS = ("details", "headers")


def resources(secrets: Secrets, settings: NotificationSettings, options: Options) -> list[Resource]:
    """The AlertmanagerConfig, and the ConfigMap with the texts of its messages.

    ValueError names what an AlertmanagerConfig can't say.
    """
    if secrets.is_on(Channel.TEAMS):
        raise ValueError(f"an AlertmanagerConfig knows no Teams workflows; {_INSTEAD}")
    if settings.quiet_hours and settings.time_zone != "UTC":
        raise ValueError(
            f"an AlertmanagerConfig knows no time zone, but "
            f"{settings.variable('time_zone')}={settings.time_zone}; {_INSTEAD}"
        )
    config = read_yaml(configuration.text(secrets, settings, options.identity))
    spec = {
        "route": _route(config["route"]),
        "receivers": [_receiver(each) for each in config["receivers"]],
        "inhibitRules": [
            {
                "sourceMatch": _matchers(rule["source_matchers"]),
                "targetMatch": _matchers(rule["target_matchers"]),
                "equal": rule["equal"],
            }
            for rule in config["inhibit_rules"]
        ],
    }
    if intervals := config.get("time_intervals"):
        spec["muteTimeIntervals"] = [_hours(each) for each in intervals]
    return [
        checked(
            {
                "apiVersion": f"{API}/v1alpha1",
                "kind": "AlertmanagerConfig",
                "metadata": metadata("alerts", options),
                "spec": spec,
            }
        ),
        _templates(options),
    ]


def _templates(options: Options) -> Resource:
    texts = {
        file.name: Literal(file.read_text(encoding="utf-8"))
        for file in sorted(MESSAGE_TEMPLATES.glob("*.tmpl"))
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(TEMPLATES, options),
        "data": texts,
    }


def _route(route: dict[str, Any]) -> dict[str, Any]:
    found = {_camel(name): value for name, value in route.items()}
    if "matchers" in found:
        found["matchers"] = _matchers(found["matchers"])
    if "routes" in found:
        found["routes"] = [_route(each) for each in found["routes"]]
    return found


def _receiver(receiver: dict[str, Any]) -> dict[str, Any]:
    return {
        _camel(name): value if name == "name" else [dict(_integration(each)) for each in value]
        for name, value in receiver.items()
    }


def _integration(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if name in _OF_SECRETS:
            yield _OF_SECRETS[name], {"name": SECRET, "key": value.rpartition("/")[2]}
        elif name in _PAIRS:
            yield name, [{"key": key, "value": text} for key, text in value.items()]
        elif name == "links":
            links = [{"href": link["href"], "alt": link["text"]} for link in value]
            yield "pagerDutyLinkConfigs", links
        else:
            yield _camel(name), value


def _matchers(texts: list[str]) -> list[dict[str, str]]:
    found = []
    for text in texts:
        match = _MATCHER.fullmatch(text)
        assert match is not None, f"{text} is written by alerts/notifications"
        found.append(
            {
                "name": match["name"],
                "value": re.sub(r"\\(.)", r"\1", match["value"]),
                "matchType": match["op"],
            }
        )
    return found


def _hours(interval: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": interval["name"],
        "timeIntervals": [
            {
                "weekdays": each["weekdays"],
                "times": [
                    {"startTime": time["start_time"], "endTime": time["end_time"]}
                    for time in each["times"]
                ],
            }
            for each in interval["time_intervals"]
        ],
    }


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return _CAPITALS.get(name, first + "".join(other.capitalize() for other in others))
