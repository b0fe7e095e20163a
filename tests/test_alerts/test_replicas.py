"""A pair of Prometheus with the committed configuration tells one alert, not two."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerts import paths
from prometheus_tools.toolchain import locate
from tests.free_port import free_port
from tests.length import only_long
from tests.programs import running
from tests.upstreams import serving
from tests.waiting import until

RULE = {"alert": "Always", "expr": "vector(1)", "labels": {"job": "orchestrator"}}


def configuration(replica: str, alertmanager: str) -> dict[str, Any]:
    """The committed one in a hurry, with one rule and nothing to scrape."""
    committed: dict[str, Any] = yaml.safe_load(paths.PROMETHEUS_CONFIG.read_text())
    committed["global"]["evaluation_interval"] = "1s"
    committed["global"]["external_labels"]["replica"] = replica
    targets = [{"targets": [alertmanager]}]
    committed["alerting"]["alertmanagers"] = [{"static_configs": targets}]
    return {**committed, "rule_files": ["rules.yml"], "scrape_configs": []}


@only_long
async def test_the_replica_is_dropped_and_the_cluster_stays(tmp_path: Path) -> None:
    told: dict[str, dict[str, str]] = {}

    async def take(request: Request) -> Response:
        for alert in await request.json():
            told[alert["generatorURL"]] = alert["labels"]
        return Response()

    app = Starlette(routes=[Route("/api/v2/alerts", take, methods=["POST"])])
    async with serving(app) as url, AsyncExitStack() as pair:
        for replica in ("a", "b"):
            folder = tmp_path / replica
            folder.mkdir()
            groups = [{"name": "always", "rules": [RULE]}]
            (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
            text = yaml.safe_dump(configuration(replica, url.removeprefix("http://")))
            (folder / "prometheus.yml").write_text(text)
            command = [
                *(str(locate("prometheus").path), "--config.file=prometheus.yml"),
                *("--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{free_port()}"),
                # It finds Alertmanager some seconds after it has told nobody.
                *("--rules.alert.resend-delay=1s", f"--web.external-url=http://{replica}.example"),
            ]
            await pair.enter_async_context(running(command, folder, folder / "log"))
        await until(lambda: len(told) == 2)
    expected = {"alertname": "Always", "job": "orchestrator", "cluster": "local"}
    assert [*told.values()] == [expected, expected]
