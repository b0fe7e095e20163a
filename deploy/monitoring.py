"""What the Prometheus Operator is asked for: whom to scrape, and a Prometheus and an Alertmanager.

The replicas of a pair differ by one external label, which the operator drops from each alert.
"""

from alerts.identity import IDENTITY
from alerts.prometheus_config import evaluation_seconds, scrape_seconds
from deploy.names import (
    ALERTMANAGER,
    HTTP_PORT,
    JOB_LABEL,
    NAME_LABEL,
    ORCHESTRATOR,
    PART_OF,
    PROMETHEUS,
    READERS,
    ROUTES,
    TEMPLATES,
    WEB_PORT,
    Resource,
    head,
    labels,
)
from deploy.required_secrets import SCRAPE, TOKEN, notifications
from prometheus_tools.toolchain import versions

GROUP = "monitoring.coreos.com"
REPLICA = "replica"
SECRETS_FOLDER = f"/etc/alertmanager/secrets/{notifications().name}"
TEMPLATES_FOLDER = f"/etc/alertmanager/configmaps/{TEMPLATES}"
"""Where the operator mounts what an Alertmanager names."""

_RETENTION = "60d"
"""Bands by hour of the week need five weeks."""
_PROMETHEUS_PORT, _ALERTMANAGER_PORT, _PEERS_PORT = 9090, 9093, 9094


def scraping() -> list[Resource]:
    """Whom to scrape."""
    return [_scraped_orchestrator(), _scraped_monitoring()]


def _scraped_orchestrator() -> Resource:
    return {
        **head(f"{GROUP}/v1", "ServiceMonitor", ORCHESTRATOR),
        "spec": {
            "selector": {"matchLabels": labels(ORCHESTRATOR)},
            "jobLabel": JOB_LABEL,
            # Rules, routes and dashboards tell deployments apart by these labels of the service.
            "targetLabels": list(IDENTITY),
            "endpoints": [
                {
                    **_endpoint(HTTP_PORT),
                    "authorization": {"credentials": {"name": SCRAPE.name, "key": TOKEN}},
                }
            ],
        },
    }


def _scraped_monitoring() -> Resource:
    names = [PROMETHEUS, ALERTMANAGER]
    return {
        **head(f"{GROUP}/v1", "ServiceMonitor", "monitoring"),
        "spec": {
            "selector": {
                "matchLabels": PART_OF,
                "matchExpressions": [{"key": NAME_LABEL, "operator": "In", "values": names}],
            },
            "jobLabel": JOB_LABEL,
            "targetLabels": list(IDENTITY),
            "endpoints": [_endpoint(WEB_PORT)],
        },
    }


def _endpoint(port: str) -> Resource:
    return {
        "port": port,
        "interval": f"{scrape_seconds()}s",
        # Messages name the pod, which tells more than its address.
        "relabelings": [
            {"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "instance"}
        ],
    }


def prometheus() -> list[Resource]:
    """A Prometheus that scrapes this namespace and nothing else, and what it needs."""
    return [
        head("v1", "ServiceAccount", PROMETHEUS),
        {
            **head("rbac.authorization.k8s.io/v1", "Role", PROMETHEUS),
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["services", "endpoints", "pods"],
                    "verbs": ["get", "list", "watch"],
                },
                {
                    "apiGroups": ["discovery.k8s.io"],
                    "resources": ["endpointslices"],
                    "verbs": ["get", "list", "watch"],
                },
            ],
        },
        {
            **head("rbac.authorization.k8s.io/v1", "RoleBinding", PROMETHEUS),
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": PROMETHEUS,
            },
            "subjects": [
                {
                    "kind": "ServiceAccount",
                    "name": PROMETHEUS,
                    "namespace": head("v1", "ServiceAccount", PROMETHEUS)["metadata"]["namespace"],
                }
            ],
        },
        _service(PROMETHEUS, _PROMETHEUS_PORT),
        {
            **head(f"{GROUP}/v1", "Prometheus", PROMETHEUS),
            "spec": {
                **_common(PROMETHEUS, "PROMETHEUS_VERSION"),
                "serviceAccountName": PROMETHEUS,
                "scrapeInterval": f"{scrape_seconds()}s",
                "evaluationInterval": f"{evaluation_seconds()}s",
                "replicaExternalLabelName": REPLICA,
                # Namespace and name: both of a pair have the same, and cluster says it better.
                "prometheusExternalLabelName": "",
                "serviceMonitorSelector": {"matchLabels": PART_OF},
                "ruleSelector": {"matchLabels": PART_OF},
                "alerting": {"alertmanagers": [{"name": ALERTMANAGER, "port": WEB_PORT}]},
                "enableFeatures": ["exemplar-storage"],
                "retention": _RETENTION,
            },
        },
        _disruption(PROMETHEUS),
        _reached(PROMETHEUS, _PROMETHEUS_PORT, []),
    ]


# Each pod hears of all that fires before the next is restarted: Prometheus tells it again after a
# minute and an evaluation. Operators from 0.88 on make --dispatch.start-delay of it as well: until
# then it tells nothing. docs/pairs.md says why they wait so short a time for each other.
_OF_A_CLUSTER = {"minReadySeconds": 90, "clusterPeerTimeout": "5s"}


def alertmanager() -> list[Resource]:
    """An Alertmanager with the routes, and what it needs.

    They are a secret and no AlertmanagerConfig: the operator adds a matcher for the namespace to
    each route and each inhibition of such a resource, and hangs its routes below others. Alerts
    about what is missing have no namespace, and would reach nobody.
    """
    peers = [
        {
            "from": [{"podSelector": {"matchLabels": labels(ALERTMANAGER)}}],
            "ports": [{"port": _PEERS_PORT, "protocol": name} for name in ("TCP", "UDP")],
        }
    ]
    return [
        _service(ALERTMANAGER, _ALERTMANAGER_PORT),
        {
            **head(f"{GROUP}/v1", "Alertmanager", ALERTMANAGER),
            "spec": {
                **_common(ALERTMANAGER, "ALERTMANAGER_VERSION"),
                "automountServiceAccountToken": False,
                "configSecret": ROUTES,
                "configMaps": [TEMPLATES],
                "secrets": [notifications().name],
                "retention": "120h",
                **_OF_A_CLUSTER,
            },
        },
        _disruption(ALERTMANAGER),
        _reached(ALERTMANAGER, _ALERTMANAGER_PORT, peers),
    ]


def _common(name: str, version: str) -> Resource:
    """What both take from the operator."""
    return {
        "version": f"v{versions.version(version)}",
        "replicas": 1,
        "podMetadata": {"labels": PART_OF},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                # A pair on one machine is no pair.
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": labels(name)},
            }
        ],
    }


def _service(name: str, port: int) -> Resource:
    return {
        **head("v1", "Service", name),
        "spec": {
            "selector": labels(name),
            "ports": [{"name": WEB_PORT, "port": port, "targetPort": WEB_PORT}],
        },
    }


def _disruption(name: str) -> Resource:
    return {
        **head("policy/v1", "PodDisruptionBudget", name),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels(name)}},
    }


def _reached(name: str, port: int, further: list[Resource]) -> Resource:
    """Who reaches ``name``: Prometheus, and namespaces that may read."""
    return {
        **head("networking.k8s.io/v1", "NetworkPolicy", name),
        "spec": {
            "podSelector": {"matchLabels": labels(name)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [
                        {"podSelector": {"matchLabels": labels(PROMETHEUS)}},
                        {"namespaceSelector": {"matchLabels": READERS}},
                    ],
                    "ports": [{"port": port, "protocol": "TCP"}],
                },
                *further,
            ],
        },
    }
