"""Whether what selects something finds it: by labels, and by names of ports."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from asgi_observability.nearest import did_you_mean
from deploy import names
from deploy.names import Resource, identifier

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Given:
    """The resources that are applied together."""

    every: tuple[Resource, ...]

    def of(self, *kinds: str) -> list[Resource]:
        """Those of some kinds."""
        return [each for each in self.every if each["kind"] in kinds]

    def named(self, kind: str, name: str) -> Resource | None:
        """The one with this name."""
        return next((each for each in self.of(kind) if each["metadata"]["name"] == name), None)

    @cached_property
    def pods(self) -> list[Labels]:
        """The labels of the pods that there will be, those too that the operator makes."""
        found = [each["spec"]["template"]["metadata"]["labels"] for each in self.of("Deployment")]
        for each in self.of("Prometheus", "Alertmanager"):
            made = {names.NAME_LABEL: each["kind"].lower()}
            found.append({**each["spec"].get("podMetadata", {}).get("labels", {}), **made})
        return found


def problems(given: Given) -> Iterator[str]:
    """Selectors that select nothing, and ports that are nowhere, a line each with the fix."""
    for resource, selector in _selectors_of_pods(given):
        yield from _unselected(identifier(resource), selector, given.pods, "pod")
    services = given.of("Service")
    for monitor in given.of("ServiceMonitor"):
        selector = monitor["spec"]["selector"].get("matchLabels", {})
        labels = [each["metadata"].get("labels", {}) for each in services]
        yield from _unselected(identifier(monitor), selector, labels, "Service")
        yield from _unknown_ports(monitor, services)
    for prometheus in given.of("Prometheus"):
        for field, kind in (
            ("serviceMonitorSelector", "ServiceMonitor"),
            ("ruleSelector", "PrometheusRule"),
        ):
            selector = prometheus["spec"].get(field, {}).get("matchLabels", {})
            for each in given.of(kind):
                if not _fits(selector, each["metadata"].get("labels", {})):
                    yield (
                        f"{identifier(each)}: {identifier(prometheus)} looks for "
                        f"{_written(selector)} ({field}); give it these labels"
                    )


def _selectors_of_pods(given: Given) -> Iterator[tuple[Resource, Labels]]:
    for each in given.of("Service"):
        yield each, each["spec"]["selector"]
    for each in given.of("PodDisruptionBudget"):
        yield each, each["spec"]["selector"]["matchLabels"]
    for each in given.of("NetworkPolicy"):
        yield each, each["spec"]["podSelector"]["matchLabels"]
        if not given.of("Prometheus"):
            # One of theirs is somewhere else.
            continue
        for rule in each["spec"].get("ingress", []):
            for peer in rule.get("from", []):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield each, peer["podSelector"]["matchLabels"]
    for each in given.of("Deployment"):
        yield each, each["spec"]["selector"]["matchLabels"]
        for spread in each["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            yield each, spread["labelSelector"]["matchLabels"]


def _unselected(where: str, selector: Labels, every: Iterable[Labels], kind: str) -> Iterator[str]:
    every = list(every)
    if any(_fits(selector, labels) for labels in every):
        return
    for name, value in selector.items():
        values = {labels[name] for labels in every if name in labels}
        if not values:
            known = {label for labels in every for label in labels}
            hint = did_you_mean(name, known, otherwise=f"there are {', '.join(sorted(known))}")
            yield f"{where}: selects by {name}, a label that no {kind} has; {hint}"
            return
        if value not in values:
            hint = did_you_mean(value, values, otherwise=f"there are {', '.join(sorted(values))}")
            yield f"{where}: selects {name}={value}, which no {kind} has; {hint}"
            return
    yield f"{where}: no {kind} has all of {_written(selector)}"


def _unknown_ports(monitor: Resource, services: Iterable[Resource]) -> Iterator[str]:
    selector = monitor["spec"]["selector"].get("matchLabels", {})
    ports = {
        port["name"]
        for service in services
        if _fits(selector, service["metadata"].get("labels", {}))
        for port in service["spec"]["ports"]
    }
    for endpoint in monitor["spec"]["endpoints"]:
        if ports and endpoint["port"] not in ports:
            hint = did_you_mean(endpoint["port"], ports, f"there are {', '.join(sorted(ports))}")
            yield f"{identifier(monitor)}: no port is called {endpoint['port']}; {hint}"


def _fits(selector: Labels, labels: Labels) -> bool:
    return selector.items() <= labels.items()


def _written(selector: Labels) -> str:
    return ", ".join(f"{name}={value}" for name, value in selector.items())
