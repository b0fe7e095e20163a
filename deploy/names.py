"""What things are called in the cluster, and the labels by which they find each other."""

from typing import Any

from alerts.export import alertmanager_config
from alerts.signals.scraping import ALERTMANAGER_JOB, ORCHESTRATOR_JOB, PROMETHEUS_JOB

Resource = dict[str, Any]

NAMESPACE = "sms-orchestrator"
ORCHESTRATOR, PROMETHEUS, ALERTMANAGER = ORCHESTRATOR_JOB, PROMETHEUS_JOB, ALERTMANAGER_JOB
"""Each is called as its job: the operator takes a job's name from this label of its service."""
IMAGE = "sms-orchestrator"
SETTINGS = "orchestrator-settings"
"""The ConfigMap of environment variables; kustomize appends a hash, so that a change restarts."""
ROUTES = "alertmanager-config"
"""The secret with Alertmanager's configuration. Nothing in it is secret, but the operator asks for
one."""
TEMPLATES = f"sms-orchestrator-{alertmanager_config.TEMPLATES}"

NAME_LABEL = "app.kubernetes.io/name"
JOB_LABEL = NAME_LABEL
PART_OF = {"app.kubernetes.io/part-of": "sms-orchestrator"}
"""What the operator selects rules and monitors by, and nothing of another team's has."""

CLIENTS = {"sms-orchestrator/client": "true"}
"""Namespaces whose pods may send SMS and act on them."""
READERS = {"sms-orchestrator/reads-metrics": "true"}
"""Namespaces whose pods may ask Prometheus and Alertmanager, such as Grafana's."""

HTTP_PORT, WEB_PORT = "http", "web"


def labels(name: str) -> dict[str, str]:
    """The labels of everything that belongs to ``name``; they select its pods too."""
    return {NAME_LABEL: name, **PART_OF}


def head(api: str, kind: str, name: str) -> Resource:
    """The beginning of a resource."""
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels(name)},
    }


def namespace() -> Resource:
    """The namespace. Kubernetes refuses pods in it that could become more than they are."""
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {**PART_OF, **level}},
    }


def name_of(resource: Resource) -> str:
    """The name of what may be of no right form; empty where it has none."""
    metadata = resource["metadata"]
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def identifier(resource: Resource) -> str:
    """How a message names a resource."""
    return f"{resource['kind']} {resource['metadata']['name']}"
