"""Whether the orchestrator would start with the variables that it is given, and end in time."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from app.core.config import ENV_PREFIX, SECRETS_DIR, Settings, load_settings
from app.core.environment import SettingsError
from deploy import names, orchestrator
from deploy.names import Resource, identifier
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
            if given.knows_all("ConfigMap"):
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
    opened = {
        port["port"] for rule in policy["spec"].get("egress", []) for port in rule.get("ports", [])
    }
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
