"""The files that tell kustomize what belongs together."""

from collections.abc import Iterable, Mapping

from alerts.identity import IDENTITY
from deploy.monitoring import GROUP
from deploy.names import IMAGE, NAMESPACE, ROUTES, SETTINGS, TEMPLATES, Resource
from deploy.sizes import Size

SIDECAR = {"grafana_dashboard": "1"}
"""The label by which Grafana's sidecar finds dashboards."""

PLACE = {"cluster": "eu-1", "environment": "production"}
"""Where the committed overlays run, until somebody says where."""
EXAMPLE_REGISTRY = "registry.example"

ROUTES_FILE = "routes.yaml"

_HEAD = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
_AS_NAMED = {"disableNameSuffixHash": True}


def base(resources: Iterable[str], variables: Mapping[str, str]) -> Resource:
    """What both sizes have. ``resources`` are files and folders."""
    return {
        **_HEAD,
        "namespace": NAMESPACE,
        "resources": list(resources),
        "configMapGenerator": [{"name": SETTINGS, "literals": _literals(variables)}],
        "secretGenerator": [
            # The operator looks for this name and this key.
            {"name": ROUTES, "files": [f"alertmanager.yaml={ROUTES_FILE}"], "options": _AS_NAMED}
        ],
    }


def list_of(resources: Iterable[str]) -> Resource:
    """These files, and nothing else."""
    return {**_HEAD, "resources": list(resources)}


def overlay(size: Size, patches: Iterable[str], further: Iterable[str], version: str) -> Resource:
    """One size, in one place."""
    return {
        **_HEAD,
        "resources": ["../../base", *further],
        "labels": [placed(PLACE)],
        "images": [
            {"name": IMAGE, "newName": f"{EXAMPLE_REGISTRY}/{IMAGE}", "newTag": version},
        ],
        "configMapGenerator": [
            {"name": SETTINGS, "behavior": "merge", "literals": _literals(size.variables)}
        ],
        "patches": [{"path": patch} for patch in patches],
    }


def placed(place: Mapping[str, str]) -> Resource:
    """The labels that say where everything runs, wherever they have to be said."""
    return {
        "pairs": {label: place[label] for label in IDENTITY},
        "includeTemplates": True,
        "fields": [
            {"path": "spec/externalLabels", "group": GROUP, "kind": "Prometheus", "create": True}
        ],
    }


def dashboards(files: Iterable[str]) -> Resource:
    """A ConfigMap for each dashboard: together they are larger than one may be."""
    return {
        **_HEAD,
        "configMapGenerator": [
            {
                "name": "dashboard-" + file.removesuffix(".json").replace("_", "-"),
                "files": [file],
                # With a hash in its name, the sidecar would keep the one of before as well.
                "options": {**_AS_NAMED, "labels": SIDECAR},
            }
            for file in files
        ],
    }


def templates(files: Iterable[str]) -> Resource:
    """The texts of the messages."""
    return {
        **_HEAD,
        "configMapGenerator": [{"name": TEMPLATES, "files": list(files), "options": _AS_NAMED}],
    }


def _literals(variables: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in variables.items()]
