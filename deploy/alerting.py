"""Whether somebody is told: who scrapes and evaluates how often, and who hears of alerts."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import promql_parser

from alerts.prometheus_config import evaluation_seconds, scrape_seconds
from asgi_observability.nearest import did_you_mean
from deploy import files, names
from deploy.names import Resource, identifier
from deploy.selection import Given, fits, labels_of, matched

_CREDENTIALS = {"authorization", "basicAuth", "bearerTokenFile", "bearerTokenSecret", "oauth2"}
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def problems(given: Given) -> Iterator[str]:
    """What keeps an alert from being made or told, a line each with the fix."""
    for prometheus in given.of("Prometheus"):
        yield from _alertmanagers(prometheus, given)
        yield from _account(prometheus, given)
        yield from _selects(prometheus)
        yield from _evaluation(prometheus)
        yield from _passwords(prometheus)
    for monitor in given.of("ServiceMonitor"):
        yield from _intervals(monitor, given)
        yield from _token(monitor, given)


def missing_rules(given: Given) -> Iterator[str]:
    """The rules of the base that are not here: their alerts would never fire."""
    for file in sorted(files.RULES.glob("sms-orchestrator-*.yaml")):
        if not given.may_have("PrometheusRule", file.stem):
            yield (
                f"no PrometheusRule {file.stem}: its alerts never fire; take it from the base, or "
                "switch off single alerts by routes"
            )


def broken_rules(given: Given) -> Iterator[str]:
    """Expressions that no Prometheus reads: without its webhook, the operator drops the file."""
    for resource in given.of("PrometheusRule"):
        for group in resource["spec"].get("groups", []):
            for rule in group.get("rules", []):
                try:
                    promql_parser.parse(str(rule["expr"]))
                except ValueError as error:
                    name = rule.get("alert") or rule.get("record")
                    yield (
                        f"{identifier(resource)}: {name}: {str(error).splitlines()[0]}; correct "
                        "its expr"
                    )


def length_of(duration: str) -> float:
    """The seconds of a duration as Prometheus writes it, such as ``1m30s``."""
    return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|[smhdwy])", duration))


def _alertmanagers(prometheus: Resource, given: Given) -> Iterator[str]:
    where, spec = identifier(prometheus), prometheus["spec"]
    told = spec.get("alerting", {}).get("alertmanagers", [])
    if not told and "additionalAlertManagerConfigs" not in spec:
        yield f"{where}: no alerting.alertmanagers, so nobody is told; name the Service of one"
    services = {each["metadata"]["name"]: each for each in given.of("Service")}
    for each in told:
        own = prometheus["metadata"].get("namespace")
        if each.get("namespace", own) != own:
            continue
        if (service := services.get(each["name"])) is None:
            if not given.may_have("Service", each["name"]):
                hint = did_you_mean(each["name"], services, f"there are {', '.join(services)}")
                yield f"{where}: alerting.alertmanagers: no Service {each['name']}; {hint}"
            continue
        ports = {port.get("name", ""): port["port"] for port in service["spec"].get("ports", [])}
        if each["port"] not in {*ports, *ports.values()}:
            name, port = each["name"], each["port"]
            hint = did_you_mean(str(port), ports, f"there are {', '.join(ports)}")
            yield f"{where}: alerting.alertmanagers: {name} has no port {port}; {hint}"


def _account(prometheus: Resource, given: Given) -> Iterator[str]:
    name = prometheus["spec"].get("serviceAccountName")
    if name and not given.may_have("ServiceAccount", name):
        accounts = [each["metadata"]["name"] for each in given.of("ServiceAccount")]
        hint = did_you_mean(name, accounts, f"there are {', '.join(accounts)}")
        yield f"{identifier(prometheus)}: no ServiceAccount {name}, so it finds no target; {hint}"


def _selects(prometheus: Resource) -> Iterator[str]:
    for field in ("serviceMonitorSelector", "ruleSelector"):
        if field not in prometheus["spec"]:
            yield (
                f"{identifier(prometheus)}: no {field}, so the operator takes none; write the "
                "labels that they have"
            )


def _evaluation(prometheus: Resource) -> Iterator[str]:
    longest = evaluation_seconds()
    # The operator's own is 30 s.
    interval = prometheus["spec"].get("evaluationInterval", "30s")
    if length_of(interval) > longest:
        yield (
            f"{identifier(prometheus)}: evaluationInterval {interval} is longer than alerts are "
            f"counted with; write {longest}s"
        )


def _passwords(prometheus: Resource) -> Iterator[str]:
    for position, each in enumerate(prometheus["spec"].get("remoteWrite", [])):
        if "@" in urlsplit(each["url"]).netloc:
            yield (
                f"{identifier(prometheus)}: remoteWrite[{position}].url holds a password that "
                "whoever reads the resource sees; put it into a secret, and name that in basicAuth"
            )


def _intervals(monitor: Resource, given: Given) -> Iterator[str]:
    where, longest = identifier(monitor), scrape_seconds()
    for endpoint in monitor["spec"]["endpoints"]:
        of_all = [(each["spec"], identifier(each)) for each in given.of("Prometheus")]
        if own := endpoint.get("interval"):
            said = [(own, f"{where}: interval")]
        else:
            said = [
                (spec.get("scrapeInterval", "30s"), f"{name}: scrapeInterval")
                for spec, name in of_all
            ]
        for interval, what in said:
            if length_of(interval) > longest:
                yield (
                    f"{what} {interval} is too long for rates over a minute; write {longest}s, or "
                    "export the rules for it (docs/importing.md)"
                )
            timeout = endpoint.get("scrapeTimeout")
            if timeout and length_of(timeout) > length_of(interval):
                yield (
                    f"{where}: scrapeTimeout {timeout} is longer than the interval {interval}, so "
                    "the operator leaves these targets out; write a shorter one"
                )


def _token(monitor: Resource, given: Given) -> Iterator[str]:
    """The orchestrator tells its metrics only to whoever has a token."""
    service = given.named("Service", names.ORCHESTRATOR)
    if service is None or not fits(matched(monitor["spec"]["selector"]), labels_of(service)):
        return
    if labels_of(service).get(names.NAME_LABEL) not in _chosen(monitor):
        return
    for endpoint in monitor["spec"]["endpoints"]:
        if not _CREDENTIALS & endpoint.keys():
            yield (
                f"{identifier(monitor)}: scrapes the orchestrator without a token and gets 401; "
                "name the secret in authorization.credentials"
            )


def _chosen(monitor: Resource) -> set[str | None]:
    """The names of the services that a monitor selects, by label or by expression."""
    selector = monitor["spec"]["selector"]
    for each in selector.get("matchExpressions", []):
        if each["key"] == names.NAME_LABEL and each["operator"] == "In":
            return set(each["values"])
    return {matched(selector).get(names.NAME_LABEL, names.ORCHESTRATOR)}
