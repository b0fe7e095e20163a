"""Two Prometheus and some Alertmanagers that run, with the committed rules, routes and settings.

Waits of rules are short, and so are the intervals of scrapes and evaluations. How Alertmanagers
wait for each other, and how long a group waits, is as committed: that decides who tells what.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml

from alerts import paths
from alerts.signals.scraping import ALERTMANAGER_JOB, ORCHESTRATOR_JOB, PROMETHEUS_JOB
from prometheus_tools.toolchain import locate
from stack import alertmanager
from tests.free_port import free_port
from tests.pairs.members import Member
from tests.pairs.relay import Relay, both_free, relaying
from tests.pairs.watch import INCIDENT, Watch
from tests.test_alerts.alertmanager_process import alertmanager_command
from tests.test_stack.short_waits import shortened_rules
from tests.upstreams import serving
from tests.waiting import eventually, until

REPLICAS = "a", "b"
RULE_FILES = "scraping.yml", "monitoring.yml"
"""Those that need no traffic."""

INTERVAL_SECONDS = 2
RESEND_SECONDS = 60
"""After which Prometheus tells a firing alert again, by default."""

START_DELAY_SECONDS = 90
"""That and an evaluation, with room for slow machines."""

GROUP_INTERVAL_SECONDS = 30
"""Of the committed route of pages."""

PEER_TIMEOUT_SECONDS = 5
"""What each Alertmanager waits for longer than the one before it; docs/pairs.md says why."""

GOSSIP_SECONDS = 5
"""Within which the others know what one has told: it is a fifth of a second by default."""

QUIET_SECONDS = GROUP_INTERVAL_SECONDS + 4 * PEER_TIMEOUT_SECONDS
"""Within which whoever tells something twice has done so."""

# It begins long after what holds it back, so that Prometheus tells it again at other times.
SYMPTOM = {
    "alert": "Symptom",
    "expr": 'up{job="orchestrator"} == 0',
    "for": "40s",
    "labels": {"severity": "ticket", "ruleset": "sms-orchestrator"},
}


@dataclass
class Cluster:
    """The parts, and what happens to them."""

    folder: Path
    watch: Watch
    prometheus: list[Member] = field(default_factory=list)
    alertmanagers: list[Member] = field(default_factory=list)
    relays: list[Relay] = field(default_factory=list)
    began: float = 0
    """When the incident began, by the monotonic clock."""
    ended: float = 0
    """When the first Prometheus saw it end; 0 while all see it that saw it begin."""

    def begin(self, *seen_by: str) -> None:
        """Let the service go down: for all, or only as these replicas see it."""
        self.began, self.ended = time.monotonic(), 0
        self.watch.unseen_by = set(seen_by or REPLICAS)

    def end(self, *seen_by: str) -> None:
        """Let it be well again: for all, or only as these replicas see it."""
        self.ended = self.ended or time.monotonic()
        self.watch.unseen_by -= set(seen_by or REPLICAS)

    async def told(self, times: int = 1) -> None:
        """Wait until the receiver was told so often that it began."""
        await until(lambda: len(self.beginnings) >= times, seconds=240)

    async def told_over(self, times: int = 1) -> None:
        """Wait until the receiver was told so often that it is over."""
        await until(lambda: len(self.endings) >= times, seconds=240)

    async def fires(self) -> None:
        """Wait until an Alertmanager was told by Prometheus that the incident began."""
        asked = {"filter": f'alertname="{INCIDENT}"'}
        async with httpx.AsyncClient(base_url=self.alertmanagers[-1].url) as client:

            async def do() -> object:
                return (await client.get("/api/v2/alerts", params=asked)).json()

            await eventually(do)

    @property
    def since_began(self) -> float:
        """Seconds since the incident began."""
        return time.monotonic() - self.began

    @property
    def beginnings(self) -> list[float]:
        """When the receiver was told that the incident began."""
        return [each.at for each in self.watch.of_incident(self.began) if not each.says_over]

    @property
    def endings(self) -> list[float]:
        """When the receiver was told that it is over."""
        return [each.at for each in self.watch.of_incident(self.began) if each.says_over]

    def cut_off(self, number: int) -> None:
        """Let no gossip through between the Alertmanager of that number and the others."""
        alone = self.alertmanagers[number]
        for relay, member in zip(self.relays, self.alertmanagers, strict=True):
            relay.cut((lambda port: True) if member is alone else alone.has_port)

    async def mend(self) -> None:
        """Let all gossip through, and wait until they have found each other."""
        for relay in self.relays:
            relay.mend()
        await self.complete()

    async def complete(self) -> None:
        """Wait until each Alertmanager sees all."""
        await self.sees(len(self.alertmanagers), *self.alertmanagers)

    async def sees(self, count: int, *members: Member) -> None:
        """Wait until each of these sees so many of its cluster, itself among them."""
        async with httpx.AsyncClient() as client:

            async def do() -> bool:
                for each in members:
                    status = (await client.get(f"{each.url}/api/v2/status")).json()["cluster"]
                    if status["status"] != "ready" or len(status["peers"]) != count:
                        return False
                return True

            await eventually(do, seconds=240)

    async def scraped(self) -> None:
        """Wait until each Prometheus sees the service, and has Alertmanagers to tell."""
        async with httpx.AsyncClient() as client:

            async def do() -> bool:
                for each in self.prometheus:
                    asked = {"query": 'up{job="orchestrator"} == 1'}
                    up = await client.get(f"{each.url}/api/v1/query", params=asked)
                    known = await client.get(f"{each.url}/api/v1/alertmanagers")
                    found = known.json()["data"]["activeAlertmanagers"]
                    if not up.json()["data"]["result"] or len(found) < len(self.alertmanagers):
                        return False
                return True

            await eventually(do, seconds=240)


def _prepare_prometheus(folder: Path, scraped: str, addresses: dict[str, list[str]]) -> None:
    """The committed configuration of one in a hurry, and what lies in files beside it.

    The folder's name is that of the replica. It scrapes the service at ``scraped``.
    """
    replica = folder.name
    for each in ("rules", "targets", "secrets"):
        (folder / each).mkdir(parents=True)
    configuration = yaml.safe_load(paths.PROMETHEUS_CONFIG.read_text())
    for name in ("scrape_interval", "scrape_timeout", "evaluation_interval"):
        configuration["global"][name] = f"{INTERVAL_SECONDS}s"
    configuration["global"]["external_labels"]["replica"] = replica
    # Each file that is watched takes one of the few watches that a user may have.
    for each in configuration["scrape_configs"]:
        del each["file_sd_configs"]
        each["static_configs"] = [{"targets": addresses.get(each["job_name"], [])}]
        if each["job_name"] == ORCHESTRATOR_JOB:
            each["metrics_path"] = f"/{replica}/metrics"
            of_service = {"targets": [scraped], "labels": {"instance": "service"}}
            each["static_configs"] = [of_service]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    told = json.dumps([{"targets": addresses[ALERTMANAGER_JOB]}])
    (folder / "targets" / "alertmanager.yml").write_text(told)
    (folder / "secrets" / "orchestrator_token").write_text("none")


def _write_rules(folder: Path) -> None:
    for name in RULE_FILES:
        text = (paths.RULES / name).read_text()
        (folder / name).write_text(shortened_rules(text))
    later = {"groups": [{"name": "later", "rules": [SYMPTOM]}]}
    (folder / "later.yml").write_text(yaml.safe_dump(later))


def _prometheus(folder: Path, address: str) -> Member:
    command = [
        *(str(locate("prometheus").path), "--config.file=prometheus.yml"),
        *("--storage.tsdb.path=data", "--storage.tsdb.retention.time=60d"),
        f"--web.listen-address={address}",
    ]
    return Member(folder.name, command, folder, f"http://{address}")


def _alertmanager(folder: Path, address: str, relays: Sequence[Relay], listens: int) -> Member:
    """The folder's name is its number, from which follows its relay, and who tells first."""
    number = int(folder.name)
    own = relays[number - 1].port
    command = [
        *alertmanager_command(folder, Path(alertmanager.CONFIG), address, f"127.0.0.1:{listens}"),
        # A message says by it who sends it.
        f"--web.external-url=http://{address}",
        f"--cluster.peer-name={number}",
        f"--cluster.peer-timeout={PEER_TIMEOUT_SECONDS}s",
        f"--cluster.advertise-address=127.0.0.1:{own}",
        *(f"--cluster.peer=127.0.0.1:{each.port}" for each in relays if each.port != own),
    ]
    return Member(f"alertmanager {number}", command, folder, f"http://{address}")


@asynccontextmanager
async def running(folder: Path, size: int, *options: str) -> AsyncIterator[Cluster]:
    """Two Prometheus and ``size`` Alertmanagers in ``folder``, once all of them see each other.

    The Alertmanagers have more ``options`` than their cluster demands.
    """
    watch = Watch()
    numbers = range(1, size + 1)
    addresses = {
        PROMETHEUS_JOB: [f"127.0.0.1:{free_port()}" for _ in REPLICAS],
        ALERTMANAGER_JOB: [f"127.0.0.1:{free_port()}" for _ in numbers],
    }
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(watch.app()))
        listening = [both_free() for _ in numbers]
        relays = [await stack.enter_async_context(relaying(port)) for port in listening]
        cluster = Cluster(folder, watch, relays=relays)
        for replica, address in zip(REPLICAS, addresses[PROMETHEUS_JOB], strict=True):
            _prepare_prometheus(folder / replica, url.removeprefix("http://"), addresses)
            cluster.prometheus.append(_prometheus(folder / replica, address))
        (nothing := folder / "nothing").mkdir()
        for number, address, port in zip(
            numbers, addresses[ALERTMANAGER_JOB], listening, strict=True
        ):
            (own := folder / str(number)).mkdir()
            alertmanager.write(own, nothing, f"{url}/alerts")
            member = _alertmanager(own, address, relays, port)
            member.command += options
            cluster.alertmanagers.append(member)
        members = [*cluster.alertmanagers, *cluster.prometheus]
        for member in members:
            stack.push_async_callback(member.stop)
        await asyncio.gather(*(member.start() for member in members))
        await cluster.complete()
        await cluster.scraped()
        # Before that, rules with short waits would tell that nothing can be scraped.
        for member in cluster.prometheus:
            _write_rules(folder / member.name / "rules")
            member.reload()
        # No machine is watched here, of which a ticket tells. From then on whatever fires is told.
        await until(lambda: watch.messages, seconds=240)
        await asyncio.sleep(GOSSIP_SECONDS)
        yield cluster
