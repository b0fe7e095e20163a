"""What the Prometheus Adapter is told, so that the autoscaler can ask for SMS in flight."""

from app.core import catalogue
from deploy.names import NAMESPACE, PROMETHEUS, Resource

NAMES = ("namespace", "pod")
"""Labels of series that are Kubernetes' resources; the operator writes them."""


def values() -> Resource:
    """Values of the adapter's Helm chart."""
    selected = ",".join(f'{name}!=""' for name in NAMES)
    return {
        "prometheus": {"url": f"http://{PROMETHEUS}.{NAMESPACE}.svc", "port": 9090},
        "rules": {
            "default": False,
            "custom": [
                {
                    "seriesQuery": f"{catalogue.SMS_IN_FLIGHT.name}{{{selected}}}",
                    "resources": {"overrides": {name: {"resource": name} for name in NAMES}},
                    "metricsQuery": "sum by (<<.GroupBy>>) (<<.Series>>{<<.LabelMatchers>>})",
                }
            ],
        },
    }
