"""The two sizes: what each patches in the base."""

from dataclasses import dataclass

from app.core import catalogue
from app.core.config import DEFAULT_CONNECTIONS, Settings
from deploy.monitoring import GROUP
from deploy.names import ALERTMANAGER, NAMESPACE, ORCHESTRATOR, PROMETHEUS, Resource, head

_BUSY = 0.5
"""Share of the promised concurrency at which replicas are added: a new one needs a minute."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a container asks for. No limit of CPU: it would slow down a service that has idle CPU
    beside it."""

    cpu: str
    memory: str
    memory_limit: str

    @property
    def resources(self) -> Resource:
        return {
            "requests": {"cpu": self.cpu, "memory": self.memory},
            "limits": {"memory": self.memory_limit},
        }


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    The orchestrator has ``replicas``, or where ``most_replicas`` says more, as many as its SMS in
    flight need. Both are the autoscaler's, in each size: a number in the Deployment would be given
    up by the next size, and a number that nobody states any more is one. ``connections`` are those
    of one replica to the database.
    """

    name: str
    replicas: int
    most_replicas: int
    workers: int
    connections: int
    orchestrator: Machine
    prometheus: Machine
    prometheus_disk: str
    prometheuses: int
    alertmanagers: int

    @property
    def is_scaled(self) -> bool:
        return self.most_replicas > self.replicas

    @property
    def most_connections(self) -> int:
        """Connections to the database while a release adds its replica to all others."""
        return (self.most_replicas + 1) * self.connections

    @property
    def variables(self) -> dict[str, str]:
        """The settings that follow from it."""
        return {
            "ORCHESTRATOR_WORKERS": str(self.workers),
            "ORCHESTRATOR_DATABASE_CONNECTIONS": str(self.connections),
        }


SMALL = Size(
    name="small",
    replicas=2,
    most_replicas=2,
    workers=1,
    connections=DEFAULT_CONNECTIONS,
    orchestrator=Machine("250m", "256Mi", "512Mi"),
    prometheus=Machine("250m", "512Mi", "2Gi"),
    prometheus_disk="20Gi",
    prometheuses=1,
    alertmanagers=1,
)
LARGE = Size(
    name="large",
    replicas=3,
    most_replicas=12,
    workers=4,
    connections=4 * 5,
    orchestrator=Machine("2", "768Mi", "1Gi"),
    prometheus=Machine("1", "4Gi", "8Gi"),
    prometheus_disk="200Gi",
    prometheuses=2,
    alertmanagers=3,
)
SIZES = (SMALL, LARGE)


def patches(size: Size) -> dict[str, Resource]:
    """What the overlay changes in the base, by the name of its file."""
    deployment = _bare("apps/v1", "Deployment", ORCHESTRATOR)
    deployment["spec"] = {
        "template": {
            "spec": {
                "containers": [{"name": ORCHESTRATOR, "resources": size.orchestrator.resources}]
            }
        },
    }
    prometheus = _bare(f"{GROUP}/v1", "Prometheus", PROMETHEUS)
    prometheus["spec"] = {
        "replicas": size.prometheuses,
        "resources": size.prometheus.resources,
        "storage": _disk(size.prometheus_disk),
    }
    alertmanager = _bare(f"{GROUP}/v1", "Alertmanager", ALERTMANAGER)
    alertmanager["spec"] = {
        "replicas": size.alertmanagers,
        "resources": Machine("50m", "64Mi", "256Mi").resources,
        "storage": _disk("1Gi"),
    }
    return {
        "deployment.yaml": deployment,
        "prometheus.yaml": prometheus,
        "alertmanager.yaml": alertmanager,
    }


def further(size: Size, settings: Settings) -> dict[str, Resource]:
    """What the overlay adds to the base, by the name of its file."""
    return {"autoscaler.yaml": _autoscaler(size, settings)}


def _autoscaler(size: Size, settings: Settings) -> Resource:
    return {
        **head("autoscaling/v2", "HorizontalPodAutoscaler", ORCHESTRATOR),
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": ORCHESTRATOR,
            },
            "minReplicas": size.replicas,
            "maxReplicas": size.most_replicas,
            "metrics": [_in_flight(settings) if size.is_scaled else _PROCESSOR],
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}],
                },
                # Rent is due at the end of the month; SMS come in waves.
                "scaleDown": {
                    "stabilizationWindowSeconds": 600,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
                },
            },
        },
    }


_PROCESSOR = {
    # Its number does not change. An autoscaler without a metric would be given this one.
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
}


def _in_flight(settings: Settings) -> Resource:
    busy = int(settings.thresholds.concurrent_sms * _BUSY)
    return {
        "type": "Pods",
        "pods": {
            "metric": {"name": catalogue.SMS_IN_FLIGHT.name},
            "target": {"type": "AverageValue", "averageValue": str(busy)},
        },
    }


def _bare(api: str, kind: str, name: str) -> Resource:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
    }


def _disk(size: str) -> Resource:
    return {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": size}}}}}
