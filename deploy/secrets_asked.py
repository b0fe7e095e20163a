"""Whether each secret that is asked for is known or made, with the key that is wanted of it."""

from collections.abc import Iterator
from typing import Any

from asgi_observability.nearest import did_you_mean
from deploy import required_secrets
from deploy.monitoring import GROUP
from deploy.names import Resource, identifier, name_of
from deploy.selection import Given


def problems(given: Given) -> Iterator[str]:
    """Secrets and keys that nobody makes, a line each with the fix."""
    known = {secret.name: secret for secret in required_secrets.ALL}
    made = {each["metadata"]["name"]: _keys(each) for each in given.of("Secret")}
    elsewhere = set(_made_elsewhere(given))
    for resource in given.every:
        for name, key in dict.fromkeys(_asked(resource)):
            if name in elsewhere:
                continue
            if name not in known and name not in made:
                all_of_them = [*known, *made]
                others = f"there are {', '.join(all_of_them)}"
                hint = did_you_mean(name, all_of_them, otherwise=others)
                yield f"{identifier(resource)}: no secret is called {name}; {hint}"
                continue
            keys = made[name] if name in made else {each.name for each in known[name].keys}
            if key and key not in keys:
                hint = did_you_mean(key, keys, otherwise=f"it has {', '.join(sorted(keys))}")
                yield f"{identifier(resource)}: secret {name} has no key {key}; {hint}"
    for name, keys in made.items():
        if name in known:
            yield from known[name].problems(keys)


def _made_elsewhere(given: Given) -> Iterator[str]:
    """What a third party's resource may make a secret of, such as an ExternalSecret.

    A secret of a wrong form is told as such.
    """
    for each in given.wrong:
        if each["kind"] == "Secret":
            yield name_of(each)
    for each in given.unknown:
        spec = each.get("spec") or {}
        yield name_of(each)
        yield str(spec.get("secretName"))
        yield str((spec.get("target") or {}).get("name"))


def _keys(secret: Resource) -> frozenset[str]:
    return frozenset({**secret.get("data", {}), **secret.get("stringData", {})})


def _asked(resource: Resource) -> Iterator[tuple[str, str | None]]:
    """The secrets that a resource names, each with the key where it wants one."""
    spec = resource.get("spec", {})
    if resource["apiVersion"].startswith(f"{GROUP}/"):
        yield from _references(spec)
        if resource["kind"] in ("Prometheus", "Alertmanager"):
            yield from ((name, None) for name in spec.get("secrets", []))
        if "configSecret" in spec:
            yield spec["configSecret"], "alertmanager.yaml"
    elif resource["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
        yield from _asked_by_a_pod(spec["template"]["spec"])


def _asked_by_a_pod(pod: Resource) -> Iterator[tuple[str, str | None]]:
    for volume in pod.get("volumes", []):
        if "secret" in volume and not volume["secret"].get("optional"):
            yield volume["secret"]["secretName"], None
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        for source in container.get("envFrom", []):
            if "secretRef" in source and not source["secretRef"].get("optional"):
                yield source["secretRef"]["name"], None
        for variable in container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield reference["name"], reference["key"]


def _references(given: Any) -> Iterator[tuple[str, str | None]]:
    """What the operator's resources take from secrets: a name and a key, wherever they stand."""
    if isinstance(given, list):
        for each in given:
            yield from _references(each)
    elif isinstance(given, dict):
        if {"name", "key"} <= given.keys() <= {"name", "key", "optional"}:
            if not given.get("optional"):
                yield given["name"], given["key"]
            return
        for field, value in given.items():
            if field != "configMap":
                yield from _references(value)
