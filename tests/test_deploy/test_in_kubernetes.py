"""What Kubernetes' own programs say of the committed files: kustomize, kubeconform, the operator's
webhook, and a real API server with the operator's definitions.

They are built from Go's modules, which takes minutes, once; `make test-all` runs this.
"""

import base64
import gzip
import json
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app.core.config import Settings
from deploy import (
    build,
    coherence,
    files,
    kustomizations,
    placeholders,
    required_secrets,
    schemas,
    sizes,
)
from deploy.names import NAMESPACE, Resource, identifier
from deploy.selection import Given
from prometheus_tools import promtool
from prometheus_tools.toolchain import locate, operator_definitions
from prometheus_tools.yaml_reading import read_all_yaml, read_yaml
from tests.free_port import free_port
from tests.length import only_long
from tests.not_empty import not_empty
from tests.programs import answers, running
from tests.project import ROOT
from tests.test_deploy.api_server import Cluster, api_server
from tests.test_deploy.conftest import Located, kustomize
from tests.waiting import until

pytestmark = only_long

Kustomized = Callable[[sizes.Size], Path]
each_size = pytest.mark.parametrize("size", sizes.SIZES, ids=lambda size: size.name)
GUIDE = (ROOT / "docs/kubernetes.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
MEBIBYTE = 1024 * 1024


def read(text: str) -> list[Resource]:
    return not_empty(read_all_yaml(text))


@each_size
def test_kustomize_makes_what_make_check_looks_at(kustomized: Kustomized, size: sizes.Size) -> None:
    by_kustomize = {}
    for each in read(kustomized(size).read_text()):
        # A hash is appended to the name of what restarts the pods when it changes.
        named = json.loads(re.sub(r"(orchestrator-settings)-\w{10}", r"\1", json.dumps(each)))
        by_kustomize[identifier(named)] = named
    for ours in not_empty(build.built(size, Settings())):
        theirs = with_bare_secrets(deepcopy(by_kustomize[identifier(ours)]))
        if ours["kind"] == "Deployment":
            container = theirs["spec"]["template"]["spec"]["containers"][0]
            assert container["image"] == "registry.example/sms-orchestrator:0.1.0"
            container["image"] = "sms-orchestrator"
        if ours["kind"] in ("ConfigMap", "Namespace", "Secret"):
            # kustomize gives it no label of its own, and the namespace is in none.
            ours, theirs = (deepcopy(each) for each in (ours, theirs))
            ours["metadata"], theirs["metadata"] = {}, {}
        assert theirs == ours, identifier(ours)


@each_size
def test_no_map_is_larger_than_kubernetes_takes(kustomized: Kustomized, size: sizes.Size) -> None:
    maps = [e for e in read(kustomized(size).read_text()) if e["kind"] in ("ConfigMap", "Secret")]
    for each in not_empty(maps):
        assert sum(len(text) for text in each["data"].values()) < MEBIBYTE / 2, identifier(each)
    found = {e["metadata"]["name"] for e in maps if "grafana_dashboard" in e["metadata"]["labels"]}
    assert len(found) == 9


@pytest.mark.parametrize("further", range(len(BLOCKS)))
def test_the_guide_s_overlays_work(located: Located, tmp_path: Path, further: int) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (tmp_path / "sms-orchestrator").symlink_to(ROOT)
    (own / "routes.yaml").write_text("route: {receiver: a}\n")
    (own / "remote-write.env").write_text("username=a\npassword=b\n")
    text = BLOCKS[0] + (BLOCKS[further] if further else "")
    (own / "kustomization.yaml").write_text(text)
    resources = read(kustomize(located, own))
    assert coherence.problems(Given(tuple(resources))) == []
    (left,) = placeholders.left_in(resources)
    assert left.startswith("PrometheusRule: links of alerts")


@each_size
def test_kubeconform_takes_it(
    located: Located, kustomized: Kustomized, size: sizes.Size, tmp_path: Path
) -> None:
    write_schemas(read(kustomized(size).read_text()), tmp_path)
    where = str(tmp_path / "{{.ResourceKind}}{{.KindSuffix}}.json")
    command = [str(located("kubeconform")), "-strict", "-summary", "-schema-location", where]
    done = subprocess.run([*command, kustomized(size)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def write_schemas(resources: list[Resource], folder: Path) -> None:
    """The schemas of Kubernetes and of the operator, one a file, as kubeconform reads them."""
    inside = '"#/$defs/'
    definitions = (schemas.folder() / "_definitions.json").read_text()
    shared = json.loads(definitions.replace('"/api/_definitions.json#/$defs/', inside))["$defs"]
    for resource in resources:
        name = schemas.file_name(resource)
        source = schemas.folder() / name
        if source.is_file():
            text = source.read_text().replace('"/api/_definitions.json#/$defs/', inside)
            (folder / name).write_text(json.dumps({**json.loads(text), "$defs": shared}))
    for definition in definitions_of_the_operator():
        kind = definition["spec"]["names"]["kind"].lower()
        for version in definition["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            file = folder / f"{kind}-monitoring-{version['name']}.json"
            file.write_text(json.dumps(schema))


class _Loader(yaml.CSafeLoader):
    """One that takes `=` for text, as everybody else does."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def definitions_of_the_operator() -> Iterator[dict[str, Any]]:
    for file in not_empty(operator_definitions()):
        yield yaml.load(file.read_text(), Loader=_Loader)


async def test_the_operator_s_webhook_admits_every_rule(
    located: Located, kustomized: Kustomized, tmp_path: Path
) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(located("admission-webhook")),
        *("-web.enable-tls=false", f"-web.listen-address={address}"),
    ]
    log = tmp_path / "log"
    resources = read(kustomized(sizes.SMALL).read_text())
    rules = [each for each in resources if each["kind"] == "PrometheusRule"]
    assert len(rules) > 20
    async with (
        running(command, tmp_path, log) as process,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=60) as client,
    ):
        await answers(process, client, "/healthz", log)
        for rule in rules:
            answer = await admitted(client, rule)
            assert answer["allowed"], f"{identifier(rule)}: {answer}"
        broken = deepcopy(rules[0])
        broken["spec"]["groups"][0]["rules"][0]["expr"] = "sum by (job ("
        assert not (await admitted(client, broken))["allowed"]


async def admitted(client: httpx.AsyncClient, rule: Resource) -> dict[str, Any]:
    """What the webhook answers about ``rule``."""
    api = {"group": "monitoring.coreos.com", "version": "v1"}
    request = {
        "uid": "1",
        "kind": {**api, "kind": "PrometheusRule"},
        "resource": {**api, "resource": "prometheusrules"},
        "operation": "CREATE",
        "object": rule,
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    answer = await client.post("/admission-prometheusrules/validate", json=review)
    found: dict[str, Any] = answer.raise_for_status().json()["response"]
    return found


async def test_a_real_api_server_takes_all_of_it(
    located: Located, kustomized: Kustomized, tmp_path: Path
) -> None:
    async with api_server(located, tmp_path) as cluster:
        for definition in not_empty(operator_definitions()):
            cluster.done("apply", "--server-side", "-f", str(definition))
        cluster.done("wait", "--for=condition=established", "--timeout=60s", "crd", "--all")
        cluster.done("create", "namespace", NAMESPACE)
        for size in not_empty((*sizes.SIZES, *reversed(sizes.SIZES))):
            by_kubectl = cluster.done("kustomize", str(files.OVERLAYS / size.name))
            assert by_kubectl == kustomized(size).read_text()
            replicas = running_replicas(cluster)
            is_taken(cluster, kustomized(size))
            # The number is the autoscaler's, and its limits are those of the size.
            assert running_replicas(cluster) == replicas
            the_autoscaler_sets(cluster, size.most_replicas)
        a_number_that_was_stated_is_given_up_without_a_loss(cluster, kustomized, tmp_path)
        pods_are_admitted(cluster, kustomized(sizes.SMALL), tmp_path)
        a_wrong_field_is_refused(cluster, kustomized(sizes.SMALL), tmp_path)
        async with the_operator(located, cluster, tmp_path):
            await alertmanager_gets_the_routes_as_they_are(cluster)
            await prometheus_is_told_where_it_runs(cluster, tmp_path)
            for name in ("prometheus-prometheus", "alertmanager-alertmanager"):
                await its_pods_are_admitted(cluster, name, tmp_path)


def is_taken(cluster: Cluster, file: Path) -> None:
    """Strictly validated, then applied; read back it is what was sent, and there is no change."""
    applied = ("apply", "--server-side", "--validate=strict", "-f", str(file))
    cluster.done(*applied, "--dry-run=server")
    cluster.done(*applied)
    sent = [with_bare_secrets(each) for each in read(file.read_text())]
    back = json.loads(cluster.done("get", "-f", str(file), "-o", "json"))["items"]
    found = {identifier(each): each for each in back}
    assert len(found) == len(sent)
    for each in sent:
        assert differences(each, found[identifier(each)]) == [], identifier(each)
    same = cluster.kubectl("diff", "--server-side", "-f", str(file))
    assert (same.returncode, same.stdout) == (0, ""), same.stderr


IN_NAMESPACE = ("-n", NAMESPACE)
DEPLOYMENT = "deployment/orchestrator"


def running_replicas(cluster: Cluster) -> int:
    """How many are asked for; where nobody has said it, Kubernetes takes one."""
    asked = cluster.kubectl(*IN_NAMESPACE, "get", DEPLOYMENT, "-o=jsonpath={.spec.replicas}")
    return int(asked.stdout) if asked.returncode == 0 else 1


def the_autoscaler_sets(cluster: Cluster, replicas: int) -> None:
    """What Kubernetes' controller does within its limits: it writes the subresource."""
    limits = ("-o=jsonpath={.items[*].spec.minReplicas} {.items[*].spec.maxReplicas}",)
    least, most = cluster.done(*IN_NAMESPACE, "get", "hpa", *limits).split()
    assert int(least) <= replicas <= int(most)
    patch = ("patch", DEPLOYMENT, "--subresource=scale", "--type=merge")
    by = "--field-manager=kube-controller-manager"
    body = json.dumps({"spec": {"replicas": replicas}})
    cluster.done(*IN_NAMESPACE, *patch, by, "-p", body)


def a_number_that_was_stated_is_given_up_without_a_loss(
    cluster: Cluster, kustomized: Kustomized, folder: Path
) -> None:
    """The guide's command for whoever had `replicas` in an overlay."""
    resources = read(kustomized(sizes.SMALL).read_text())
    (deployment,) = (e for e in resources if e["kind"] == "Deployment")
    file = folder / "stated.json"
    deployment["spec"]["replicas"] = 2
    file.write_text(json.dumps(deployment))
    cluster.done("apply", "--server-side", "--force-conflicts", "-f", str(file))
    command = re.findall(r"^kubectl (.* scale .*)$", GUIDE, re.MULTILINE)
    cluster.done(*not_empty(command)[0].split())
    cluster.done("apply", "--server-side", "-f", str(kustomized(sizes.LARGE)))
    assert running_replicas(cluster) == 3


def with_bare_secrets(resource: Resource) -> Resource:
    """kustomize breaks a secret's base64 into lines."""
    if resource["kind"] != "Secret":
        return resource
    return {**resource, "data": {k: "".join(v.split()) for k, v in resource["data"].items()}}


def pods_are_admitted(cluster: Cluster, file: Path, folder: Path) -> None:
    """The namespace takes the orchestrator's pods, and none that could become root."""
    (deployment,) = (e for e in read(file.read_text()) if e["kind"] == "Deployment")
    pod = {**deployment["spec"]["template"], "apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] = {**pod["metadata"], "name": "one", "namespace": NAMESPACE}
    written = folder / "pod.json"
    create = ("create", "--dry-run=server", "--validate=strict", "-f", str(written))
    written.write_text(json.dumps(pod))
    cluster.done(*create)
    del pod["spec"]["containers"][0]["securityContext"]
    written.write_text(json.dumps(pod))
    refused = cluster.kubectl(*create)
    assert "violates PodSecurity" in refused.stderr


def a_wrong_field_is_refused(cluster: Cluster, file: Path, folder: Path) -> None:
    """So that "taken" means something."""
    (prometheus,) = (e for e in read(file.read_text()) if e["kind"] == "Prometheus")
    prometheus["spec"]["externalLabel"] = {"cluster": "eu-1"}
    written = folder / "wrong.json"
    written.write_text(json.dumps(prometheus))
    refused = cluster.kubectl("apply", "--server-side", "--validate=strict", "-f", str(written))
    assert refused.returncode != 0
    assert ".spec.externalLabel: field not declared in schema" in refused.stderr


@asynccontextmanager
async def the_operator(located: Located, cluster: Cluster, folder: Path) -> AsyncIterator[None]:
    """The operator itself, with the secrets that somebody has made."""
    assert len(missing_secrets(cluster)) == len(required_secrets.ALL)
    for secret in required_secrets.ALL:
        keys = [f"--from-literal={key.name}=a-secret" for key in secret.keys]
        cluster.done("-n", NAMESPACE, "create", "secret", "generic", secret.name, *keys)
    assert missing_secrets(cluster) == []
    command = [
        *(str(located("operator")), f"-namespaces={NAMESPACE}", "-web.enable-tls=false"),
        f"-web.listen-address=127.0.0.1:{free_port()}",
    ]
    variables = {"KUBECONFIG": str(cluster.kubeconfig)}
    async with running(command, folder, folder / "operator.log", variables):
        yield


def missing_secrets(cluster: Cluster) -> list[str]:
    """What the guide's command says."""
    (template,) = re.findall(r"-o (go-template)='(.*)'", GUIDE)
    listed = cluster.done("-n", NAMESPACE, "get", "secrets", "-o", "=".join(template))
    present = [line.split() for line in listed.splitlines()]
    return list(required_secrets.problems({name: keys for name, *keys in present}))


async def made(cluster: Cluster, kind: str, name: str) -> dict[str, Any]:
    """A resource that the operator makes, once it has made it."""
    get = ("-n", NAMESPACE, "get", kind, name, "-o", "json")
    await until(lambda: cluster.kubectl(*get).returncode == 0, seconds=120)
    found: dict[str, Any] = json.loads(cluster.done(*get))
    return found


def unpacked(secret: dict[str, Any], key: str) -> str:
    return gzip.decompress(base64.b64decode(secret["data"][key])).decode()


async def its_pods_are_admitted(cluster: Cluster, name: str, folder: Path) -> None:
    """The namespace takes the pods that the operator would have made."""
    template = (await made(cluster, "statefulset", name))["spec"]
    pod = {**template["template"], "apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] = {**pod["metadata"], "name": f"{name}-0", "namespace": NAMESPACE}
    claims = [each["metadata"]["name"] for each in template["volumeClaimTemplates"]]
    pod["spec"]["volumes"] += [{"name": claim, "emptyDir": {}} for claim in not_empty(claims)]
    written = folder / f"{name}.json"
    written.write_text(json.dumps(pod))
    cluster.done("create", "--dry-run=server", "-f", str(written))


async def alertmanager_gets_the_routes_as_they_are(cluster: Cluster) -> None:
    secret = await made(cluster, "secret", "alertmanager-alertmanager-generated")
    assert unpacked(secret, "alertmanager.yaml.gz") == (files.BASE / "routes.yaml").read_text()


async def prometheus_is_told_where_it_runs(cluster: Cluster, folder: Path) -> None:
    """Each target has the labels of its place, a pair differs by one that leaves no alert."""
    text = unpacked(await made(cluster, "secret", "prometheus-prometheus"), "prometheus.yaml.gz")
    config = read_yaml(text)
    place = kustomizations.PLACE
    assert config["global"]["external_labels"] == {**place, "replica": "$(POD_NAME)"}
    assert config["alerting"]["alert_relabel_configs"] == [
        {"action": "labeldrop", "regex": "replica"}
    ]
    jobs = {each["job_name"]: each["relabel_configs"] for each in config["scrape_configs"]}
    assert len(jobs) == 2
    for relabelings in jobs.values():
        written = {each.get("target_label") for each in relabelings}
        assert {*place, "job", "instance", "namespace", "pod"} <= written
    file = folder / "prometheus.yml"
    file.write_text(text)
    promtool.check_config(file, locate("promtool"))
    rules = await made(cluster, "configmap", "prometheus-prometheus-rulefiles-0")
    alerts = [name for text in rules["data"].values() for name in re.findall(r"alert: (\w+)", text)]
    assert {"Watchdog", "ServiceDown", "AvailabilityBudgetBurn"} <= set(alerts)


def differences(sent: Any, found: Any, path: str = "") -> list[str]:
    """Where what was found is not what was sent; what the server added does not matter."""
    if isinstance(sent, dict) and isinstance(found, dict):
        return [
            problem
            for key, value in sent.items()
            for problem in differences(value, found.get(key), f"{path}.{key}")
        ]
    if isinstance(sent, list) and isinstance(found, list) and len(sent) == len(found):
        pairs = zip(sent, found, strict=True)
        return [
            problem
            for position, (one, other) in enumerate(pairs)
            for problem in differences(one, other, f"{path}[{position}]")
        ]
    return [] if sent == found else [f"{path}: sent {sent!r}, found {found!r}"]
