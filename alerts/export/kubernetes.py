"""Resources of the Prometheus Operator, checked by its own models."""

from collections.abc import Mapping
from typing import Any

from alerts.export.options import Options

Resource = dict[str, Any]
API = "monitoring.coreos.com"
_EXTRA = "pip install '.[export]'"


def prometheus_rule(name: str, groups: list[dict[str, Any]], options: Options) -> Resource:
    """A PrometheusRule. ValueError says what its model refuses."""
    return checked(
        {
            "apiVersion": f"{API}/v1",
            "kind": "PrometheusRule",
            "metadata": metadata(name, options),
            "spec": {"groups": groups},
        }
    )


def metadata(name: str, options: Options) -> Resource:
    """The head of a resource. Kubernetes allows no underscore in a name."""
    found: Resource = {
        "name": f"sms-orchestrator-{name.replace('_', '-')}",
        "namespace": options.namespace,
    }
    if options.labels:
        found["labels"] = dict(options.labels)
    return found


def checked(resource: Resource) -> Resource:
    """``resource`` itself. ValueError says what its model refuses, or doesn't know."""
    model = _models(resource["apiVersion"])[resource["kind"]]
    # The models take what they don't know: a field that is lost on the way was not one of theirs.
    parsed = model.model_validate(resource)
    back = parsed.model_dump(by_alias=True, exclude_none=True, mode="json")
    for path in _lost(resource, back):
        raise ValueError(f"{resource['kind']} {resource['metadata']['name']}: no field {path}")
    return resource


def _models(version: str) -> Mapping[str, Any]:
    try:
        # A second to import: only whoever exports for the operator pays it.
        from cloudcoil.models.prometheus_operator import v1, v1alpha1
    except ImportError as error:
        raise ValueError(f"the operator's models are missing; {_EXTRA} brings them") from error
    return vars(v1alpha1 if version.endswith("v1alpha1") else v1)


def _lost(given: Any, back: Any, path: str = "") -> list[str]:
    if isinstance(given, dict):
        return [
            found
            for key, value in given.items()
            for found in (
                _lost(value, back[key], f"{path}.{key}") if key in back else [f"{path}.{key}"]
            )
        ]
    if isinstance(given, list):
        return [
            found
            for position, (one, other) in enumerate(zip(given, back, strict=True))
            for found in _lost(one, other, f"{path}[{position}]")
        ]
    return []
