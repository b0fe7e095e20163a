"""Resources of the Prometheus Operator, checked by its own models."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from alerts.export.options import Options
from asgi_observability.nearest import did_you_mean

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
    """``resource`` itself.

    ValueError says what its model refuses or doesn't know, a line each, with the fix.
    """
    kind, where = resource["kind"], f"{resource['kind']} {resource['metadata']['name']}"
    models = _models(resource["apiVersion"])
    if kind not in models:
        kinds = [name for name, each in models.items() if isinstance(each, type)]
        hint = did_you_mean(kind, kinds, otherwise="correct apiVersion or kind")
        raise ValueError(f"{where}: the operator has no {kind} in {resource['apiVersion']}; {hint}")
    try:
        # The models take what they don't know: a field that is lost on the way was not one of
        # theirs.
        parsed = models[kind].model_validate(resource)
    except ValidationError as error:
        raise ValueError("\n".join(f"{where}: {line}" for line in _refused(kind, error))) from None
    back = parsed.model_dump(by_alias=True, exclude_none=True, mode="json")
    if lost := _lost(resource, back):
        raise ValueError("\n".join(f"{where}: {_unknown(path, parsed)}" for path in lost))
    return resource


def _refused(kind: str, error: ValidationError) -> list[str]:
    """What a model refuses, by the field."""
    return [
        f"{(path := '.'.join(map(str, each['loc'])))}: {each['msg']}; `kubectl explain "
        f"{kind.lower()}.{'.'.join(part for part in path.split('.') if not part.isdigit())}` says "
        "what it takes"
        for each in error.errors(include_url=False)
    ]


def _unknown(path: str, parsed: Any) -> str:
    """A field that the operator doesn't know, and the one that was meant."""
    *parents, name = path.removeprefix(".").replace("[", ".").replace("]", "").split(".")
    for part in parents:
        parsed = _child(parsed, part)
    known = [name for name, _ in _fields(parsed)]
    hint = did_you_mean(name, known, otherwise="leave it out, or correct where it stands")
    return f"no field {path}; {hint}"


def _child(parent: Any, part: str) -> Any:
    if isinstance(parent, list):
        return parent[int(part)]
    return next((getattr(parent, field) for name, field in _fields(parent) if name == part), None)


def _fields(parsed: Any) -> list[tuple[str, str]]:
    """The fields of a model, each as YAML and as Python calls it."""
    if not isinstance(parsed, BaseModel):
        return []
    fields = type(parsed).model_fields
    return [(field.alias or name, name) for name, field in fields.items()]


def _models(version: str) -> Mapping[str, Any]:
    try:
        # A second to import: only whoever exports for the operator pays it.
        from cloudcoil.models.prometheus_operator import v1, v1alpha1
    except ImportError as error:
        raise ValueError(f"the operator's models are missing; {_EXTRA} brings them") from error
    found = {f"{API}/v1": v1, f"{API}/v1alpha1": v1alpha1}
    return vars(found[version]) if version in found else {}


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
