"""Whether what selects something finds it: by labels, and by names of ports."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from asgi_observability.nearest import did_you_mean
from deploy import names
from deploy.names import Resource, identifier

Labels = Mapping[str, str]
_MAKERS = ("Deployment", "StatefulSet", "DaemonSet")
"""Kinds with a template of pods."""
_MADE_BY_THE_OPERATOR = ("Prometheus", "Alertmanager")
"""Kinds of which the operator makes pods, with labels of its own."""


@dataclass(frozen=True)
class Given:
    """The resources that are applied together: those that are right each for itself.

    ``wrong`` ones are told elsewhere. ``unknown`` ones are of a third party's kind.
    """

    every: tuple[Resource, ...]
    wrong: tuple[Resource, ...] = ()
    unknown: tuple[Resource, ...] = ()

    def knows_all(self, *kinds: str) -> bool:
        """Whether what is not here is nowhere: none of these kinds is among the wrong ones."""
        return not any(each["kind"] in kinds for each in self.wrong)

    def of(self, *kinds: str) -> list[Resource]:
        """Those of some kinds."""
        return [each for each in self.every if each["kind"] in kinds]

    def named(self, kind: str, name: str) -> Resource | None:
        """The one with this name."""
        return next((each for each in self.of(kind) if each["metadata"]["name"] == name), None)

    def may_have(self, kind: str, name: str) -> bool:
        """Whether there is one of this name, be it of a wrong form."""
        return any(
            each["kind"] == kind and names.name_of(each) == name
            for each in (*self.every, *self.wrong)
        )

    @cached_property
    def pods(self) -> list[Labels]:
        """The labels of the pods that there will be, those too that the operator makes."""
        templates = self.of(*_MAKERS)
        found = [labels_of(each["spec"]["template"]) for each in templates]
        for each in self.of(*_MADE_BY_THE_OPERATOR):
            made = {names.NAME_LABEL: each["kind"].lower()}
            found.append({**labels_of({"metadata": each["spec"].get("podMetadata", {})}), **made})
        return found

    @cached_property
    def monitored(self) -> list[Resource]:
        """The services whose pods are scraped."""
        wanted = [matched(each["spec"]["selector"]) for each in self.of("ServiceMonitor")]
        return [
            each
            for each in self.of("Service")
            if any(fits(selector, labels_of(each)) for selector in wanted)
        ]


def labels_of(resource: Resource) -> Labels:
    """The labels of what has a head, none where it has none."""
    labels: Labels = resource.get("metadata", {}).get("labels", {})
    return labels


def problems(given: Given) -> Iterator[str]:
    """Selectors that select nothing, and ports that are nowhere, a line each with the fix."""
    if given.knows_all(*_MAKERS, *_MADE_BY_THE_OPERATOR):
        for resource, selector in _selectors_of_pods(given):
            yield from _unselected(identifier(resource), selector, given.pods, "pod")
    yield from _namespaces(given)
    yield from _routed(given)
    services = given.of("Service")
    for monitor in given.of("ServiceMonitor") if given.knows_all("Service") else ():
        selector = matched(monitor["spec"]["selector"])
        labels = [labels_of(each) for each in services]
        yield from _unselected(identifier(monitor), selector, labels, "Service")
        yield from _unknown_ports(monitor, services)
    for prometheus in given.of("Prometheus"):
        for field, kind in (
            ("serviceMonitorSelector", "ServiceMonitor"),
            ("ruleSelector", "PrometheusRule"),
        ):
            selector = matched(prometheus["spec"].get(field, {}))
            for each in given.of(kind):
                if not fits(selector, labels_of(each)):
                    yield (
                        f"{identifier(each)}: {identifier(prometheus)} looks for "
                        f"{_written(selector)} ({field}); give it these labels"
                    )


def _namespaces(given: Given) -> Iterator[str]:
    """What belongs to us is in one namespace: none of it looks into another."""
    own = {names.ORCHESTRATOR, names.PROMETHEUS, names.ALERTMANAGER}
    ours = [
        each
        for each in given.of("Service", "Deployment", "NetworkPolicy", *_MADE_BY_THE_OPERATOR)
        if each["metadata"]["name"] in own
    ]
    found = Counter(each["metadata"].get("namespace", "") for each in ours)
    if not found:
        return
    ((most, _),) = found.most_common(1)
    for each in ours:
        if (namespace := each["metadata"].get("namespace", "")) != most:
            yield f"{identifier(each)}: in namespace {namespace!r}, the others in {most}; move it"


def _routed(given: Given) -> Iterator[str]:
    """Services that an Ingress leads to."""
    services = [each["metadata"]["name"] for each in given.of("Service")]
    for ingress in given.of("Ingress"):
        paths = [
            path["backend"]
            for rule in ingress["spec"].get("rules", [])
            for path in rule.get("http", {}).get("paths", [])
        ]
        for backend in [*paths, ingress["spec"].get("defaultBackend", {})]:
            name = backend.get("service", {}).get("name")
            if name and not given.may_have("Service", name):
                hint = did_you_mean(name, services, f"there are {', '.join(services)}")
                yield f"{identifier(ingress)}: no Service {name}; {hint}"


def _selectors_of_pods(given: Given) -> Iterator[tuple[Resource, Labels]]:
    for each in given.of("Service"):
        yield each, each["spec"].get("selector", {})
    for each in given.of("PodDisruptionBudget"):
        yield each, matched(each["spec"].get("selector", {}))
    for each in given.of("NetworkPolicy"):
        yield each, matched(each["spec"]["podSelector"])
        if not given.of("Prometheus"):
            # One of theirs is somewhere else.
            continue
        for rule in each["spec"].get("ingress", []):
            for peer in rule.get("from", []):
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield each, matched(peer["podSelector"])
    for each in given.of("Deployment"):
        yield each, matched(each["spec"]["selector"])
        for spread in each["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
            yield each, matched(spread.get("labelSelector", {}))


def matched(selector: Resource) -> Labels:
    """The labels that a selector asks for; none where it takes everything."""
    labels: Labels = selector.get("matchLabels", {})
    return labels


def _unselected(where: str, selector: Labels, every: Iterable[Labels], kind: str) -> Iterator[str]:
    every = list(every)
    if not selector or any(fits(selector, labels) for labels in every):
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
    selector = matched(monitor["spec"]["selector"])
    ports = {
        port.get("name", "")
        for service in services
        if fits(selector, labels_of(service))
        for port in service["spec"]["ports"]
    }
    for endpoint in monitor["spec"]["endpoints"]:
        name = endpoint.get("port")
        if ports and name and name not in ports:
            hint = did_you_mean(name, ports, f"there are {', '.join(sorted(ports))}")
            yield f"{identifier(monitor)}: no port is called {name}; {hint}"


def fits(selector: Labels, labels: Labels) -> bool:
    """Whether what has these labels is selected."""
    return selector.items() <= labels.items()


def _written(selector: Labels) -> str:
    return ", ".join(f"{name}={value}" for name, value in selector.items())
