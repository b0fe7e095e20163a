"""Whether network policies let through what has to pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy import names
from deploy.names import Resource
from deploy.selection import Given, fits, matched

_DNS = (53, ("UDP", "TCP"))
_GOSSIP = (9094, ("TCP", "UDP"))


@dataclass(frozen=True, slots=True)
class _Flow:
    source: str
    target: str
    port: int
    protocols: tuple[str, ...]
    otherwise: str


def problems(given: Given) -> Iterator[str]:
    """Policies that shut out Prometheus, a peer or DNS, a line each with the fix."""
    policies = given.of("NetworkPolicy")
    if not given.knows_all("NetworkPolicy"):
        return
    here = {name for name in _PODS if _is_here(name, given)}
    for flow in _flows(given):
        if not {flow.source, flow.target} <= here:
            continue
        for protocol in flow.protocols:
            for direction, own, peer in (
                ("ingress", flow.target, flow.source),
                ("egress", flow.source, flow.target),
            ):
                wanted = (_labels(peer), flow.port, protocol)
                if shut := _shut(policies, direction, _labels(own), wanted):
                    yield (
                        f"NetworkPolicy {shut}: {direction} of {own} is closed for {peer} at "
                        f"{protocol} {flow.port}, so {flow.otherwise}; open it"
                    )
    for name in sorted(here):
        port, protocols = _DNS
        for protocol in protocols:
            if shut := _shut(policies, "egress", _labels(name), (None, port, protocol)):
                yield (
                    f"NetworkPolicy {shut}: egress of {name} is closed for DNS at {protocol} "
                    f"{port}, so it finds nobody by name; open it"
                )


_PODS = (names.ORCHESTRATOR, names.PROMETHEUS, names.ALERTMANAGER)


def _is_here(name: str, given: Given) -> bool:
    kind = {names.PROMETHEUS: "Prometheus", names.ALERTMANAGER: "Alertmanager"}.get(name)
    return given.named(kind or "Deployment", name) is not None


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


def _labels(name: str) -> Mapping[str, str]:
    return names.labels(name)


def _shut(
    policies: list[Resource],
    direction: str,
    own: Mapping[str, str],
    wanted: tuple[Mapping[str, str] | None, int, str],
) -> str | None:
    """The policy that has to let it through, where none does; None where it passes."""
    named = [
        each
        for each in policies
        if direction.capitalize() in _types(each["spec"])
        and fits(matched(each["spec"].get("podSelector", {})), own)
    ]
    rules = [rule for each in named for rule in each["spec"].get(direction, [])]
    if not named or any(_passes(rule, direction, *wanted) for rule in rules):
        return None
    name: str = named[0]["metadata"]["name"]
    return name


def _types(spec: Resource) -> list[str]:
    types: list[str] = spec.get("policyTypes") or ["Ingress", *(["Egress"] * ("egress" in spec))]
    return types


def _passes(
    rule: Resource, direction: str, peer: Mapping[str, str] | None, port: int, protocol: str
) -> bool:
    peers = rule.get("from" if direction == "ingress" else "to", [])
    if peers and peer is not None and not any(_is_meant(each, peer) for each in peers):
        return False
    return not rule.get("ports") or any(_opens(each, port, protocol) for each in rule["ports"])


def _is_meant(given: Resource, peer: Mapping[str, str]) -> bool:
    """Addresses are the cluster's matter. So is whose namespace has which labels, but of none."""
    if "ipBlock" in given:
        return True
    if "namespaceSelector" in given and matched(given["namespaceSelector"]):
        return "podSelector" in given and fits(matched(given["podSelector"]), peer)
    return fits(matched(given.get("podSelector", {})), peer)


def _opens(given: Resource, port: int, protocol: str) -> bool:
    if given.get("protocol", "TCP") != protocol:
        return False
    first = given.get("port")
    # What a port's name stands for is said by the pod.
    return first is None or isinstance(first, str) or first <= port <= given.get("endPort", first)
