"""The files of an export, by name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alerts.export import alertmanager_config, kubernetes
from alerts.export.adaptation import adapted
from alerts.export.engines import Engine
from alerts.export.options import Options
from alerts.notifications.channels import Secrets
from alerts.notifications.settings import NotificationSettings
from alerts.yaml_text import documents, dumped

_MADE = "# Made by `python -m alerts export"
MIMIR_FILE = "sms-orchestrator.yml"
NOTIFICATIONS_FILE = "alertmanager-config.yml"


def exported(rule_files: Mapping[str, str], options: Options) -> dict[str, str]:
    """The rules as the engine takes them. ValueError says what can't be exported, and why."""
    groups = adapted(rule_files, options)
    if options.engine is Engine.MIMIR:
        # One namespace: `mimirtool rules sync` compares and replaces it as a whole.
        every = [group for of_file in groups.values() for group in of_file]
        return {
            MIMIR_FILE: _headed(dumped({"namespace": options.namespace, "groups": every}), options)
        }
    return {
        f"{name}.yml": _headed(_text(name, each, options), options) for name, each in groups.items()
    }


def exported_notifications(
    secrets: Secrets, settings: NotificationSettings, options: Options
) -> dict[str, str]:
    """Alertmanager's side, where the engine's operator has a resource for it."""
    every = alertmanager_config.resources(secrets, settings, options)
    return {NOTIFICATIONS_FILE: _headed(documents(every), options)}


def require_own(folder: Path, engine: Engine) -> None:
    """Refuse a folder with YAML files that no export for ``engine`` made: they would be replaced.

    Raises ValueError, OSError.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--output {folder} is a file; name a folder")
    for file in sorted(folder.glob("*.yml")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            first = lines.readline()
        if not first.startswith(_MADE):
            raise ValueError(f"{file} was not made by an export; choose another --output")
        if f" --for {engine}`" not in first:
            made_for = next((each for each in Engine if f" --for {each}`" in first), "something")
            raise ValueError(
                f"{folder} holds an export for {made_for}; give --for {engine} a folder of its "
                "own, or delete this one"
            )


def _text(name: str, groups: list[dict[str, Any]], options: Options) -> str:
    if options.engine is Engine.OPERATOR:
        return dumped(kubernetes.prometheus_rule(name, groups, options))
    return dumped({"groups": groups})


def _headed(text: str, options: Options) -> str:
    return f"{_MADE} --for {options.engine}`; make it again, don't edit it.\n{text}"
