"""What kustomize makes of an overlay, as far as our own files use it; a test compares them."""

from base64 import b64encode
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from app.core.config import Settings
from deploy import files, kustomizations, names, orchestrator, sizes
from deploy.names import Resource


def built(size: sizes.Size, settings: Settings) -> list[Resource]:
    """The resources of an overlay, without rules, texts and dashboards."""
    every = [each for group in files.base_resources(settings).values() for each in group]
    every = deepcopy([*every, *sizes.further(size, settings).values()])
    variables = orchestrator.settings_variables(settings) | size.variables
    every.append({**names.head("v1", "ConfigMap", names.SETTINGS), "data": variables})
    routes = b64encode(files.routes_text().encode()).decode()
    routes_secret = {**names.head("v1", "Secret", names.ROUTES), "type": "Opaque"}
    every.append({**routes_secret, "data": {"alertmanager.yaml": routes}})
    for patch in sizes.patches(size).values():
        _merge(_named_like(patch, every), patch)
    for resource in every:
        _place(resource)
    return every


def _named_like(patch: Resource, resources: Iterable[Resource]) -> Resource:
    wanted = names.identifier(patch)
    return next(each for each in resources if names.identifier(each) == wanted)


def _merge(into: Resource, patch: Resource) -> None:
    """Kubernetes' strategic merge: lists of what has a name are merged by it."""
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(into.setdefault(key, {}), value)
        elif isinstance(value, list) and key in into and "name" in value[0]:
            for each in value:
                _merge(next(own for own in into[key] if own["name"] == each["name"]), each)
        else:
            into[key] = value


def _place(resource: dict[str, Any]) -> None:
    resource["metadata"].setdefault("labels", {}).update(kustomizations.PLACE)
    match resource["kind"]:
        case "Deployment":
            resource["spec"]["template"]["metadata"]["labels"].update(kustomizations.PLACE)
        case "Prometheus":
            resource["spec"].setdefault("externalLabels", {}).update(kustomizations.PLACE)
