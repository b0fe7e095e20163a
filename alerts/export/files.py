"""The files of an export, by name."""

from collections.abc import Mapping
from typing import Any

from alerts.export import alertmanager_config, kubernetes
from alerts.export.adaptation import adapted
from alerts.export.engines import Engine
from alerts.export.options import Options
from alerts.notifications.channels import Secrets
from alerts.notifications.settings import NotificationSettings
from alerts.yaml_text import documents, dumped

HEADER = "# Made by `python -m alerts export`; make it again, don't edit it."
MIMIR_FILE = "sms-orchestrator.yml"
NOTIFICATIONS_FILE = "alertmanager-config.yml"


def exported(rule_files: Mapping[str, str], options: Options) -> dict[str, str]:
    """The rules as the engine takes them. ValueError says what can't be exported, and why."""
    groups = adapted(rule_files, options)
    if options.engine is Engine.MIMIR:
        # One namespace: `mimirtool rules sync` compares and replaces it as a whole.
        every = [group for of_file in groups.values() for group in of_file]
        return {MIMIR_FILE: _headed(dumped({"namespace": options.namespace, "groups": every}))}
    return {f"{name}.yml": _headed(_text(name, each, options)) for name, each in groups.items()}


def exported_notifications(
    secrets: Secrets, settings: NotificationSettings, options: Options
) -> dict[str, str]:
    """Alertmanager's side, where the engine's operator has a resource for it."""
    every = alertmanager_config.resources(secrets, settings, options)
    return {NOTIFICATIONS_FILE: _headed(documents(every))}


def _text(name: str, groups: list[dict[str, Any]], options: Options) -> str:
    if options.engine is Engine.OPERATOR:
        return dumped(kubernetes.prometheus_rule(name, groups, options))
    return dumped({"groups": groups})


def _headed(text: str) -> str:
    return f"{HEADER}\n{text}"
