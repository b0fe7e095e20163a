"""Four workers under mixed load, while workers are killed, clocks step, files can't be written,
logs are moved away and signals come. After each: every count is exact, none has gone back, and
every request has its line. At the end: memory is flat.
"""

import argparse
import asyncio
import gzip
import json
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.free_port import free_port
from tests.programs import answers, running
from tests.project import ROOT
from tests.waiting import eventually

WORKERS = 4
LOAD_SECONDS = 4.0
CONNECTIONS = 8
UNTIL_WRITTEN_SECONDS = 120
MEMORY_GROWTH = 1.10
"""The last quarter's memory may be this much of the second quarter's."""

COUNT = "http_server_request_duration_seconds_count"
PATHS = {
    "/things/1": "/things/{number}",
    "/things/2": "/things/{number}",
    "/slow": "/slow",
    "/broken": "/broken",
    "/stream": "/stream",
    "/none": "unmatched",
}


class Soak:
    """One run: the host, what it was asked, and what it has to say."""

    def __init__(self, folder: Path, client: httpx.AsyncClient, process: psutil.Process) -> None:
        self.folder = folder
        self.client = client
        self.process = process
        self.answered: Counter[tuple[str, str]] = Counter()
        self.told: dict[tuple[str, str], float] = {}
        self.memory: list[int] = []
        self.seed = random.Random(15)

    @property
    def workers(self) -> list[psutil.Process]:
        """The workers that live now, without helpers of the server."""
        return [child for child in self.process.children() if _is_worker(child)]

    async def all_serve(self) -> bool:
        """Whether every worker has begun, also the one in place of one that was killed."""
        answer = await self.client.get("/metrics")
        serving = [line for line in answer.text.splitlines() if line.startswith("process_workers ")]
        return serving == [f"process_workers {WORKERS}.0"] and len(self.workers) == WORKERS

    async def load(self, seconds: float = LOAD_SECONDS) -> None:
        """Ask for everything, over connections that are new now and then."""
        until = time.monotonic() + seconds

        async def one() -> None:
            while time.monotonic() < until:
                limits = httpx.Limits(max_connections=1)
                url = self.client.base_url
                async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
                    for path in self.seed.sample(sorted(PATHS), len(PATHS)):
                        # uvicorn hangs up after an exception that nobody handled.
                        last = {"Connection": "close"} if path == "/broken" else {}
                        answer = await client.get(path, headers=last)
                        self.answered[PATHS[path], str(answer.status_code)] += 1

        await asyncio.gather(*(one() for _ in range(CONNECTIONS)))

    async def scraped(self) -> dict[tuple[str, str], float]:
        """Requests by route and status; AssertionError where one has gone back."""
        answer = await self.client.get("/metrics")
        assert answer.status_code == 200, answer.text
        found: dict[tuple[str, str], float] = Counter()
        for family in parsed(answer.text):
            for sample in family.samples:
                if sample.name == COUNT:
                    route = sample.labels["http_route"]
                    found[route, sample.labels["http_response_status_code"]] += sample.value
        back = {key: (value, found[key]) for key, value in self.told.items() if found[key] < value}
        assert not back, f"counts went back: {back}"
        self.told = dict(found)
        return found

    async def check(self) -> None:
        """Every answer is counted once, by whichever worker is asked."""

        async def exact() -> bool:
            found = await self.scraped()
            return all(found[key] == count for key, count in self.answered.items())

        try:
            await eventually(exact, 30)
        except AssertionError:
            found = await self.scraped()
            wrong = {k: (n, found[k]) for k, n in self.answered.items() if found[k] != n}
            others = {key: count for key, count in found.items() if key not in self.answered}
            raise AssertionError(f"asked and counted: {wrong}; counted too: {others}") from None
        for _ in range(WORKERS):
            assert await exact()
        self.memory.append(sum(worker.memory_info().rss for worker in self.workers))

    async def lines(self) -> None:
        """Every answer has its line, in one of the files."""

        async def all_there() -> bool:
            written: Counter[tuple[str, str]] = Counter()
            for file in (self.folder / "logs").rglob("*.jsonl*"):
                raw = (
                    gzip.decompress(file.read_bytes())
                    if file.suffix == ".gz"
                    else (file.read_bytes())
                )
                for line in raw.splitlines():
                    fields = json.loads(line)
                    if fields["event"] == "request":
                        written[fields["route"], str(fields["status"])] += 1
            return all(written[key] == count for key, count in self.answered.items())

        await eventually(all_there, UNTIL_WRITTEN_SECONDS)

    async def killed(self) -> None:
        """A worker is killed once what it counted is surely written."""
        await asyncio.sleep(2.5)
        victim = self.seed.choice(self.workers)
        victim.kill()
        try:
            await eventually(self.all_serve)
        except AssertionError:
            answer = await self.client.get("/metrics")
            said = [line for line in answer.text.splitlines() if line.startswith("process_workers")]
            raise AssertionError(f"{len(self.workers)} workers live; they say {said}") from None

    async def clock_stepped(self) -> None:
        """The machine's clock is set, forwards or back."""
        step = self.seed.choice([-3600, -1, 1, 3600])
        _set_clock(self.folder / "clock", step)
        await self.load()

    async def nothing_can_be_written(self) -> None:
        """For some seconds no file can grow: as on a full disk."""
        before = {w.pid: resource.prlimit(w.pid, resource.RLIMIT_FSIZE) for w in self.workers}
        for pid, (_, hard) in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        await self.load()
        for pid, limits in before.items():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)

    async def moved_away(self) -> None:
        """Somebody else's rotation: the files are renamed, and the workers are told."""
        aside = self.folder / "logs" / "aside"
        aside.mkdir(exist_ok=True)
        for file in (self.folder / "logs").glob("*.jsonl"):
            file.rename(aside / f"{file.stem}-{time.monotonic_ns()}.jsonl")
        await self.hung_up()

    async def hung_up(self) -> None:
        """SIGHUP for every worker, under load."""
        loading = asyncio.create_task(self.load(1.0))
        for worker in self.workers:
            worker.send_signal(signal.SIGHUP)
        await loading

    def memory_is_flat(self) -> None:
        """The last quarter's memory is that of the second."""
        quarter = max(len(self.memory) // 4, 1)
        early = statistics.median(self.memory[quarter : 2 * quarter] or self.memory)
        late = statistics.median(self.memory[-quarter:])
        print(f"memory of the workers: {early / 1e6:.1f} MB early, {late / 1e6:.1f} MB late")
        assert late <= early * MEMORY_GROWTH


def _set_clock(file: Path, seconds: int) -> None:
    """Whole at once: the workers read it all the time."""
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(file)


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(child.cmdline())
    except psutil.Error:  # it has just ended
        return False


async def soak(minutes: float, folder: Path) -> None:
    """Run for so long, or until something does not hold."""
    for name in ("logs", "workers"):
        (folder / name).mkdir()
    _set_clock(folder / "clock", 0)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.soak.host:app", f"--port={port}"]
    command += [f"--workers={WORKERS}", "--no-access-log", "--log-level=critical"]
    # A worker that is slow because the machine is must not be taken for a dead one.
    command += ["--timeout-worker-healthcheck=20"]
    places = {f"SOAK_{name.upper()}": str(folder / name) for name in ("logs", "workers", "clock")}
    log = folder / "printed"
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
        running(command, ROOT, log, places) as process,
    ):
        await answers(process, client, "/metrics", log)
        this = Soak(folder, client, psutil.Process(process.pid))
        await eventually(this.all_serve)
        faults: list[Callable[[], Awaitable[None]]] = [
            this.killed,
            this.nothing_can_be_written,
            this.moved_away,
            this.hung_up,
            this.clock_stepped,
        ]
        await _rounds(this, faults, minutes)
        await this.lines()
        this.memory_is_flat()
    total = sum(this.answered.values())
    print(f"{total:,} requests, each counted once and with its line")


async def _rounds(this: Soak, faults: list[Callable[[], Awaitable[None]]], minutes: float) -> None:
    began = time.monotonic()
    seen: Counter[str] = Counter()
    while time.monotonic() - began < minutes * 60:
        await this.load()
        fault = faults[sum(seen.values()) % len(faults)]
        print(f"{fault.__name__} …", end=" ", flush=True)
        await fault()
        await this.load(1.0)
        await this.check()
        seen[fault.__name__] += 1
        passed = (time.monotonic() - began) / 60
        print(f"{passed:5.1f} min  {sum(this.answered.values()):>8,}  {dict(seen)}", flush=True)


def main() -> int:
    """0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        try:
            asyncio.run(soak(minutes, Path(folder)))
        except (AssertionError, httpx.TransportError) as error:
            print(f"it does not hold: {error!r}", file=sys.stderr)
            subprocess.run(["tail", "-20", Path(folder) / "printed"], check=False)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
