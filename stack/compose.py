"""The stack under a Docker engine: docker-compose.yml, run by compose v2."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from alerts.links import COMMITTED, write_relinked
from app.core.environment import without_service_addresses
from prometheus_tools.toolchain import versions
from stack import (
    alertmanager,
    grafana,
    links,
    metrics_tokens,
    operators,
    ownership,
    prometheus_config,
    readable,
)
from stack.backend import ComponentStatus, Lines, StackError
from stack.health import Probe, probe
from stack.history import due
from stack.log_view import LogFilter
from stack.ports import PORTS, asked_ports, read_ports
from stack.taken_ports import refuse_taken_ports

OLDEST_COMPOSE = versions.oldest("COMPOSE_OLDEST")
HEALTHY_WITHIN_SECONDS = 180
CLIENT_SECONDS = 20
"""How long the docker client may take for a question."""

WEBHOOK_URL = "http://simulator:8005/alerts"
"""The simulator's receiver as Alertmanager sees it."""

DATABASE_VOLUME = "postgres-data"
PROMETHEUS_VOLUME = "prometheus-data"

PROBES = {
    "app": (8000, "/health"),
    "simulator": (8005, "/health"),
    "prometheus": (9090, "/-/ready"),
    "alertmanager": (9093, "/-/ready"),
    "grafana": (3000, "/api/health"),
    "node-exporter": (9100, "/"),
}
"""Container port and path that answer 200 when the component works. The database has no port."""


def available() -> bool:
    """Whether a Docker engine answers and compose v2 is there."""
    return engine_answers() and compose_version() >= OLDEST_COMPOSE


def engine_answers() -> bool:
    """Whether the docker client is there and reaches an engine."""
    return shutil.which("docker") is not None and _output(["docker", "version"]) is not None


def compose_version() -> tuple[int, ...]:
    """Major and minor version of compose v2; (0,) where it is missing."""
    version = _output(["docker", "compose", "version", "--short"]) or "0"
    numbers = version.strip().removeprefix("v").split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdecimal())


class ComposeBackend:
    """Runs docker-compose.yml of the checkout ``root``, as a compose project of its own.

    Secrets are kept below ``state``. ``variables`` are those of the stack (ports, workers,
    traffic); a running stack keeps the ports that they don't name. Components named in ``without``
    are neither pulled nor started.
    """

    def __init__(
        self, root: Path, state: Path, variables: Mapping[str, str], without: Iterable[str] = ()
    ) -> None:
        self._root = root
        self._state = state
        self.secrets = state / "secrets"
        self.project = ownership.project(root, state)
        self._moved_from = ownership.earlier_checkout(state)
        self._asked_for = asked_ports(variables)
        self._environment = {
            **without_service_addresses(os.environ),
            **variables,
            "COMPOSE_PROJECT_NAME": self.project,
            "STACK_STATE_DIR": str(state),
        }
        self._set_ports(read_ports(variables))
        self._without = frozenset(without)

    def up(self) -> None:
        """Start everything and wait until it is healthy; what runs unchanged is left alone.

        Raises StackError naming what is missing or failing and what to do about it.
        """
        _require_compose()
        with_history = due.is_wanted(self._environment)
        self._refuse_others_project()
        self._keep_ports()
        prometheus_config.check(self._environment)
        services = self._services()
        self._check_ports()
        readable.check(self._root)
        ownership.settle(self._root, self._state)
        self._generate_secrets()
        self._write_alertmanager()
        self._write_prometheus()
        self._write_rules(with_grafana="grafana" in services)
        if "grafana" in services:
            self._write_for_grafana(with_loki="loki" in services)
        self._pull(services)
        self._compose("build", "app", "history", failure="an image can't be built, see above")
        if with_history and "prometheus" in services and not self._has_volume(PROMETHEUS_VOLUME):
            self._fill_in_history()
        self._start(services)
        if "alertmanager" in services:
            # Compose does not notice what changes in a mounted folder.
            alertmanager.reload(f"http://127.0.0.1:{self._ports['ALERTMANAGER_PORT']}")

    def down(self) -> None:
        """Stop and remove the containers; the volumes and secrets stay."""
        _require_compose()
        self._refuse_others_project()
        self._compose(
            *("--profile", "*", "down", "--remove-orphans"),
            failure="not everything was stopped, see above",
        )

    def has_containers(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._container_ids())

    def status(self) -> list[ComponentStatus]:
        """Each component of the compose file, asked now."""
        _require_compose()
        containers = self._containers()
        return [
            _status(name, containers.get(name))
            for name, service in self._services(containers).items()
            # What ends by itself, before others start, is no component.
            if service["restart"] != "no"
        ]

    def last_lines(self, components: Sequence[str], wanted: LogFilter) -> Lines:
        """The last lines of ``components``, or of all, by their time."""
        return self._logged(wanted, *components)

    def lines(self, components: Sequence[str], wanted: LogFilter) -> Lines:
        """The last lines, and then those that are written."""
        return self._logged(wanted, "--follow", *components)

    def query_logs(self, arguments: Sequence[str]) -> int:
        """Run the log query tool in the app's container, which has its files and its key."""
        _require_compose()
        terminal = [] if sys.stdout.isatty() else ["--no-TTY"]
        command = [
            "docker",
            "compose",
            "exec",
            *terminal,
            "app",
            "python",
            "-m",
            "app.logs",
        ]
        return subprocess.run(
            [*command, *arguments], cwd=self._root, env=self._environment, check=False
        ).returncode

    def _logged(self, wanted: LogFilter, *arguments: str) -> Lines:
        _require_compose()
        command = ["docker", "compose", "logs", "--no-color", "--tail", "30", *arguments]
        with subprocess.Popen(
            command,
            cwd=self._root,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ) as logs:
            assert logs.stdout
            for text in logs.stdout:
                container, _, line = text.rstrip("\n").partition(" | ")
                if wanted.admits(line):
                    yield container.strip().rpartition("-")[0], line
        if logs.returncode:
            raise StackError("these logs can't be read, see above")

    @property
    def notes(self) -> list[str]:
        """What the user should know beside the status."""
        told = [f"By hand: docker compose -p {self.project} …", alertmanager.note(self.secrets)]
        if "grafana" in self._without:
            return ["Grafana was left out: import grafana/dashboards/*.json into yours", *told]
        password = self.secrets / "grafana_admin_password"
        return [f"Grafana: user admin, password in {password}", *told]

    def _services(self, running: Iterable[str] = ()) -> dict[str, Any]:
        """The services to run, as compose understands them, by name.

        With them those of ``running`` that a profile started which isn't asked for now.
        """
        defined = self._config()
        if unknown := self._without - set(defined):
            raise StackError(
                f"STACK_WITHOUT: no component {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(defined))}"
            )
        if set(running) - set(defined):
            defined |= {n: s for n, s in self._config("*").items() if n in running}
        return {name: defined[name] for name in sorted(defined) if name not in self._without}

    def _config(self, *profiles: str) -> dict[str, Any]:
        options = [word for profile in profiles for word in ("--profile", profile)]
        answer = json.loads(self._answer(*options, "config", "--format", "json"))
        services: dict[str, Any] = answer["services"]
        return services

    def _containers(self) -> dict[str, Any]:
        """What the engine knows about each service's container, by service."""
        ids = self._container_ids()
        inspected = json.loads(_output(["docker", "inspect", *ids]) or "[]") if ids else []
        return {_label(each, "service"): each for each in inspected}

    def _container_ids(self) -> list[str]:
        of_project = f"--filter=label=com.docker.compose.project={self.project}"
        # What `run` started ends by itself.
        services = "--filter=label=com.docker.compose.oneoff=False"
        command = ["docker", "ps", "--all", "--quiet", of_project, services]
        return (_output(command) or "").split()

    def _refuse_others_project(self) -> None:
        """Raise StackError when containers of this project were started from another checkout."""
        for name, container in self._containers().items():
            folder = Path(_label(container, "project.working_dir")).resolve()
            if folder not in (self._root, self._moved_from):
                raise StackError(
                    f"{ownership.PROJECT_VARIABLE}={self.project}: its container {name} belongs to "
                    f"the checkout {folder}.\nChoose another name, or leave that variable out: "
                    "every checkout has a name of its own."
                )

    def _set_ports(self, ports: Mapping[str, int]) -> None:
        self._ports = dict(ports)
        self._environment |= {name: str(number) for name, number in ports.items()}

    def _keep_ports(self) -> None:
        """A running stack stays where it is, but for the ports that were asked for."""
        published = {
            int(inside.partition("/")[0]): binding["HostPort"]
            for container in self._containers().values()
            for inside, bindings in container["NetworkSettings"]["Ports"].items()
            for binding in bindings or ()
        }
        kept = {p.variable: published[p.default] for p in PORTS if p.default in published}
        asked = {name: str(number) for name, number in self._asked_for.items()}
        left = {name: str(number) for name, number in self._ports.items()}
        self._set_ports(read_ports(left | kept | asked))

    def _check_ports(self) -> None:
        """Refuse ports that others listen on; those of the running stack are its own."""
        own = {
            int(binding["HostPort"])
            for container in self._containers().values()
            for bindings in container["NetworkSettings"]["Ports"].values()
            for binding in bindings or ()
        }
        owners = {port.variable: port.owner for port in PORTS}
        refuse_taken_ports(
            {
                variable: number
                for variable, number in self._ports.items()
                if number not in own and owners[variable] not in self._without
            }
        )

    def _generate_secrets(self) -> None:
        """Write the secrets that aren't there yet.

        Their folder is closed to other users; the files are not, because each container reads its
        own as a user of its own.
        """
        generated = {
            "database_password": secrets.token_urlsafe(32),
            "grafana_admin_password": secrets.token_urlsafe(16),
        }
        missing = [name for name in generated if not (self.secrets / name).exists()]
        if "database_password" in missing and self._has_volume(DATABASE_VOLUME):
            raise StackError(
                f"{self.secrets / 'database_password'} is gone, but the volume "
                f"{self.project}_{DATABASE_VOLUME} still holds a database with that password.\n"
                "Put the file back. If that database is not this checkout's, or you can do without "
                "it,\nstart another one beside it: make up "
                f"{ownership.PROJECT_VARIABLE}={self.project}-new"
            )
        self.secrets.mkdir(parents=True, exist_ok=True)
        self.secrets.chmod(0o700)
        for name in missing:
            (self.secrets / name).write_text(generated[name], encoding="utf-8")
        metrics_tokens.make(self.secrets, mode=0o644)
        operators.make(self.secrets, mode=0o644)
        for file in self.secrets.iterdir():
            if file.is_file():
                file.chmod(0o644)

    @property
    def alertmanager_config(self) -> Path:
        """The file that Alertmanager should run with."""
        return self.secrets / "alertmanager" / alertmanager.CONFIG

    def _write_alertmanager(self) -> None:
        """Write what Alertmanager's container mounts; behind the secrets' folder, so as open."""
        folder = self.secrets / "alertmanager"
        alertmanager.write(folder, self.secrets, WEBHOOK_URL)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)

    def _has_volume(self, volume: str) -> bool:
        labels = {"project": self.project, "volume": volume}
        filters = [f"--filter=label=com.docker.compose.{name}={labels[name]}" for name in labels]
        return bool(_output(["docker", "volume", "ls", "--quiet", *filters]))

    def _write_prometheus(self) -> None:
        content = prometheus_config.changed(self._root / "prometheus", self._environment)
        if content is None:
            return
        # The name tells contents apart, so that compose notices a change.
        name = sha256(content.encode()).hexdigest()[:12]
        config = self._state / "run" / "compose" / f"prometheus-{name}.yml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(content, encoding="utf-8")
        config.chmod(0o644)
        self._environment["PROMETHEUS_CONFIG"] = str(config)

    def _write_rules(self, *, with_grafana: bool) -> None:
        """Rules whose links lead to this stack, where the committed ones lead elsewhere."""
        targets = links.chosen(self._ports, with_grafana=with_grafana)
        if targets == COMMITTED:
            return
        # The name tells the links apart, so that compose notices a change.
        name = sha256(targets.model_dump_json().encode()).hexdigest()[:12]
        folder = self._state / "run" / "compose" / f"rules-{name}"
        write_relinked(self._root / "prometheus" / "rules", folder, targets)
        # Prometheus's container reads them as a user of its own.
        for path in (folder, *folder.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self._environment["PROMETHEUS_RULES"] = str(folder)

    def _write_for_grafana(self, *, with_loki: bool) -> None:
        """What Grafana's container mounts, with links that lead to this stack."""
        targets = links.chosen(self._ports, with_grafana=True)
        committed = self._root / "grafana"
        folder = self._state / "run" / "compose" / "grafana"
        grafana.write_dashboards(
            *(committed / "dashboards", folder / "dashboards", targets), with_loki=with_loki
        )
        # The name tells them apart: Grafana reads its data sources at its start alone.
        provisioning = folder / ("provisioning" if with_loki else "provisioning-without-loki")
        grafana.write_provisioning(committed / "provisioning", provisioning, with_loki=with_loki)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        self._environment["GRAFANA_DASHBOARDS"] = str(folder / "dashboards")
        self._environment["GRAFANA_PROVISIONING"] = str(provisioning)

    def _pull(self, services: Mapping[str, Any]) -> None:
        foreign = [name for name, service in services.items() if "build" not in service]
        self._compose(
            *("pull", "--policy", "missing", *foreign),
            failure="an image can't be pulled, see above. Check that the engine reaches the "
            "registry (`docker pull`\nof that image), or use STACK=native, which needs no image.",
        )

    def _fill_in_history(self) -> None:
        """Run what Prometheus waits for, with its progress on the terminal; it takes a while."""
        self._compose(
            *("run", "--rm", "--no-deps", "history"),
            failure="the history was not made, see above; HISTORY=off starts without it",
        )

    def _start(self, services: Mapping[str, Any]) -> None:
        wait = ["--wait", "--wait-timeout", str(HEALTHY_WITHIN_SECONDS)]
        if self._moved_from:
            # Else what mounts nothing of the checkout stays, with the old place in its labels.
            wait.append("--force-recreate")
        try:
            self._compose("up", "--detach", "--no-build", *wait, *services, failure="not healthy")
        except StackError:
            down = [status.name for status in self.status() if not status.up]
            self._compose("logs", "--tail", "15", *down, failure="their logs can't be read")
            raise StackError(
                f"not healthy: {', '.join(down)}; their last lines are above.\n"
                "`make logs COMPONENT=…` shows more; `make down` stops the rest."
            ) from None

    def _compose(self, *arguments: str, failure: str) -> None:
        """Run compose with its output on the terminal; StackError(failure) when it fails."""
        sys.stdout.flush()
        command = ["docker", "compose", *arguments]
        if subprocess.run(command, cwd=self._root, env=self._environment, check=False).returncode:
            raise StackError(failure)

    def _answer(self, *arguments: str) -> str:
        """What compose prints; StackError with its complaint when it fails."""
        done = subprocess.run(
            ["docker", "compose", *arguments],
            cwd=self._root,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )
        if done.returncode:
            raise StackError(f"docker compose {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


def _status(name: str, container: Mapping[str, Any] | None) -> ComponentStatus:
    if container is None:
        return ComponentStatus(name, False, None, None, "not started")
    state = container["State"]
    if state["Status"] != "running":
        detail = f"{state['Status']}, exit code {state['ExitCode']}"
        return ComponentStatus(name, False, None, None, detail)
    url, problem = None, None
    if name in PROBES:
        port, path = PROBES[name]
        binding, *_ = container["NetworkSettings"]["Ports"][f"{port}/tcp"]
        url = f"http://127.0.0.1:{binding['HostPort']}"
        problem = probe(Probe(url, path))
    # Images without a shell have no health check.
    health = state.get("Health", {}).get("Status", "healthy")
    if problem is None and health != "healthy":
        problem = f"its health check says {health}"
    since = datetime.fromisoformat(state["StartedAt"])
    return ComponentStatus(name, problem is None, url, since, problem or "")


def _label(container: Mapping[str, Any], name: str) -> str:
    return str(container["Config"]["Labels"][f"com.docker.compose.{name}"])


def _require_compose() -> None:
    """Raise StackError saying which part of Docker is missing."""
    if shutil.which("docker") is None:
        raise StackError(
            "docker is not installed. Install a Docker engine and compose v2, or use STACK=native."
        )
    if not engine_answers():
        raise StackError(
            "no Docker engine answers: start it, or get the right to use it (`docker version` says "
            "which),\nor use STACK=native."
        )
    if compose_version() < OLDEST_COMPOSE:
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        raise StackError(
            f"the Docker engine answers, but `docker compose` {oldest} or newer is missing.\n"
            "Install docker-compose-plugin (Docker's package) or docker-compose (Debian 13's), "
            "or use STACK=native."
        )


def _output(command: Sequence[str]) -> str | None:
    """What ``command`` prints; None when it fails or hangs."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=CLIENT_SECONDS,
            check=False,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None
