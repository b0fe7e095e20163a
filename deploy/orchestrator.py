"""The orchestrator: its pods, how they are reached, and what may be done to them."""

import math

from app.core.config import UPGRADE_WAIT_SECONDS, Settings
from deploy.names import (
    CLIENTS,
    HTTP_PORT,
    IMAGE,
    ORCHESTRATOR,
    PROMETHEUS,
    READERS,
    SETTINGS,
    Resource,
    head,
    labels,
)
from deploy.required_secrets import DATABASE_URL, METRICS_TOKENS, OPERATOR_TOKENS, SERVICE

ARCHIVES = "orchestrator-archives"
_SECRETS_FOLDER = "/run/secrets/orchestrator"
_DATA_FOLDER = "/var/lib/orchestrator"
_USER = 10001
"""The Dockerfile's."""

UNHEARD_SECONDS = 10
"""From the order to stop on, until no proxy and no balancer sends anything new."""
_ENDING_SECONDS = 15
"""To write what was measured, and to end the workers."""
_PROBE_SECONDS = 5

# What the upstreams are called is the team's; docs/kubernetes.md says how to change it.
UPSTREAMS = {
    "ORCHESTRATOR_COLLECTIONS_MONITOR_URL": "http://collections-monitor:8001",
    "ORCHESTRATOR_SMS_AGENT_URL": "http://sms-agent:8002",
    "ORCHESTRATOR_NOTIFICATION_SERVICE_URL": "http://notification-service:8003",
    "ORCHESTRATOR_AI_PROVIDER_URL": "https://api.openai.com",
}
EGRESS_PORTS = (443, 5432, 8001, 8002, 8003)
"""What the orchestrator may connect to, besides DNS: HTTPS, PostgreSQL, the upstreams."""


def settings_variables(settings: Settings) -> dict[str, str]:
    """The variables that a team may change, with what they are here."""
    return {
        **UPSTREAMS,
        # Requests that are cut off would be run again, a quarter of an hour later.
        "ORCHESTRATOR_STOP_GRACE_SECONDS": str(math.ceil(settings.longest_request_seconds)),
    }


def resources(settings: Settings) -> list[Resource]:
    """All of the orchestrator but what differs by size."""
    return [
        {**head("v1", "ServiceAccount", ORCHESTRATOR), "automountServiceAccountToken": False},
        {
            **head("v1", "Service", ORCHESTRATOR),
            "spec": {
                "selector": labels(ORCHESTRATOR),
                "ports": [
                    {"name": HTTP_PORT, "port": settings.port, "targetPort": HTTP_PORT},
                ],
            },
        },
        _deployment(settings),
        {
            **head("policy/v1", "PodDisruptionBudget", ORCHESTRATOR),
            "spec": {
                "maxUnavailable": 1,
                # One that never gets ready must not stop a node from being emptied.
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": {"matchLabels": labels(ORCHESTRATOR)},
            },
        },
        {
            **head("v1", "PersistentVolumeClaim", ARCHIVES),
            "spec": {
                # Whichever replica removes expired rollups archives them first.
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": "10Gi"}},
            },
        },
        _network_policy(settings),
    ]


def stop_seconds(grace_seconds: float) -> int:
    """How long a pod may take to end whose requests under way have ``grace_seconds``."""
    return math.ceil(UNHEARD_SECONDS + grace_seconds + _ENDING_SECONDS)


def _deployment(settings: Settings) -> Resource:
    return {
        **head("apps/v1", "Deployment", ORCHESTRATOR),
        "spec": {
            "selector": {"matchLabels": labels(ORCHESTRATOR)},
            # A release that does not start takes nobody's place.
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "minReadySeconds": 5,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 2 * _start_seconds(settings),
            "template": {"metadata": {"labels": labels(ORCHESTRATOR)}, "spec": _pod(settings)},
        },
    }


def _pod(settings: Settings) -> Resource:
    grace = float(settings_variables(settings)["ORCHESTRATOR_STOP_GRACE_SECONDS"])
    return {
        "serviceAccountName": ORCHESTRATOR,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": stop_seconds(grace),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels(ORCHESTRATOR)},
                # Each release is spread for itself.
                "matchLabelKeys": ["pod-template-hash"],
            }
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ],
        "containers": [_container(settings)],
        "volumes": [
            # The workers' shared metric files live below it.
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "128Mi"}},
            {"name": "secrets", "secret": {"secretName": SERVICE.name, "defaultMode": 0o440}},
            {"name": "archives", "persistentVolumeClaim": {"claimName": ARCHIVES}},
        ],
    }


def _container(settings: Settings) -> Resource:
    return {
        "name": ORCHESTRATOR,
        "image": IMAGE,
        "ports": [{"name": HTTP_PORT, "containerPort": settings.port}],
        "envFrom": [{"configMapRef": {"name": SETTINGS}}],
        "env": [
            {"name": "ORCHESTRATOR_HOST", "value": "0.0.0.0"},
            {
                "name": "ORCHESTRATOR_ENVIRONMENT",
                "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['environment']"}},
            },
            {
                "name": "ORCHESTRATOR_DATABASE_URL",
                "valueFrom": {"secretKeyRef": {"name": SERVICE.name, "key": DATABASE_URL}},
            },
            {"name": "ORCHESTRATOR_SECRETS_DIR", "value": _SECRETS_FOLDER},
            {
                "name": "ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE",
                "value": f"{_SECRETS_FOLDER}/{METRICS_TOKENS}",
            },
            {
                "name": "ORCHESTRATOR_LOGS__TOKENS_FILE",
                "value": f"{_SECRETS_FOLDER}/{OPERATOR_TOKENS}",
            },
            {
                "name": "ORCHESTRATOR_ROLLUPS__ARCHIVE_DIR",
                "value": f"{_DATA_FOLDER}/rollup-archives",
            },
        ],
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "secrets", "mountPath": _SECRETS_FOLDER, "readOnly": True},
            {"name": "archives", "mountPath": _DATA_FOLDER},
        ],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": UNHEARD_SECONDS}}},
        **_probes(settings),
    }


def _probes(settings: Settings) -> Resource:
    """A start ends when the database answers. Later its outage takes nobody out of service.

    All replicas would go at once, and with them the live page and the clear answer that says why.
    """

    def asked(path: str, seconds: int, failures: int) -> Resource:
        return {
            "httpGet": {"path": path, "port": HTTP_PORT},
            "periodSeconds": seconds,
            "timeoutSeconds": 4,
            "failureThreshold": failures,
        }

    return {
        "startupProbe": asked(
            "/health/dependencies", _PROBE_SECONDS, _start_seconds(settings) // _PROBE_SECONDS
        ),
        "readinessProbe": asked("/health", _PROBE_SECONDS, 2),
        "livenessProbe": asked("/health", 10, 6),
    }


def _start_seconds(settings: Settings) -> int:
    """The longest start: the database is waited for, then for whoever upgrades it."""
    longest = settings.database_start_wait_seconds + UPGRADE_WAIT_SECONDS
    return math.ceil(longest / 60 + 1) * 60


def _network_policy(settings: Settings) -> Resource:
    return {
        **head("networking.k8s.io/v1", "NetworkPolicy", ORCHESTRATOR),
        "spec": {
            "podSelector": {"matchLabels": labels(ORCHESTRATOR)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {
                    "from": [
                        {"podSelector": {"matchLabels": labels(PROMETHEUS)}},
                        *(
                            {"namespaceSelector": {"matchLabels": each}}
                            for each in (CLIENTS, READERS)
                        ),
                    ],
                    "ports": [{"port": settings.port, "protocol": "TCP"}],
                }
            ],
            "egress": [
                {"ports": [{"port": 53, "protocol": name} for name in ("UDP", "TCP")]},
                {"ports": [{"port": port, "protocol": "TCP"} for port in EGRESS_PORTS]},
            ],
        },
    }
