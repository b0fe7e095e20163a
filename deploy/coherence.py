"""Whether resources that are right each for itself fit together.

A secret that nobody makes, a setting that does not exist, a stop that is cut short: the cluster
takes all of these, and says nothing.
"""

from collections.abc import Iterator

from alerts.identity import IDENTITY
from alerts.prometheus_config import scrape_seconds
from alerts.promql import seconds
from app.core import catalogue
from asgi_observability.nearest import did_you_mean
from deploy import names, required_secrets, selection, service_settings
from deploy.names import Resource, identifier
from deploy.selection import Given, labels_of


def problems(given: Given) -> list[str]:
    """What does not fit, a line each, with the fix."""
    checks = (
        selection.problems,
        _identity,
        _intervals,
        _secrets,
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


def _intervals(given: Given) -> Iterator[str]:
    longest = scrape_seconds()
    for monitor in given.of("ServiceMonitor"):
        for endpoint in monitor["spec"]["endpoints"]:
            if (interval := endpoint.get("interval")) and seconds(interval) > longest:
                yield (
                    f"{identifier(monitor)}: interval {interval} is too long for rates over a "
                    f"minute; write {longest}s, or export the rules for it (docs/importing.md)"
                )


def _secrets(given: Given) -> Iterator[str]:
    """What is asked for is in a secret that is told of, and what is given is complete."""
    known = {secret.name: secret for secret in required_secrets.ALL}
    made = {each["metadata"]["name"]: _keys(each) for each in given.of("Secret")}
    elsewhere = set(_made_elsewhere(given))
    for resource in given.every:
        for name, key in _asked(resource):
            if name in elsewhere:
                continue
            if name not in known and name not in made:
                all_of_them = [*known, *made]
                others = f"there are {', '.join(all_of_them)}"
                hint = did_you_mean(name, all_of_them, otherwise=others)
                yield f"{identifier(resource)}: no secret is called {name}; {hint}"
                continue
            keys = made.get(name) or frozenset(each.name for each in known[name].keys)
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
            yield str(each["metadata"].get("name"))
    for each in given.unknown:
        spec = each.get("spec") or {}
        yield str(each["metadata"].get("name"))
        yield str(spec.get("secretName"))
        yield str((spec.get("target") or {}).get("name"))


def _keys(secret: Resource) -> frozenset[str]:
    return frozenset({**secret.get("data", {}), **secret.get("stringData", {})})


def _asked(resource: Resource) -> Iterator[tuple[str, str | None]]:
    """The secrets that a resource names, each with the key where it wants one."""
    spec = resource.get("spec", {})
    match resource["kind"]:
        case "Deployment":
            pod = spec["template"]["spec"]
            for volume in pod.get("volumes", []):
                if "secret" in volume:
                    yield volume["secret"]["secretName"], None
            for container in pod["containers"]:
                for variable in container.get("env", []):
                    if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                        yield reference["name"], reference["key"]
        case "ServiceMonitor":
            for endpoint in spec["endpoints"]:
                if reference := endpoint.get("authorization", {}).get("credentials"):
                    yield reference["name"], reference["key"]
        case "Alertmanager":
            for name in spec.get("secrets", []):
                yield name, None


def _autoscaling(given: Given) -> Iterator[str]:
    exposed = [metric.name for metric in catalogue.metrics()]
    for scaler in given.of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        if target["kind"] != "Deployment":
            continue
        name = target["name"]
        scaled = given.named("Deployment", name)
        if scaled is None and not given.knows_all("Deployment"):
            pass
        elif scaled is None:
            deployments = [each["metadata"]["name"] for each in given.of("Deployment")]
            hint = did_you_mean(name, deployments, f"there are {', '.join(deployments)}")
            yield f"{identifier(scaler)}: no Deployment {name}; {hint}"
        elif "replicas" in scaled["spec"]:
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
