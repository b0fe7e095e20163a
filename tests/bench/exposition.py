"""What instances of the app, and the parts around it, expose: of real ones, served N times."""

import http.server
import re
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.core.catalogue import SMS_RECEIVED
from prometheus_tools.toolchain import locate
from simulator.faults import FAULTS, HOSTILE_MESSAGES, Effect
from tests.free_port import free_port
from tests.programs import answering
from tests.test_alerts.alertmanager_process import alertmanager_command
from tests.test_logs.conftest import processes
from tests.waiting import eventually

SMS_PER_MINUTE = 1200
SMS_PER_FAULT = 60
SMS_AFTERWARDS = 200
# What makes an SMS wait makes no other series.
FAULTS_IN_TURN = [HOSTILE_MESSAGES] + [
    name
    for effect in (Effect.LOW_CONFIDENCE, Effect.ERRORS, Effect.DOWN)
    for name, fault in FAULTS.items()
    if fault.effect is effect
]
_SAMPLE = re.compile(r"(?P<series>\w+(?:\{.*\})?) (?P<value>\S+)")
_TIMES = "_timestamp_seconds"
_COUNTERS = ("_total", "_count", "_sum", "_bucket")


def grows(name: str) -> bool:
    """Whether the metric called ``name`` is a counter."""
    return name.endswith(_COUNTERS)


@dataclass(frozen=True, slots=True)
class Growth:
    """How counters go on: by what was exposed, every ``period`` seconds since ``began``."""

    began: float
    period: float = 300

    def value(self, exposed: float, now: float) -> float:
        """The counter at Unix time ``now``."""
        grown = exposed * (now - self.began) / self.period
        return float(int(grown)) if exposed.is_integer() else grown


class Exposition:
    """What one instance exposes: counters grow, and what has just been done is done again."""

    def __init__(self, text: str) -> None:
        self._taken = time.time()
        self._lines: list[tuple[str, float | None]] = []
        for line in text.splitlines():
            sample = _SAMPLE.fullmatch(line)
            name = re.split(r"[{ ]", line)[0]
            if sample is None or not (grows(name) or name.endswith(_TIMES)):
                self._lines.append((line, None))
            else:
                self._lines.append((sample["series"], float(sample["value"])))

    @property
    def series(self) -> int:
        return sum(not line.startswith("#") for line, _ in self._lines)

    def text(self, growth: Growth) -> bytes:
        """The exposition of now."""
        now = time.time()
        lines = (
            line if value is None else f"{line} {self._at(line, value, growth, now)}"
            for line, value in self._lines
        )
        return "\n".join([*lines, ""]).encode()

    def _at(self, series: str, value: float, growth: Growth, now: float) -> float:
        if series.partition("{")[0].endswith(_TIMES):
            return value + now - self._taken
        return growth.value(value, now)


@contextmanager
def serving(expositions: Mapping[str, Exposition], growth: Growth) -> Iterator[str]:
    """Serve each exposition at ``/NAME/`` and whatever follows; gives host and port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = expositions[self.path.split("/")[1]].text(growth)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A Prometheus that stops hangs up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


async def of_the_app() -> Exposition:
    """What a real orchestrator exposes once it has seen traffic and faults."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            processes(Path(folder), traffic_per_minute=SMS_PER_MINUTE, app_port=port) as both,
            httpx.AsyncClient(base_url=both.control) as control,
        ):
            return Exposition(await after_faults(both.app, control))


async def after_faults(app: httpx.AsyncClient, control: httpx.AsyncClient) -> str:
    """What the orchestrator exposes once it has seen each fault; ``control`` is the simulator's."""
    for fault in FAULTS_IN_TURN:
        (await control.put(f"/faults/{fault}")).raise_for_status()
        await traffic(app)
        (await control.delete("/faults")).raise_for_status()
    # Retries end, managers decide.
    await traffic(app, SMS_AFTERWARDS)
    for path in ("/health", "/health/dependencies", "/orchestrate/metrics", "/nowhere"):
        await app.get(path)
    await app.post("/orchestrate/sms-received", json={})
    return await metrics(app)


async def traffic(
    app: httpx.AsyncClient, messages: int = SMS_PER_FAULT, seconds: float = 120
) -> None:
    """Wait until the app has received that many more."""

    async def received() -> float:
        samples = re.findall(rf"^{SMS_RECEIVED.name}\S* (\S+)", await metrics(app), re.MULTILINE)
        return sum(map(float, samples))

    enough = await received() + messages
    await eventually(lambda: _at_least(received, enough), seconds=seconds)


async def _at_least(ask: Callable[[], Awaitable[float]], enough: float) -> bool:
    return await ask() >= enough


async def metrics(client: httpx.AsyncClient) -> str:
    """What it exposes now."""
    return (await client.get("/metrics")).raise_for_status().text


async def of_the_node() -> Exposition:
    """What node_exporter exposes of this machine."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [locate("node_exporter").path, f"--web.listen-address={address}"]
        async with answering(command, folder, folder / "log", f"http://{address}") as client:
            return Exposition(await metrics(client))


async def of_alertmanager() -> Exposition:
    """What an Alertmanager exposes that has been told nothing yet."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "alertmanager.yml"
        config.write_text("route: {receiver: a}\nreceivers: [{name: a}]\n")
        address = f"127.0.0.1:{free_port()}"
        command = alertmanager_command(folder, config, address)
        async with answering(command, folder, folder / "log", f"http://{address}") as client:
            return Exposition(await metrics(client))
