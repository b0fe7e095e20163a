"""Alertmanager's configuration file, and the templates that belong beside it."""

from pathlib import Path
from typing import Any

import yaml

from alerts import generated, paths
from alerts.identity import IDENTITY
from alerts.notifications.channels import Channel, Secrets, unheard
from alerts.notifications.inhibition import Inhibition, inhibitions
from alerts.notifications.receivers import require_recipients
from alerts.notifications.routes import (
    receivers,
    require_environments,
    route,
    time_intervals,
)
from alerts.notifications.settings import NotificationSettings

COMMITTED = Secrets.of(Channel.WEBHOOK)
"""What alerts/alertmanager.yml is made for."""

_HEADER = """\
# Who is notified of what, how soon and how often (docs/notifying.md).
# Generated from alerts/notifications/, here for these secrets: {secrets}.
# The committed one comes from `make generate`, others from `python -m alerts notifications`.
"""


class _Dumper(yaml.SafeDumper):
    """List items indented, lists of words on one line, everything written out."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    words = all(isinstance(item, str) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=words)


_Dumper.add_representer(list, _list)


def text(
    secrets: Secrets, settings: NotificationSettings, identity: tuple[str, ...] = IDENTITY
) -> str:
    """The configuration for those channels whose secrets are there.

    ``identity`` are the labels that tell deployments apart, as the rules have them.
    Raises SettingsError where a channel that is on lacks a setting, or one can't work.
    """
    require_recipients(secrets, settings)
    require_environments(settings, identity)
    intervals = time_intervals(settings)
    sections = [
        _HEADER.format(secrets=", ".join(sorted(secrets.files)) or "none")
        + "".join(f"# {each}\n" for each in unheard(secrets)),
        _yaml({"templates": [f"{settings.templates_path}/*.tmpl"]}),
        _yaml({"route": route(secrets, settings, identity)}),
        *([_yaml({"time_intervals": intervals})] if intervals else []),
        "# Paths of secrets start from Alertmanager's working directory.\n"
        + _yaml({"receivers": receivers(secrets, settings)}),
        "inhibit_rules:\n" + "".join(_inhibition(rule, identity) for rule in inhibitions()),
    ]
    return "\n".join(sections)


def write(
    file: Path,
    secrets: Secrets,
    settings: NotificationSettings,
    identity: tuple[str, ...] = IDENTITY,
) -> None:
    """Write the configuration to ``file``, and the templates to a folder beside it.

    Raises SettingsError as text() does.
    """
    content = text(secrets, settings, identity)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    folder = file.parent / paths.MESSAGE_TEMPLATES.name
    if folder.resolve() != paths.MESSAGE_TEMPLATES:
        templates = paths.MESSAGE_TEMPLATES.glob("*.tmpl")
        generated.write(folder, {each.name: each.read_text(encoding="utf-8") for each in templates})


def _inhibition(rule: Inhibition, identity: tuple[str, ...]) -> str:
    matchers = {
        "source_matchers": list(rule.source_matchers),
        "target_matchers": list(rule.target_matchers),
        "equal": ["job", *rule.same, *identity],
    }
    lines = [f"# {rule.reason}", *_yaml([matchers]).splitlines()]
    return "".join(f"  {line}\n" for line in lines)


def _yaml(section: Any) -> str:
    return yaml.dump(section, Dumper=_Dumper, sort_keys=False, width=4096, allow_unicode=True)
