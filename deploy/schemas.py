"""Whether Kubernetes and the operator take a resource: by their own schemas, to the last field."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from alerts.export.kubernetes import checked
from deploy.monitoring import GROUP
from deploy.names import Resource, identifier
from prometheus_tools.toolchain import versions

KUBERNETES = ".".join(versions.version("KUBERNETES_VERSION").split(".")[:2])
VERSIONS = f"Kubernetes {KUBERNETES} and of the operator"

_EXTRA = "pip install '.[stack,export]'"


def problems(resources: Iterable[Resource]) -> Iterator[str]:
    """What the schemas refuse, a line each."""
    for resource in resources:
        if resource["apiVersion"].startswith(GROUP):
            yield from _of_the_operator(resource)
        else:
            yield from _of_kubernetes(resource)


def file_name(resource: Resource) -> str:
    """What the schema of a resource is called: kind, group without its domain, version."""
    api = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", resource["apiVersion"])
    return f"{resource['kind'].lower()}-{api}.json"


def _of_the_operator(resource: Resource) -> Iterator[str]:
    try:
        checked(_without_whole_numbers(resource))
    except ValueError as error:
        yield str(error)


def _of_kubernetes(resource: Resource) -> Iterator[str]:
    file = folder() / file_name(resource)
    if not file.is_file():
        yield (
            f"{identifier(resource)}: Kubernetes {KUBERNETES} has no {resource['kind']} in "
            f"{resource['apiVersion']}; correct apiVersion or kind"
        )
        return
    from jsonschema import Draft202012Validator

    schema = json.loads(file.read_text(encoding="utf-8"))
    for error in Draft202012Validator(schema, registry=_definitions()).iter_errors(resource):
        where = ".".join(map(str, error.path)) or "its top"
        yield f"{identifier(resource)}: {where}: {error.message}"


@cache
def folder() -> Traversable:
    """Kubernetes' schemas, those that refuse a field that they don't know."""
    try:
        found = files("kubernetes_validate")
    except ModuleNotFoundError as error:
        raise ValueError(f"Kubernetes' schemas are missing; {_EXTRA} brings them") from error
    return found / "kubernetes-json-schema" / f"v{KUBERNETES}.0-local-strict"


@cache
def _definitions() -> Any:
    from referencing import Registry, Resource

    # kubernetes-validate itself reads these two megabytes again for each resource.
    content = json.loads((folder() / "_definitions.json").read_text(encoding="utf-8"))
    return Resource.from_contents(content) @ Registry()


def _without_whole_numbers(given: Any) -> Any:
    """The same with `cpu: "2"` as `2000m`.

    The operator's models stumble over quantities of digits alone.
    """
    if isinstance(given, list):
        return [_without_whole_numbers(each) for each in given]
    if not isinstance(given, dict):
        return given
    return {
        key: _exact(value) if key in ("requests", "limits") else _without_whole_numbers(value)
        for key, value in given.items()
    }


def _exact(quantities: Resource) -> Resource:
    return {
        name: f"{amount}000m" if str(amount).isdigit() else amount
        for name, amount in quantities.items()
    }
