"""What does not fit together is named, with the fix; the cluster would take it and say nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.config import Settings
from deploy import alerting, build, coherence, files, schemas, service_settings, sizes
from deploy.names import Resource
from deploy.selection import Given
from tests.length import only_long
from tests.not_empty import not_empty

OF_THE_OPERATOR = ("Prometheus", "Alertmanager", "ServiceMonitor")
Change = Callable[[Given], Any]


def built(size: sizes.Size = sizes.SMALL) -> Given:
    return Given(tuple(build.built(size, Settings())))


def spec(given: Given, kind: str, name: str = "orchestrator") -> Any:
    found = given.named(kind, name)
    assert found is not None
    return found["spec"]


def pod(given: Given) -> Any:
    return spec(given, "Deployment")["template"]["spec"]


def container(given: Given) -> Any:
    return pod(given)["containers"][0]


def alertmanagers(given: Given) -> Any:
    return spec(given, "Prometheus", "prometheus")["alerting"]["alertmanagers"]


def remote(given: Given, **content: Any) -> None:
    target = {"url": "https://engine.example/write", **content}
    spec(given, "Prometheus", "prometheus")["remoteWrite"] = [target]


def variables(given: Given) -> dict[str, str]:
    found = given.named("ConfigMap", "orchestrator-settings")
    assert found is not None
    data: dict[str, str] = found["data"]
    return data


def scaled() -> Given:
    return built(sizes.LARGE)


@pytest.mark.parametrize("size", sizes.SIZES, ids=lambda size: size.name)
def test_what_is_committed_fits(size: sizes.Size) -> None:
    assert coherence.problems(built(size)) == []


CASES: dict[str, tuple[Change, str]] = {
    "a label that no pod has": (
        lambda g: spec(g, "Service").update(selector={"app.kubernetes.io/nam": "orchestrator"}),
        "Service orchestrator: selects by app.kubernetes.io/nam, a label that no pod has; did you "
        "mean app.kubernetes.io/name?",
    ),
    "a value that no pod has": (
        lambda g: spec(g, "PodDisruptionBudget")["selector"]["matchLabels"].update(
            {"app.kubernetes.io/name": "orchestrater"}
        ),
        "PodDisruptionBudget orchestrator: selects app.kubernetes.io/name=orchestrater, which no "
        "pod has; did you mean orchestrator?",
    ),
    "a policy for nobody": (
        lambda g: spec(g, "NetworkPolicy")["ingress"][0]["from"][0]["podSelector"].update(
            matchLabels={"app.kubernetes.io/name": "promethus"}
        ),
        "selects app.kubernetes.io/name=promethus, which no pod has; did you mean prometheus?",
    ),
    "a port that the service has not": (
        lambda g: spec(g, "ServiceMonitor")["endpoints"][0].update(port="htp"),
        "ServiceMonitor orchestrator: no port is called htp; did you mean http?",
    ),
    "rules that the operator does not look for": (
        lambda g: spec(g, "Prometheus", "prometheus")["serviceMonitorSelector"].update(
            matchLabels={"release": "stack"}
        ),
        "ServiceMonitor orchestrator: Prometheus prometheus looks for release=stack "
        "(serviceMonitorSelector); give it these labels",
    ),
    "targets that lose where they run": (
        lambda g: spec(g, "ServiceMonitor").update(targetLabels=["environment"]),
        "ServiceMonitor orchestrator: targets lose cluster; add it to targetLabels",
    ),
    "a service without a place": (
        lambda g: g.of("Service")[0]["metadata"]["labels"].pop("cluster"),
        "Service orchestrator: no label cluster; say it once, by `labels` in your kustomization",
    ),
    "one place here and another there": (
        lambda g: spec(g, "Prometheus", "prometheus")["externalLabels"].update(cluster="us-2"),
        "cluster is eu-1 here and us-2 there; give all of `labels`",
    ),
    "a replica that is never dropped": (
        lambda g: spec(g, "Prometheus", "prometheus").update(replicaExternalLabelName="cluster"),
        "replicaExternalLabelName 'cluster' would not be dropped from alerts alone; write replica",
    ),
    "a scrape too seldom": (
        lambda g: spec(g, "ServiceMonitor")["endpoints"][0].update(interval="1m"),
        "interval 1m is too long for rates over a minute; write 15s, or export the rules",
    ),
    "a secret that nobody makes": (
        lambda g: pod(g)["volumes"][1]["secret"].update(secretName="sms-orchestrater"),
        "Deployment orchestrator: no secret is called sms-orchestrater; did you mean "
        "sms-orchestrator?",
    ),
    "a key that no secret has": (
        lambda g: spec(g, "ServiceMonitor")["endpoints"][0]["authorization"]["credentials"].update(
            key="tokn"
        ),
        "ServiceMonitor orchestrator: secret sms-orchestrator-scrape has no key tokn; did you mean "
        "token?",
    ),
    "a setting that there is not": (
        lambda g: variables(g).update(ORCHESTRATOR_WORKER="2"),
        "ORCHESTRATOR_WORKER: no such setting; did you mean ORCHESTRATOR_WORKERS?",
    ),
    "a setting that can't be": (
        lambda g: variables(g).update(ORCHESTRATOR_DATABASE_CONNECTIONS="2"),
        "Deployment orchestrator: ORCHESTRATOR_DATABASE_CONNECTIONS=2: 1 workers need at least 3",
    ),
    "a stop that cuts off": (
        lambda g: variables(g).update(ORCHESTRATOR_CALLS__TIMEOUT_SECONDS="60"),
        "ORCHESTRATOR_STOP_GRACE_SECONDS=140 cuts off requests, which may take 260 s; write 260",
    ),
    "a kill before the stop is over": (
        lambda g: pod(g).update(terminationGracePeriodSeconds=60),
        "terminationGracePeriodSeconds=60 kills it before its 140 s of "
        "ORCHESTRATOR_STOP_GRACE_SECONDS are over; write 165",
    ),
    "an upstream behind a closed port": (
        lambda g: variables(g).update(ORCHESTRATOR_SMS_AGENT_URL="http://sms:9000"),
        "NetworkPolicy orchestrator: ORCHESTRATOR_SMS_AGENT_URL leads to port 9000, which is "
        "closed; add it to the egress ports",
    ),
    "readiness at a port where nobody listens": (
        lambda g: container(g)["readinessProbe"]["httpGet"].update(port=8080),
        "readinessProbe: nobody listens at port 8080; write 8000",
    ),
    "a path that there is not": (
        lambda g: container(g)["livenessProbe"]["httpGet"].update(path="/healthz"),
        "livenessProbe: the service has no path /healthz; did you mean /health?",
    ),
    "a life that hangs on the database": (
        lambda g: container(g)["livenessProbe"]["httpGet"].update(path="/health/dependencies"),
        "livenessProbe asks /health/dependencies: an outage of the database would take all",
    ),
    "no readiness": (
        lambda g: container(g).pop("readinessProbe"),
        "Deployment orchestrator: no readinessProbe; take that of the base",
    ),
    "a service that leads nowhere": (
        lambda g: spec(g, "Service")["ports"][0].update(targetPort=8080),
        "Service orchestrator: targetPort 8080 is not the service's; write 8000",
    ),
    "root": (
        lambda g: pod(g)["securityContext"].update(runAsUser=0),
        "Deployment orchestrator: runAsUser 0 is root, and the namespace takes no such pod",
    ),
    "more asked for than allowed": (
        lambda g: spec(g, "Prometheus", "prometheus")["resources"]["limits"].update(memory="256Mi"),
        "Prometheus prometheus: requests 512Mi of memory, above its limit of 256Mi, so no pod",
    ),
    "a policy that shuts out Prometheus": (
        lambda g: spec(g, "NetworkPolicy").update(ingress=[]),
        "NetworkPolicy orchestrator: ingress of orchestrator is closed for prometheus at TCP 8000, "
        "so nothing is scraped; open it",
    ),
    "a policy that shuts out alerts": (
        lambda g: spec(g, "NetworkPolicy", "alertmanager")["ingress"][0]["ports"][0].update(
            port=9094
        ),
        "ingress of alertmanager is closed for prometheus at TCP 9093, so nobody is told; open it",
    ),
    "no names": (
        lambda g: spec(g, "NetworkPolicy")["egress"][0]["ports"].pop(0),
        "NetworkPolicy orchestrator: egress of orchestrator is closed for DNS at UDP 53, so it",
    ),
    "an Alertmanager that there is not": (
        lambda g: alertmanagers(g)[0].update(name="alertmanger"),
        "alerting.alertmanagers: no Service alertmanger; did you mean alertmanager?",
    ),
    "a port that Alertmanager has not": (
        lambda g: alertmanagers(g)[0].update(port="http"),
        "alerting.alertmanagers: alertmanager has no port http; there are web",
    ),
    "nobody to tell": (
        lambda g: alertmanagers(g).clear(),
        "Prometheus prometheus: no alerting.alertmanagers, so nobody is told; name the Service",
    ),
    "routes from a secret that nobody makes": (
        lambda g: spec(g, "Alertmanager", "alertmanager").update(configSecret="am-config"),
        "Alertmanager alertmanager: no secret is called am-config; there are sms-orchestrator,",
    ),
    "a password that nobody makes": (
        lambda g: remote(g, basicAuth={"password": {"name": "remote", "key": "password"}}),
        "Prometheus prometheus: no secret is called remote; there are",
    ),
    "a password that all can read": (
        lambda g: remote(g, url="https://a:b@engine.example/write"),
        "remoteWrite[0].url holds a password that whoever reads the resource sees; put it into a",
    ),
    "rules that are evaluated too seldom": (
        lambda g: spec(g, "Prometheus", "prometheus").update(evaluationInterval="1m30s"),
        "Prometheus prometheus: evaluationInterval 1m30s is longer than alerts are counted with; "
        "write 15s",
    ),
    "an interval of all that is too long": (
        lambda g: (
            spec(g, "Prometheus", "prometheus").update(scrapeInterval="60s"),
            spec(g, "ServiceMonitor")["endpoints"][0].pop("interval"),
        ),
        "Prometheus prometheus: scrapeInterval 60s is too long for rates over a minute; write 15s",
    ),
    "a wait that is longer than the interval": (
        lambda g: spec(g, "ServiceMonitor")["endpoints"][0].update(scrapeTimeout="20s"),
        "scrapeTimeout 20s is longer than the interval 15s, so the operator leaves these targets",
    ),
    "a scrape without a token": (
        lambda g: spec(g, "ServiceMonitor")["endpoints"][0].pop("authorization"),
        "ServiceMonitor orchestrator: scrapes the orchestrator without a token and gets 401; name",
    ),
    "nobody who may find targets": (
        lambda g: spec(g, "Prometheus", "prometheus").update(serviceAccountName="promethus"),
        "no ServiceAccount promethus, so it finds no target; did you mean prometheus?",
    ),
    "no selector of rules": (
        lambda g: spec(g, "Prometheus", "prometheus").pop("ruleSelector"),
        "Prometheus prometheus: no ruleSelector, so the operator takes none; write the labels",
    ),
    "archives on one machine": (
        lambda g: spec(g, "PersistentVolumeClaim", "orchestrator-archives").update(
            accessModes=["ReadWriteOnce"]
        ),
        "a replica on a second machine can't have it, and does not start; write accessModes: [Rea",
    ),
    "a service in another namespace": (
        lambda g: g.of("Service")[0]["metadata"].update(namespace="other"),
        "Service orchestrator: in namespace 'other', the others in sms-orchestrator; move it",
    ),
    "settings from nowhere": (
        lambda g: pod(g)["containers"][0].update(envFrom=[{"configMapRef": {"name": "settings"}}]),
        "Deployment orchestrator: no ConfigMap is called settings; make it by configMapGenerator",
    ),
}


@pytest.mark.parametrize(("change", "said"), CASES.values(), ids=list(CASES))
def test_what_does_not_fit_is_named_with_the_fix(change: Change, said: str) -> None:
    given = built()
    change(given)
    (problem,) = [each for each in coherence.problems(Given(given.every)) if said in each]
    assert problem


SCALED: dict[str, tuple[Change, str]] = {
    "a metric that nobody exposes": (
        lambda g: spec(g, "HorizontalPodAutoscaler")["metrics"][0]["pods"]["metric"].update(
            name="orchestrator_sms_inflight"
        ),
        "the service exposes no orchestrator_sms_inflight; did you mean "
        "orchestrator_sms_in_flight?",
    ),
    "limits the wrong way round": (
        lambda g: spec(g, "HorizontalPodAutoscaler").update(minReplicas=13),
        "HorizontalPodAutoscaler orchestrator: minReplicas 13 is above maxReplicas 12; raise the",
    ),
    "peers that don't hear each other": (
        lambda g: spec(g, "NetworkPolicy", "alertmanager")["ingress"][1]["ports"].pop(),
        "ingress of alertmanager is closed for alertmanager at UDP 9094, so each of them tells",
    ),
    "nothing to scale": (
        lambda g: spec(g, "HorizontalPodAutoscaler")["scaleTargetRef"].update(name="orchestrate"),
        "no Deployment orchestrate; did you mean orchestrator?",
    ),
    "a number that undoes the autoscaler's": (
        lambda g: spec(g, "Deployment").update(replicas=2),
        "replicas would undo what HorizontalPodAutoscaler orchestrator does",
    ),
}


@pytest.mark.parametrize(("change", "said"), SCALED.values(), ids=list(SCALED))
def test_an_autoscaler_that_can_not_work_is_named(change: Change, said: str) -> None:
    given = scaled()
    change(given)
    (problem,) = coherence.problems(given)
    assert said in problem


def test_what_a_team_adds_is_its_own_matter() -> None:
    """Valid resources of other shapes than ours are nothing to complain about."""

    def theirs(api: str, kind: str, **content: Any) -> Resource:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": "theirs"}, **content}

    pods = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
    added = [
        theirs("v1", "Service", spec={"type": "ExternalName", "externalName": "db.example"}),
        theirs("v1", "ConfigMap"),
        theirs("v1", "Secret", stringData={"a": "b"}),
        theirs("networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}}),
        theirs("policy/v1", "PodDisruptionBudget", spec={}),
        theirs("apps/v1", "StatefulSet", spec={"template": pods}),
        theirs(
            "apps/v1",
            "Deployment",
            spec={"selector": {"matchLabels": {"a": "b"}}, "template": pods},
        ),
        theirs(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            spec={
                "scaleTargetRef": {"kind": "Deployment", "name": "theirs"},
                "maxReplicas": 2,
            },
        ),
    ]
    assert coherence.problems(Given((*built().every, *added))) == []


def test_a_secret_of_theirs_without_a_key_is_named() -> None:
    given = built()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "sms-orchestrator-scrape"},
        "stringData": {"tokn": "x"},
    }
    problems = coherence.problems(Given((*given.every, secret)))
    assert (
        "Secret sms-orchestrator-scrape: no key token, but tokn; add it: the token of Prometheus's "
        "line in metrics_tokens" in problems
    )


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        (
            "Deployment",
            lambda spec: spec.update(replica=2),
            "Deployment orchestrator: spec: Additional properties are not allowed ('replica' was "
            "unexpected)",
        ),
        (
            "Deployment",
            lambda spec: spec["template"]["spec"]["containers"][0].update(imagePullPolicy=1),
            "Deployment orchestrator: spec.template.spec.containers.0.imagePullPolicy: 1 is not",
        ),
        (
            "Service",
            lambda spec: spec["ports"][0].pop("port"),
            "Service orchestrator: spec.ports.0: 'port' is a required property",
        ),
    ],
)
def test_a_field_that_kubernetes_does_not_know_is_named(
    kind: str, change: Callable[[Any], None], said: str
) -> None:
    given = built()
    change(spec(given, kind))
    (problem,) = schemas.problems(given.of(kind)[:1])
    assert problem.startswith(said)


def test_a_kind_that_is_none_of_kubernetes_is_named() -> None:
    resource: Resource = {"apiVersion": "apps/v2", "kind": "Deployment", "metadata": {"name": "a"}}
    (problem,) = schemas.problems([resource])
    assert problem == (
        "Deployment a: Kubernetes 1.34 has no Deployment in apps/v2; correct apiVersion or kind"
    )


def test_a_pooler_behind_a_closed_port_is_told_where_the_secret_is_seen() -> None:
    given = built()
    secret: Resource = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "sms-orchestrator"},
        "stringData": {
            "database_url": "postgresql://a:b@pooler:6432/c",
            **dict.fromkeys(("log_hash_key", "metrics_tokens", "operator_tokens"), "x"),
        },
    }
    assert coherence.problems(Given((*given.every, secret))) == [
        "NetworkPolicy orchestrator: database_url of Secret sms-orchestrator leads to port 6432, "
        "which is closed; add it to the egress ports"
    ]
    (unseen,) = service_settings.not_seen(given)
    assert "opens 53, 443, 5432, 8001, 8002, 8003, and another one needs a patch" in unseen


def test_a_policy_may_name_our_namespace_or_pods_by_any_label() -> None:
    given = built()
    rule = spec(given, "NetworkPolicy", "alertmanager")["ingress"][0]
    name = {"kubernetes.io/metadata.name": "sms-orchestrator"}
    for peer in (
        {"namespaceSelector": {"matchLabels": name}},
        {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "sms-orchestrator"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    ):
        rule["from"] = [peer]
        assert coherence.problems(given) == []
    rule["from"] = [{"namespaceSelector": {"matchLabels": {**name, "a": "b"}}}]
    (told,) = coherence.problems(given)
    assert "closed for prometheus at TCP 9093" in told


def test_an_ingress_that_leads_nowhere_is_told() -> None:
    backend = {"service": {"name": "orchestrater", "port": {"name": "http"}}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "theirs"},
        "spec": {"defaultBackend": backend},
    }
    assert coherence.problems(Given((*built().every, ingress))) == [
        "Ingress theirs: no Service orchestrater; did you mean orchestrator?"
    ]


def test_an_expression_that_nobody_reads_is_told() -> None:
    groups = [{"name": "a", "rules": [{"alert": "Late", "expr": "sum(("}]}]
    rule = {"kind": "PrometheusRule", "metadata": {"name": "a"}, "spec": {"groups": groups}}
    (told,) = alerting.broken_rules(Given((rule,)))
    assert told.startswith("PrometheusRule a: Late: ")
    assert told.endswith("; correct its expr")


def test_a_rule_that_is_not_there_is_told() -> None:
    rules: list[Resource] = [
        {"kind": "PrometheusRule", "metadata": {"name": file.stem}}
        for file in not_empty(sorted(files.RULES.glob("sms-*.yaml")))
    ]
    assert list(alerting.missing_rules(Given(tuple(rules)))) == []
    (told,) = alerting.missing_rules(Given(tuple(rules[1:])))
    assert told.startswith("no PrometheusRule sms-orchestrator-arrivals: its alerts never fire")


def test_a_third_party_s_kind_is_left_alone_and_one_that_is_misspelt_is_not() -> None:
    def named(api: str, kind: str) -> Resource:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": "a"}}

    theirs = [
        named("external-secrets.io/v1", "ExternalSecret"),
        named("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ]
    misspelt = [
        named("monitoring.coreos.co/v1", "Prometheus"),
        named("networking.k8s.oi/v1", "NetworkPolicy"),
        named("app/v1", "Deployment"),
    ]
    judged = schemas.judged([*theirs, *misspelt])
    assert (judged.unknown, judged.wrong) == (tuple(theirs), tuple(misspelt))
    for group, line in zip(
        ("monitoring.coreos.com", "networking.k8s.io", "apps"), judged.problems, strict=True
    ):
        assert group in line


def test_a_resource_without_a_name_is_told() -> None:
    resource: Resource = {"apiVersion": "v1", "kind": "Service", "metadata": {"labels": None}}
    judged = schemas.judged([resource])
    assert coherence.problems(Given(built().every, judged.wrong)) == []
    assert list(alerting.missing_rules(Given((), judged.wrong))) != []
    assert list(judged.problems) == [
        "Service, resource 1 of what was given: no metadata.name; `kubectl apply` needs one, so "
        "write it"
    ]


def test_what_is_wrong_hides_nothing_else_and_is_blamed_for_nothing_else() -> None:
    given = built()
    spec(given, "Deployment")["replica"] = 2
    spec(given, "ServiceMonitor")["endpoints"][0]["port"] = "htp"
    judged = schemas.judged(e for e in given.every if e["kind"] not in OF_THE_OPERATOR)
    monitors = given.of("ServiceMonitor")
    (found,) = coherence.problems(Given((*judged.right, *monitors), judged.wrong))
    assert "no port is called htp" in found


def test_a_secret_that_a_third_party_makes_is_known() -> None:
    given = built()
    pod(given)["volumes"][1]["secret"].update(secretName="from-the-vault")
    theirs = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": "a"},
        "spec": {"target": {"name": "from-the-vault"}},
    }
    assert coherence.problems(Given(given.every, unknown=(theirs,))) == []


@only_long
def test_a_field_that_the_operator_does_not_know_is_named() -> None:
    given = built()
    spec(given, "Prometheus", "prometheus")["externalLabel"] = {"cluster": "eu-1"}
    (problem,) = schemas.problems(given.of("Prometheus"))
    assert problem == (
        "Prometheus prometheus: no field .spec.externalLabel; did you mean externalLabels?"
    )
    spec(given, "Prometheus", "prometheus").pop("externalLabel")
    spec(given, "Prometheus", "prometheus")["replicas"] = "two"
    (problem,) = schemas.problems(given.of("Prometheus"))
    assert problem.startswith("Prometheus prometheus: spec.replicas: Input should be a valid int")
    assert problem.endswith("; `kubectl explain prometheus.spec.replicas` says what it takes")
    given.of("Prometheus")[0]["kind"] = "Prometeus"
    (problem,) = schemas.problems(given.of("Prometeus"))
    assert problem.endswith("no Prometeus in monitoring.coreos.com/v1; did you mean Prometheus?")
