"""What a team has to fill in, and has not."""

import re
from collections.abc import Iterable, Iterator

from app.core.config import Links
from deploy.kustomizations import EXAMPLE_REGISTRY
from deploy.names import Resource, identifier


def left_in(resources: Iterable[Resource]) -> Iterator[str]:
    """What still is as it was committed and can't work anywhere, with the fix."""
    local = [str(url).rstrip("/") for url in (Links().grafana_url, Links().runbooks_url)]
    leads_here = False
    for resource in resources:
        if resource["kind"] == "Deployment":
            for container in resource["spec"]["template"]["spec"]["containers"]:
                if container["image"].startswith(f"{EXAMPLE_REGISTRY}/"):
                    yield (
                        f"{identifier(resource)}: image {container['image']} is an example; say by "
                        "`images` in your kustomization where yours is"
                    )
                elif not re.search(r"[:@][^/]+$", container["image"]):
                    yield (
                        f"{identifier(resource)}: image {container['image']} has no tag, so a "
                        "restart may bring another release; say newTag by `images`"
                    )
        if resource["kind"] == "PrometheusRule":
            leads_here |= any(url in str(resource["spec"]) for url in local)
    if leads_here:
        yield (
            f"PrometheusRule: links of alerts lead to {' and '.join(local)}, where nobody is; set "
            "ORCHESTRATOR_LINKS__GRAFANA_URL and ORCHESTRATOR_LINKS__RUNBOOKS_URL, and run "
            "`make generate`"
        )
