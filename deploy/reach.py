"""Whether network policies let through what has to pass."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy import names
from deploy.names import Resource
from deploy.selection import Given, Labels, fits, labels_of, matched

_DNS = (53, ("UDP", "TCP"))
_PODS = (names.ORCHESTRATOR, names.PROMETHEUS, names.ALERTMANAGER)
_GOSSIP = (9094, ("TCP", "UDP"))


@dataclass(frozen=True, slots=True)
class _Flow:
    source: str
    target: str
    port: int
    protocols: tuple[str, ...]
    otherwise: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What has to pass: ``pod`` are the labels of the peer, None for one that may be anywhere."""

    pod: Labels | None
    namespace: Labels | None
    port: int
    protocol: str


def problems(given: Given) -> Iterator[str]:
    """Policies that shut out Prometheus, a peer or DNS, a line each with the fix."""
    if not given.knows_all("NetworkPolicy"):
        return
    policies, namespace = given.of("NetworkPolicy"), _namespace(given)
    here = {name: labels for name in _PODS if (labels := _pod(name, given))}
    for flow in _flows(given):
        if not {flow.source, flow.target} <= here.keys():
            continue
        for protocol in flow.protocols:
            for direction, own, peer in (
                ("ingress", flow.target, flow.source),
                ("egress", flow.source, flow.target),
            ):
                wanted = _Wanted(here[peer], namespace, flow.port, protocol)
                if shut := _shut(policies, direction, here[own], wanted):
                    yield (
                        f"NetworkPolicy {shut}: {direction} of {own} is closed for {peer} at "
                        f"{protocol} {flow.port}, so {flow.otherwise}; open it"
                    )
    for name in sorted(here):
        port, protocols = _DNS
        for protocol in protocols:
            wanted = _Wanted(None, namespace, port, protocol)
            if shut := _shut(policies, "egress", here[name], wanted):
                yield (
                    f"NetworkPolicy {shut}: egress of {name} is closed for DNS at {protocol} "
                    f"{port}, so it finds nobody by name; open it"
                )


def _pod(name: str, given: Given) -> Labels | None:
    """The labels of its pods; None where there are none here."""
    return next((each for each in given.pods if each.get(names.NAME_LABEL) == name), None)


def _namespace(given: Given) -> Labels | None:
    """The labels of our namespace; None where it is made elsewhere."""
    for each in given.of("Namespace"):
        return {"kubernetes.io/metadata.name": each["metadata"]["name"], **labels_of(each)}
    return None


def _flows(given: Given) -> Iterator[_Flow]:
    prometheus, tcp = names.PROMETHEUS, ("TCP",)
    ports = {names.PROMETHEUS: 9090, names.ALERTMANAGER: 9093}
    yield _Flow(prometheus, names.ORCHESTRATOR, 8000, tcp, "nothing is scraped")
    for name, port in ports.items():
        told = "nobody is told" if name == names.ALERTMANAGER else "it does not see itself"
        yield _Flow(prometheus, name, port, tcp, told)
    alertmanager = given.named("Alertmanager", names.ALERTMANAGER)
    if alertmanager is not None and alertmanager["spec"].get("replicas", 1) > 1:
        port, protocols = _GOSSIP
        own = names.ALERTMANAGER
        yield _Flow(own, own, port, protocols, "each of them tells everything")


def _shut(policies: list[Resource], direction: str, own: Labels, wanted: _Wanted) -> str | None:
    """The policy that has to let it through, where none does; None where it passes."""
    named = [
        each
        for each in policies
        if direction.capitalize() in _types(each["spec"])
        and fits(matched(each["spec"].get("podSelector", {})), own)
    ]
    rules = [rule for each in named for rule in each["spec"].get(direction, [])]
    peers = "from" if direction == "ingress" else "to"
    if not named or any(_passes(rule, rule.get(peers, []), wanted) for rule in rules):
        return None
    name: str = named[0]["metadata"]["name"]
    return name


def _types(spec: Resource) -> list[str]:
    types: list[str] = spec.get("policyTypes") or ["Ingress", *(["Egress"] * ("egress" in spec))]
    return types


def _passes(rule: Resource, peers: list[Resource], wanted: _Wanted) -> bool:
    if peers and not any(_is_meant(each, wanted) for each in peers):
        return False
    ports = rule.get("ports")
    return not ports or any(_opens(each, wanted.port, wanted.protocol) for each in ports)


def _is_meant(peer: Resource, wanted: _Wanted) -> bool:
    """Only the cluster knows whose an address is, and the labels of a namespace made elsewhere."""
    if wanted.pod is None or "ipBlock" in peer:
        return True
    namespaces = matched(peer.get("namespaceSelector", {}))
    if wanted.namespace is not None and not fits(namespaces, wanted.namespace):
        return False
    return fits(matched(peer.get("podSelector", {})), wanted.pod)


def _opens(given: Resource, port: int, protocol: str) -> bool:
    if given.get("protocol", "TCP") != protocol:
        return False
    first = given.get("port")
    # What a port's name stands for is said by the pod.
    if not isinstance(first, int):
        return True
    last: int = given.get("endPort", first)
    return first <= port <= last
