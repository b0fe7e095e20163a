"""Every generated file: its text by its folder and its name."""

import os
import tomllib
from pathlib import Path

from alerts import generated, paths
from alerts.export import kubernetes
from alerts.export.adaptation import adapted
from alerts.export.engines import Engine
from alerts.export.options import Options
from alerts.notifications import configuration
from alerts.notifications.settings import NotificationSettings
from alerts.rules import rule_files
from alerts.signals.scraping import NODE_JOB
from alerts.yaml_text import documents
from app.core.config import Settings
from deploy import adapter, kustomizations, monitoring, names, orchestrator, sizes
from deploy.names import Resource

FOLDER = Path(__file__).parent
BASE, OVERLAYS, RULES = FOLDER / "base", FOLDER / "overlays", FOLDER / "base" / "rules"

_KUSTOMIZATION = "kustomization.yaml"
_HEADER = "# Generated from deploy/ by `make generate`; edit there.\n"

Files = dict[Path, dict[str, str]]


def every(settings: Settings) -> Files:
    """All files. ValueError says which resource of the operator can't be, and why."""
    rules = {f"{each['metadata']['name']}.yaml": _text(each) for each in rules_of(settings)}
    templates = [file.name for file in sorted(paths.MESSAGE_TEMPLATES.glob("*.tmpl"))]
    dashboards = [file.name for file in sorted(paths.DASHBOARDS.glob("*.json"))]
    found: Files = {
        FOLDER: {"prometheus-adapter.yaml": _text(adapter.values())},
        BASE: _base(settings),
        RULES: rules | {_KUSTOMIZATION: _text(kustomizations.list_of(rules))},
        paths.DASHBOARDS: {_KUSTOMIZATION: _text(kustomizations.dashboards(dashboards))},
        paths.MESSAGE_TEMPLATES: {_KUSTOMIZATION: _text(kustomizations.templates(templates))},
    }
    for size in sizes.SIZES:
        found[OVERLAYS / size.name] = _overlay(size, settings)
    return found


def base_resources(settings: Settings) -> dict[str, list[Resource]]:
    """What the base consists of beside rules, texts and dashboards, by the name of its file."""
    return {
        "namespace.yaml": [names.namespace()],
        "orchestrator.yaml": orchestrator.resources(settings),
        "scraping.yaml": monitoring.scraping(),
        "prometheus.yaml": monitoring.prometheus(),
        "alertmanager.yaml": monitoring.alertmanager(),
    }


def rules_of(settings: Settings) -> list[Resource]:
    """The rules as the operator takes them.

    Machines are watched by whoever runs the cluster: no rule here misses their job.
    """
    options = Options(
        Engine.OPERATOR,
        namespace=names.NAMESPACE,
        labels=names.PART_OF,
        absent_jobs=frozenset({NODE_JOB}),
    )
    groups = adapted(rule_files(settings.thresholds, settings.links), options)
    return [kubernetes.prometheus_rule(name, each, options) for name, each in groups.items()]


def routes() -> str:
    """Alertmanager's configuration with the folders in which the operator puts its files."""
    settings = NotificationSettings.load(
        secrets_path=monitoring.SECRETS_FOLDER, templates_path=monitoring.TEMPLATES_FOLDER
    )
    return configuration.text(configuration.COMMITTED, settings)


def routes_text() -> str:
    """The same as it is committed."""
    return _HEADER + routes()


def write(files: Files) -> None:
    """Make each folder hold these files."""
    for folder, texts in files.items():
        generated.write(folder, texts)


def drift(files: Files) -> list[str]:
    """How the committed files differ, one line each, with the fix."""
    return [each for folder, texts in files.items() for each in generated.drift(folder, texts)]


def _base(settings: Settings) -> dict[str, str]:
    resources = base_resources(settings)
    elsewhere = (RULES, paths.MESSAGE_TEMPLATES, paths.DASHBOARDS)
    folders = [os.path.relpath(folder, BASE) for folder in elsewhere]
    kustomization = kustomizations.base(
        [*resources, *folders], orchestrator.settings_variables(settings)
    )
    return {
        **{name: _text(*each) for name, each in resources.items()},
        kustomizations.ROUTES_FILE: routes_text(),
        _KUSTOMIZATION: _text(kustomization),
    }


def _overlay(size: sizes.Size, settings: Settings) -> dict[str, str]:
    patches, further = sizes.patches(size), sizes.further(size, settings)
    kustomization = kustomizations.overlay(size, patches, further, _version())
    files = {**patches, **further, _KUSTOMIZATION: kustomization}
    return {name: _text(each) for name, each in files.items()}


def _version() -> str:
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version: str = project["project"]["version"]
    return version


def _text(*resources: Resource) -> str:
    return _HEADER + documents(list(resources))
