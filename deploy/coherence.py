"""Whether resources that are right each for itself fit together.

A secret that nobody makes, a setting that does not exist, a stop that is cut short: the cluster
takes all of these, and says nothing.
"""

from collections.abc import Iterator

from alerts.identity import IDENTITY
from app.core import catalogue
from asgi_observability.nearest import did_you_mean
from deploy import alerting, names, pods, reach, secrets_asked, selection, service_settings
from deploy.names import identifier
from deploy.selection import Given, labels_of


def problems(given: Given) -> list[str]:
    """What does not fit, a line each, with the fix."""
    checks = (
        selection.problems,
        _identity,
        alerting.problems,
        secrets_asked.problems,
        reach.problems,
        pods.problems,
        service_settings.problems,
        _autoscaling,
    )
    return [problem for check in checks for problem in check(given)]


def _identity(given: Given) -> Iterator[str]:
    """Every target says where it runs, and a Prometheus says it of all it sends."""
    for monitor in given.of("ServiceMonitor"):
        for label in IDENTITY:
            if label not in monitor["spec"].get("targetLabels", []):
                yield f"{identifier(monitor)}: targets lose {label}; add it to targetLabels"
    places = [(identifier(each), labels_of(each)) for each in given.monitored]
    places += [
        (f"pods of {identifier(each)}", labels_of(each["spec"]["template"]))
        for each in given.of("Deployment")
        if each["metadata"]["name"] == names.ORCHESTRATOR
    ]
    places += [
        (f"{identifier(each)}, spec.externalLabels", each["spec"].get("externalLabels", {}))
        for each in given.of("Prometheus")
    ]
    for label in IDENTITY:
        values = {labels[label] for _, labels in places if label in labels}
        for where, labels in places:
            if label not in labels:
                yield f"{where}: no label {label}; say it once, by `labels` in your kustomization"
        if len(values) > 1:
            yield (
                f"{label} is {' here and '.join(sorted(values))} there; give all of `labels`, "
                "with includeTemplates and fields, in the outermost kustomization"
            )
    for each in given.of("Prometheus"):
        replica = each["spec"].get("replicaExternalLabelName", "prometheus_replica")
        if replica in IDENTITY or not replica:
            yield (
                f"{identifier(each)}: replicaExternalLabelName {replica!r} would not be dropped "
                "from alerts alone; write replica"
            )


def _autoscaling(given: Given) -> Iterator[str]:
    exposed = [metric.name for metric in catalogue.metrics()]
    for scaler in given.of("HorizontalPodAutoscaler"):
        least, most = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
        if least > most:
            yield (
                f"{identifier(scaler)}: minReplicas {least} is above maxReplicas {most}; raise the "
                "second"
            )
        target = scaler["spec"]["scaleTargetRef"]
        if target["kind"] != "Deployment":
            continue
        name = target["name"]
        scaled = given.named("Deployment", name)
        if not given.may_have("Deployment", name):
            deployments = [each["metadata"]["name"] for each in given.of("Deployment")]
            hint = did_you_mean(name, deployments, f"there are {', '.join(deployments)}")
            yield f"{identifier(scaler)}: no Deployment {name}; {hint}"
        elif scaled is not None and "replicas" in scaled["spec"]:
            yield (
                f"{identifier(scaled)}: replicas would undo what {identifier(scaler)} does each "
                "time this is applied; leave it out"
            )
        for metric in scaler["spec"].get("metrics", []):
            if (
                metric["type"] == "Pods"
                and (name := metric["pods"]["metric"]["name"]) not in exposed
            ):
                hint = did_you_mean(name, exposed, "docs/api.md says where all of them are")
                yield f"{identifier(scaler)}: the service exposes no {name}; {hint}"
