"""Whether Kubernetes and the operator take a resource: by their own schemas, to the last field."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from alerts.export.kubernetes import checked
from asgi_observability.nearest import did_you_mean
from deploy.monitoring import GROUP
from deploy.names import Resource, identifier
from prometheus_tools.toolchain import versions

KUBERNETES = ".".join(versions.version("KUBERNETES_VERSION").split(".")[:2])
VERSIONS = f"Kubernetes {KUBERNETES} and of the operator"

_EXTRA = "pip install '.[stack,export]'"


@dataclass(frozen=True, slots=True)
class Judged:
    """Resources by what the schemas say of them; ``problems`` are lines, each with the fix.

    ``unknown`` are of kinds that neither Kubernetes nor the operator has: a third party's.
    """

    right: tuple[Resource, ...]
    wrong: tuple[Resource, ...]
    unknown: tuple[Resource, ...]
    problems: tuple[str, ...]


def judged(resources: Iterable[Resource]) -> Judged:
    """What the schemas say of each."""
    right, wrong, unknown, problems = [], [], [], []
    for position, resource in enumerate(resources, start=1):
        # Kubernetes reads a field that is null as one that is not there.
        each = _without_nulls(resource)
        if _is_a_third_party_s(each):
            unknown.append(each)
        elif found := list(_refused(each, position)):
            wrong.append(each)
            problems += found
        else:
            right.append(each)
    return Judged(tuple(right), tuple(wrong), tuple(unknown), tuple(problems))


def problems(resources: Iterable[Resource]) -> Iterator[str]:
    """What the schemas refuse, a line each."""
    yield from judged(resources).problems


def _refused(resource: Resource, position: int) -> Iterator[str]:
    metadata = resource["metadata"]
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield (
            f"{resource['kind']}, resource {position} of what was given: no metadata.name; "
            "`kubectl apply` needs one, so write it"
        )
    elif _group(resource) == GROUP:
        yield from _of_the_operator(resource)
    else:
        yield from _of_kubernetes(resource)


def _is_a_third_party_s(resource: Resource) -> bool:
    """Whether its group is nobody's here: it has a domain, and is no slip of a known one."""
    group, known = _group(resource), {*_groups(), GROUP}
    # A group without a domain can only be Kubernetes' own.
    return "." in group and group not in known and not _is_misspelt(resource, known)


def _is_misspelt(resource: Resource, known: Iterable[str]) -> bool:
    meant = did_you_mean(_group(resource), known, otherwise="")
    return bool(meant) and resource["kind"] in {"Prometheus", "Alertmanager", *_kinds()}


def _group(resource: Resource) -> str:
    group, slash, _ = str(resource["apiVersion"]).partition("/")
    return group if slash else ""


def file_name(resource: Resource) -> str:
    """What the schema of a resource is called: kind, group without its domain, version."""
    api = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", resource["apiVersion"])
    return f"{resource['kind'].lower()}-{api}.json"


def _of_the_operator(resource: Resource) -> Iterator[str]:
    try:
        checked(_without_whole_numbers(resource))
    except ValueError as error:
        yield from str(error).splitlines()


def _of_kubernetes(resource: Resource) -> Iterator[str]:
    file = folder() / file_name(resource)
    if not file.is_file():
        group = _group(resource)
        fix = "correct apiVersion or kind"
        if group not in _groups():
            fix = did_you_mean(group, {*_groups(), GROUP}, otherwise=fix)
        yield (
            f"{identifier(resource)}: Kubernetes {KUBERNETES} has no {resource['kind']} in "
            f"{resource['apiVersion']}; {fix}"
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
def _content() -> Any:
    # kubernetes-validate itself reads these two megabytes again for each resource.
    return json.loads((folder() / "_definitions.json").read_text(encoding="utf-8"))


@cache
def _definitions() -> Any:
    from referencing import Registry, Resource

    return Resource.from_contents(_content()) @ Registry()


def _groups() -> frozenset[str]:
    """The groups of Kubernetes itself."""
    return frozenset(group for group, _ in _own())


def _kinds() -> frozenset[str]:
    return frozenset(kind for _, kind in _own())


@cache
def _own() -> frozenset[tuple[str, str]]:
    return frozenset(
        (each["group"], each["kind"])
        for definition in _content()["$defs"].values()
        for each in definition.get("x-kubernetes-group-version-kind", [])
    )


def _without_nulls(given: Any) -> Any:
    if isinstance(given, list):
        return [_without_nulls(each) for each in given]
    if not isinstance(given, dict):
        return given
    return {key: _without_nulls(value) for key, value in given.items() if value is not None}


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
