"""Whether the orchestrator would start with the variables that it is given, and end in time."""

import os
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from app.core.config import ENV_PREFIX, SECRETS_DIR, Settings, load_settings
from app.core.environment import SettingsError
from deploy import names, orchestrator, pods
from deploy.names import Resource, identifier
from deploy.required_secrets import DATABASE_URL, PROXY, SERVICE
from deploy.selection import Given, labels_of

_FROM_SECRETS = {"ORCHESTRATOR_DATABASE_URL": "postgresql://orchestrator@database/orchestrator"}
"""In place of what only the cluster knows."""


def problems(given: Given) -> Iterator[str]:
    """Settings that are refused or don't fit the pod they are for, a line each with the fix."""
    for deployment in given.of("Deployment"):
        if deployment["metadata"]["name"] == names.ORCHESTRATOR:
            yield from _of(deployment, given)


def _of(deployment: Resource, given: Given) -> Iterator[str]:
    where = identifier(deployment)
    pod = deployment["spec"]["template"]["spec"]
    container = next((c for c in pod["containers"] if c["name"] == names.ORCHESTRATOR), None)
    if container is None:
        yield f"{where}: no container is called {names.ORCHESTRATOR}; patches find it by its name"
        return
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" not in source:
            continue
        name = source["configMapRef"]["name"]
        if (found := given.named("ConfigMap", name)) is None:
            if not given.may_have("ConfigMap", name):
                yield f"{where}: no ConfigMap is called {name}; make it by configMapGenerator"
            return
        variables |= found.get("data", {})
    labels = labels_of(deployment["spec"]["template"])
    variables |= {
        each["name"]: each.get("value") or _elsewhere(each["name"], labels)
        for each in container.get("env", [])
    }
    # The folder is in the pod, not here.
    variables.pop(SECRETS_DIR, None)
    try:
        with _environment(variables):
            settings = load_settings()
    except SettingsError as error:
        yield from (f"{where}: {line}" for line in str(error).splitlines())
        return
    yield from _stop(where, pod, settings)
    yield from pods.probes(where, container, settings.port)
    if service := given.named("Service", names.ORCHESTRATOR):
        yield from pods.target_ports(service, container, settings.port)
    yield from _closed_ports(settings, given)


def _stop(where: str, pod: Resource, settings: Settings) -> Iterator[str]:
    longest, grace = settings.longest_request_seconds, settings.stop_grace_seconds
    if grace < longest:
        yield (
            f"{where}: ORCHESTRATOR_STOP_GRACE_SECONDS={grace} cuts off requests, which may take "
            f"{longest:g} s; write {longest:.0f}"
        )
    needed = orchestrator.stop_seconds(settings.stop_drain_seconds + grace)
    if pod.get("terminationGracePeriodSeconds", 30) < needed:
        yield (
            f"{where}: terminationGracePeriodSeconds={pod.get('terminationGracePeriodSeconds')} "
            f"kills it before its {grace} s of ORCHESTRATOR_STOP_GRACE_SECONDS are over; write "
            f"{needed}"
        )


def _closed_ports(settings: Settings, given: Given) -> Iterator[str]:
    policy = given.named("NetworkPolicy", names.ORCHESTRATOR)
    if policy is None:
        return
    opened = _opened(policy)
    for key, address in _of_the_secret(given).items():
        port = urlsplit(address.strip()).port or (5432 if key == DATABASE_URL else 80)
        if opened and port not in opened:
            yield (
                f"{identifier(policy)}: {key} of Secret {SERVICE.name} leads to port {port}, which "
                "is closed; add it to the egress ports"
            )
    for field in (
        "collections_monitor_url",
        "sms_agent_url",
        "notification_service_url",
        "ai_provider_url",
    ):
        url = urlsplit(str(getattr(settings, field)))
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        if opened and port not in opened:
            yield (
                f"{identifier(policy)}: {settings.variable(field)} leads to port {port}, which is "
                "closed; add it to the egress ports"
            )


def not_seen(given: Given) -> Iterator[str]:
    """What an egress policy may shut, and is told only by a secret of the cluster."""
    policy = given.named("NetworkPolicy", names.ORCHESTRATOR)
    if policy is None or given.named("Secret", SERVICE.name) is not None:
        return
    if opened := sorted(_opened(policy)):
        ports = ", ".join(map(str, opened))
        yield (
            f"the ports in {DATABASE_URL} and {PROXY} of the secret {SERVICE.name}: the egress of "
            f"{identifier(policy)} opens {ports}, and another one needs a patch "
            "(docs/kubernetes.md)"
        )


def _of_the_secret(given: Given) -> dict[str, str]:
    """The addresses in a secret that is made here."""
    secret = given.named("Secret", SERVICE.name) or {}
    texts = {name: b64decode(value).decode() for name, value in secret.get("data", {}).items()}
    texts |= secret.get("stringData", {})
    return {name: texts[name] for name in (DATABASE_URL, PROXY) if name in texts}


def _opened(policy: Resource) -> set[int]:
    rules = policy["spec"].get("egress", [])
    return {port.get("port") for rule in rules for port in rule.get("ports", [])} - {None}


def _elsewhere(name: str, labels: Mapping[str, str]) -> str:
    """The value of a variable that comes from a secret, or from a label of the pod."""
    return _FROM_SECRETS.get(name) or labels.get("environment", "")


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process as if it had these settings, and none of its own."""
    before = {name: value for name, value in os.environ.items() if name.startswith(ENV_PREFIX)}
    for name in before:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)
