"""Whether pods may start, are found ready, and are not killed for what is no fault of theirs."""

import re
from collections.abc import Iterator

from app.core.objectives import PROBES
from asgi_observability.nearest import did_you_mean
from deploy import orchestrator
from deploy.names import Resource, identifier
from deploy.selection import Given

_ALIVE, _DEPENDENCIES = "/health", "/health/dependencies"
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_UNITS = {**_BINARY, **_DECIMAL, "P": 1e15, "E": 1e18}


def problems(given: Given) -> Iterator[str]:
    """Root, and requests above limits, a line each with the fix."""
    for each in given.of("Deployment", "StatefulSet", "DaemonSet"):
        pod = each["spec"]["template"]["spec"]
        yield from _root(identifier(each), pod)
        for container in pod["containers"]:
            yield from _amounts(f"{identifier(each)}, {container['name']}", container)
        yield from _claims(each, given)
    for each in given.of("Prometheus", "Alertmanager"):
        yield from _root(identifier(each), each["spec"])
        yield from _amounts(identifier(each), each["spec"])


def probes(where: str, container: Resource, port: int) -> Iterator[str]:
    """Probes that are not there, or ask for what the service does not answer at ``port``."""
    ports = {each.get("name"): each["containerPort"] for each in container.get("ports", [])}
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if name not in container:
            yield f"{where}: no {name}; take that of the base"
            continue
        if (asked := container[name].get("httpGet")) is None:
            continue
        path = asked.get("path", "/")
        if path not in PROBES:
            hint = did_you_mean(path, PROBES, otherwise=f"write {_ALIVE}")
            yield f"{where}: {name}: the service has no path {path}; {hint}"
        elif name != "startupProbe" and path == _DEPENDENCIES:
            yield (
                f"{where}: {name} asks {path}: an outage of the database would take all replicas "
                f"out of service; write {_ALIVE}"
            )
        if (given := ports.get(asked["port"], asked["port"])) != port:
            yield f"{where}: {name}: nobody listens at port {given}; write {port}"


def target_ports(service: Resource, container: Resource, port: int) -> Iterator[str]:
    """Ports of ``service`` behind which nobody listens."""
    ports = {each.get("name"): each["containerPort"] for each in container.get("ports", [])}
    for each in service["spec"].get("ports", []):
        target = each.get("targetPort", each["port"])
        if ports.get(target, target) != port:
            yield f"{identifier(service)}: targetPort {target} is not the service's; write {port}"


def _claims(deployment: Resource, given: Given) -> Iterator[str]:
    """Claims that only one machine may have, where pods run on several."""
    for volume in deployment["spec"]["template"]["spec"].get("volumes", []):
        name = volume.get("persistentVolumeClaim", {}).get("claimName", "")
        claim = given.named("PersistentVolumeClaim", name)
        if name != orchestrator.ARCHIVES or claim is None:
            continue
        if "ReadWriteMany" not in claim["spec"].get("accessModes", []):
            yield (
                f"{identifier(claim)}: a replica on a second machine can't have it, and does not "
                "start; write accessModes: [ReadWriteMany]"
            )


def _root(where: str, pod: Resource) -> Iterator[str]:
    every = [pod, *pod.get("containers", [])]
    if any(each.get("securityContext", {}).get("runAsUser") == 0 for each in every):
        yield (
            f"{where}: runAsUser 0 is root, and the namespace takes no such pod; leave it as in "
            "the base"
        )


def _amounts(where: str, given: Resource) -> Iterator[str]:
    amounts = given.get("resources", {})
    for name, limit in amounts.get("limits", {}).items():
        asked = amounts.get("requests", {}).get(name, limit)
        if _quantity(asked) > _quantity(limit):
            yield (
                f"{where}: requests {asked} of {name}, above its limit of {limit}, so no pod "
                "starts; raise the limit"
            )


def _quantity(amount: str | float) -> float:
    found = re.fullmatch(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)(\w*)", str(amount))
    return float(found[1]) * _UNITS.get(found[2], 1) if found else 0.0
