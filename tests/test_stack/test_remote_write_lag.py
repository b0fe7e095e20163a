"""`make status` says that the engine beside Prometheus gets nothing, long before an alert can."""

import asyncio
from pathlib import Path

import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from prometheus_tools.toolchain import locate
from stack import remote_write, remote_write_lag, trouble
from stack.backend import ComponentStatus
from tests.free_port import free_port
from tests.programs import answering
from tests.test_stack.test_remote_write import FOLDER
from tests.upstreams import serving
from tests.waiting import eventually, until

SENT = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds"
NEWEST = "prometheus_remote_storage_highest_timestamp_in_seconds"
RETRIED = "prometheus_remote_storage_samples_retried_total"


def test_nothing_is_said_where_samples_are_sent_nowhere() -> None:
    assert [*remote_write_lag.troubles(f"{NEWEST} 1000\n", _never)] == []


@pytest.mark.parametrize(
    ("newest", "sent", "retried", "said"),
    [
        (1000, 980, (5, 5), []),
        (1000, 940, (5, 5), ["remote write: 60 s behind; engine takes samples too slowly"]),
        (
            1000,
            940,
            (5, 9),
            ["remote write: 60 s behind; engine took nothing at times in the last minute"],
        ),
        (
            1000,
            0,
            (0, 9),
            ["remote write: nothing was sent yet; engine took nothing at times in the last minute"],
        ),
        # It may have started a moment ago.
        (1000, 0, (0, 0), []),
    ],
)
def test_how_far_behind_it_is_and_why(
    newest: float, sent: float, retried: tuple[float, float], said: list[str]
) -> None:
    before, now = retried
    labels = '{remote_name="engine",url="http://127.0.0.1:1/write"}'
    exposed = f"{NEWEST} {newest}\n{SENT}{labels} {sent}\n{RETRIED}{labels} {now}\n"

    def stored(expr: str) -> list[tuple[dict[str, str], float]]:
        return [({"remote_name": "engine"}, before)] if RETRIED in expr else []

    assert [*remote_write_lag.troubles(exposed, stored)] == said


def _never(_expr: str) -> list[tuple[dict[str, str], float]]:
    raise AssertionError("there is nothing to be asked")


async def test_what_an_engine_does_is_said_as_soon_as_prometheus_knows_it(tmp_path: Path) -> None:
    """It takes samples, is away, and then refuses them for good."""
    answer, taken = 204, 0

    async def engine(request: Request) -> Response:
        nonlocal taken
        taken += len(await request.body())
        return Response(status_code=answer)

    address = f"127.0.0.1:{free_port()}"
    url = f"http://{address}"
    async with serving(Starlette(routes=[Route("/write", engine, methods=["POST"])])) as its:
        file = tmp_path / "prometheus.yml"
        config = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {"job_name": "prometheus", "static_configs": [{"targets": [address]}]}
            ],
            **remote_write.section(FOLDER, f"{its}/write"),
        }
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        command = [
            locate("prometheus").path,
            f"--config.file={file}",
            f"--storage.tsdb.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            "--storage.remote.flush-deadline=1s",
        ]
        status = ComponentStatus("prometheus", True, url, None)

        async def said() -> str:
            found = await asyncio.to_thread(trouble.troubles, [status], "token", file)
            return "\n".join(each for each in found.get("prometheus", []) if "remote write" in each)

        async with answering(command, tmp_path, tmp_path / "prometheus.log", url, "/-/ready"):
            await until(lambda: taken)
            assert await said() == ""
            answer = 503

            async def is_away() -> bool:
                return "engine took nothing" in await said()

            await eventually(is_away)
            answer = 404

            async def refuses() -> bool:
                return "engine refuses samples, which are lost for it" in await said()

            await eventually(refuses)
