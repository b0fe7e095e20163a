"""The stack as plain processes under supervisord."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe

import yaml

from alerts.links import COMMITTED, write_relinked
from alerts.notifications.settings import NotificationSettings
from app.core.config import Settings
from prometheus_tools.toolchain import Tool, ToolMissing, locate
from prometheus_tools.toolchain.packages import LOCAL_TEMPLATES, default_templates
from simulator.settings import Settings as SimulatorSettings
from stack import (
    alertmanager,
    grafana,
    links,
    log_view,
    metrics_tokens,
    node_exporter,
    operators,
    ownership,
    processes,
    prometheus_config,
    runbook_pages,
    scrape_interval,
)
from stack.backend import ComponentStatus, Lines, StackError
from stack.health import Probe, probe
from stack.history import due
from stack.log_view import LogFilter, Sources
from stack.ports import OFFSET, asked_ports, read_ports
from stack.supervisor import Program, Supervisor
from stack.taken_ports import refuse_taken_ports

DEFAULTS = {
    "APP_WORKERS": "1",
    "TRAFFIC_PER_MINUTE": "60",
    grafana.VARIABLE: "yes",
}
GRAFANA_PORT = "GRAFANA_PORT"
HEALTHY_WITHIN_SECONDS = 120
STOPPED_WITHIN_SECONDS = 45
LOOPBACK = "127.0.0.1,localhost"
RETENTION = "60d"
LAST_LINES = 30
"""Lines of each component that the logs begin with."""


def _refuse_bad_values(variables: Mapping[str, str]) -> None:
    """Raise StackError for what no stack takes, whether one runs or not."""
    grafana.is_wanted(variables)
    workers = variables.get("APP_WORKERS") or "1"
    if not workers.isdecimal() or int(workers) < 1:
        raise StackError(f"APP_WORKERS={workers}: use a whole number from 1 on")
    traffic = variables.get("TRAFFIC_PER_MINUTE") or "60"
    try:
        is_usable = 0 <= float(traffic) < float("inf")
    except ValueError:
        is_usable = False
    if not is_usable:
        raise StackError(f"TRAFFIC_PER_MINUTE={traffic}: use a number from 0 on")


def _refuse_unknown_settings() -> None:
    """Raise StackError for variables that set nothing, in a component that may run already."""
    components = (Settings, SimulatorSettings, NotificationSettings)
    if unknown := [line for settings in components for line in settings.unknown()]:
        raise StackError("\n".join(unknown))


class NativeBackend:
    """Runs the checkout ``root``, with everything that changes below ``state``.

    ``variables`` are those of the stack (ports, workers, traffic). A running stack keeps the ones
    that it was started with; whether there is a history matters at the first start only.
    """

    def __init__(self, root: Path, state: Path, variables: Mapping[str, str]) -> None:
        self._root = root
        self._state = state
        self._run = state / "run"
        self._chosen = self._run / "variables.json"
        self._supervisor = Supervisor(state)
        self._with_history = due.is_wanted(variables)
        self._history: subprocess.Popen[str] | None = None
        self._asked_for = {
            **{name: v for name, v in variables.items() if name not in (due.VARIABLE, OFFSET)},
            **_texts(asked_ports(variables)),
        }
        _refuse_bad_values(variables)
        self._variables = DEFAULTS | _texts(read_ports(variables)) | self._asked_for
        self._earlier = ownership.moved_from(state)
        if self.is_running():
            self._variables = json.loads(self._chosen.read_text(encoding="utf-8"))
        self.ports = read_ports(self._variables)
        self._with_grafana = grafana.is_wanted(self._variables)

    def is_running(self) -> bool:
        """Whether the stack was started and not stopped since."""
        return self._chosen.exists() and self._supervisor.answers()

    def up(self) -> None:
        """Start what does not run yet and wait until all of it is healthy."""
        _refuse_unknown_settings()
        prometheus_config.check(self._asked_for)
        if self.is_running() and not self._earlier:
            self._refuse_changes()
            print("running already")
            self._write_alertmanager()
            if self._supervisor.states()["alertmanager"].running:
                alertmanager.reload(self._probe("alertmanager").url)
            self._add_grafana()
        else:
            self._start_supervisor()
        began = time.monotonic()
        states = self._supervisor.states()
        for program in (p for p in STARTING_ORDER if p in states):
            if program == "prometheus":
                self._wait_for_history()
            if not states[program].running:
                self._supervisor.start(program)
            self._wait_until_healthy(program)
        print(f"all up after {time.monotonic() - began:.0f} s")

    def down(self) -> None:
        """Stop everything, by force where asking is not enough."""
        print("stopping", flush=True)
        self._stop_everything()
        self._chosen.unlink(missing_ok=True)

    def status(self) -> list[ComponentStatus]:
        """Each component: whether its process runs and answers."""
        states = self._supervisor.states()
        found = []
        for name in STARTING_ORDER:
            if name == "grafana" and name not in states:
                continue
            state = states.get(name)
            target = self._probe(name)
            if state is None or not state.running:
                detail = state.description if state else "not started"
                found.append(ComponentStatus(name, False, target.url, None, detail))
                continue
            problem = probe(target)
            since = datetime.fromtimestamp(state.started, UTC)
            found.append(ComponentStatus(name, problem is None, target.url, since, problem or ""))
        return found

    def last_lines(self, components: Sequence[str], wanted: LogFilter) -> Lines:
        """The last lines of the components' log files, by their time."""
        return log_view.last_lines(self._log_sources(components), wanted, LAST_LINES)

    def lines(self, components: Sequence[str], wanted: LogFilter) -> Lines:
        """The last lines, and then those that are written."""
        sources = self._log_sources(components)
        sizes = log_view.file_sizes(sources)
        yield from log_view.last_lines(sources, wanted, LAST_LINES, sizes)
        yield from log_view.new_lines(sources, wanted, sizes)

    def query_logs(self, arguments: Sequence[str]) -> int:
        """Run the log query tool on this state's files."""
        environment = {
            **os.environ,
            "ORCHESTRATOR_LOGS__FOLDER": str(self._logs),
            "ORCHESTRATOR_SECRETS_DIR": str(self.secrets),
        }
        command = [sys.executable, "-m", "app.logs", *arguments]
        return subprocess.run(command, cwd=self._root, env=environment, check=False).returncode

    def _log_sources(self, components: Sequence[str]) -> Sources:
        """The log files of ``components``, or of all. Raises StackError."""

        def sources() -> dict[Path, str]:
            # A component's standard output, and the files that those of ours write themselves.
            files = [*self._logs.glob("*.log"), *self._logs.glob("*.jsonl")]
            owned = {file: _component_of(file) for file in sorted(files)}
            return {f: name for f, name in owned.items() if not components or name in components}

        known = sorted({_component_of(file) for file in self._logs.glob("*.log")})
        if unknown := set(components) - set(known):
            raise StackError(
                f"no log of {', '.join(sorted(unknown))}; there are {', '.join(known) or 'none'}"
            )
        if not known:
            raise StackError("nothing has been logged yet; `make up` starts the stack")
        return sources

    @property
    def _logs(self) -> Path:
        return self._state / "logs"

    @property
    def notes(self) -> list[str]:
        """What the user should know beside the status."""
        notified = alertmanager.note(self.secrets)
        if "grafana" in self._supervisor.states():
            return [f"Grafana: user admin, password in {self._grafana_password}", notified]
        return [
            "without Grafana: import grafana/dashboards/*.json into yours, or draw them with "
            "make preview",
            notified,
        ]

    @property
    def secrets(self) -> Path:
        """The folder of the generated secrets."""
        return self._state / "secrets"

    @property
    def alertmanager_config(self) -> Path:
        """The file that Alertmanager should run with."""
        return self._run / "alertmanager" / alertmanager.CONFIG

    @property
    def _grafana_password(self) -> Path:
        return self.secrets / "grafana_admin_password"

    def _stop_everything(self) -> None:
        """Also what was started before this state was moved here."""
        self._supervisor.stop(STOPPED_WITHIN_SECONDS)
        processes.stop_all(self._state, *([self._earlier] if self._earlier else []))

    def _refuse_changes(self) -> None:
        running = self._variables
        changed = [
            f"{name} is {running.get(name, 'not set')}, not {value}"
            for name, value in self._asked_for.items()
            if running.get(name) != value
        ]
        if changed:
            raise StackError(
                f"the stack runs already: {'; '.join(changed)}. To change that: make down"
            )

    def _start_supervisor(self) -> None:
        # A supervisor that was killed leaves its components behind, and they hold the ports.
        self._stop_everything()
        refuse_taken_ports({k: v for k, v in self.ports.items() if k != GRAFANA_PORT})
        tools = _tools()
        programs = self._programs(tools)
        if server := self._grafana_server():
            programs.append(server)
        for folder in ("logs", "run", *(f"data/{program.name}" for program in programs)):
            (self._state / folder).mkdir(parents=True, exist_ok=True)
        ownership.settle(self._root, self._state)
        self._write_secrets()
        self._write_prometheus(with_grafana=server is not None)
        shutil.rmtree(self._run / "alertmanager", ignore_errors=True)
        self._write_alertmanager()
        if templates := default_templates(tools["alertmanager"]):
            (self._run / "alertmanager" / LOCAL_TEMPLATES).symlink_to(templates.resolve())
        self._begin_history()
        self._chosen.write_text(json.dumps(self._variables), encoding="utf-8")
        self._supervisor.launch(programs, self._environment())

    def _grafana_server(self) -> Program | None:
        """Grafana, unless it is not wanted or can't be had."""
        if not self._with_grafana or (tool := grafana.find(_show)) is None:
            return None
        # Its port is needed only where it is.
        refuse_taken_ports({GRAFANA_PORT: self.ports[GRAFANA_PORT]})
        _show(str(tool))
        # It looks for its plugins in there, and logs an error where there is no such folder.
        (self._state / "data" / "grafana" / "plugins").mkdir(parents=True, exist_ok=True)
        return Program("grafana", grafana.command(tool.path), self._run)

    def _add_grafana(self) -> None:
        """Let a running stack have the Grafana that was not there when it was started."""
        if "grafana" in self._supervisor.states() or (server := self._grafana_server()) is None:
            return
        self._supervisor.add(server)
        # The links in alerts lead to it from now on.
        self._write_linked(with_grafana=True)
        self._supervisor.reload("prometheus")

    def _wait_until_healthy(self, program: str) -> None:
        target, began = self._probe(program), time.monotonic()
        print(f"  {program:<14}", end="", flush=True)
        problem = probe(target)
        while problem is not None:
            if time.monotonic() - began > HEALTHY_WITHIN_SECONDS or self._supervisor.gave_up(
                program
            ):
                print("does not come up")
                log = self._state / "logs" / f"{program}.log"
                last = (
                    log.read_text(errors="replace", encoding="utf-8").splitlines()[-10:]
                    if log.exists()
                    else []
                )
                raise StackError(
                    f"{program} does not answer at {target.url}: {problem}\n"
                    + "\n".join(f"  {line}" for line in last)
                    + f"\n`make logs COMPONENT={program}` shows more. {self._way_out(program)}"
                )
            time.sleep(0.1)
            problem = probe(target)
        print(f"{target.url:<28} {time.monotonic() - began:4.1f} s")

    def _way_out(self, program: str) -> str:
        """What to do about a component that does not come up."""
        if self._supervisor.states()[program].running:
            return (
                f"The process of {program} runs, but hangs. `make up` does nothing to a process "
                "that runs: `make down` and then `make up` starts it again."
            )
        return "`make down` stops the rest."

    def _probe(self, program: str) -> Probe:
        paths = {
            "app": ("APP_PORT", "/health"),
            "simulator": ("RECEIVER_PORT", "/health"),
            "alertmanager": ("ALERTMANAGER_PORT", "/-/ready"),
            "prometheus": ("PROMETHEUS_PORT", "/-/ready"),
            "node-exporter": ("NODE_EXPORTER_PORT", "/"),
            "grafana": (GRAFANA_PORT, "/api/health"),
        }
        variable, path = paths[program]
        return Probe(f"http://127.0.0.1:{self.ports[variable]}", path)

    def _programs(self, tools: Mapping[str, Tool]) -> list[Program]:
        data = self._state / "data"
        port = {name: f"127.0.0.1:{number}" for name, number in self.ports.items()}
        return [
            # In the order of stopping: callers first, and the app before its upstreams.
            Program(
                "prometheus",
                [
                    str(tools["prometheus"].path),
                    f"--config.file={self._run / 'prometheus' / 'prometheus.yml'}",
                    f"--storage.tsdb.path={data / 'prometheus'}",
                    f"--storage.tsdb.retention.time={RETENTION}",
                    f"--web.listen-address={port['PROMETHEUS_PORT']}",
                    f"--web.external-url=http://{port['PROMETHEUS_PORT']}",
                    "--enable-feature=exemplar-storage",
                ],
                self._run / "prometheus",
            ),
            Program(
                "alertmanager",
                [
                    str(tools["alertmanager"].path),
                    "--config.file=alertmanager.yml",
                    f"--storage.path={data / 'alertmanager'}",
                    f"--web.listen-address={port['ALERTMANAGER_PORT']}",
                    f"--web.external-url=http://{port['ALERTMANAGER_PORT']}",
                    "--cluster.listen-address=",
                ],
                # Its configuration names secrets relative to the working directory.
                self._run / "alertmanager",
            ),
            Program("app", [sys.executable, "-m", "app"], self._root),
            Program("simulator", [sys.executable, "-m", "simulator"], self._root),
            Program(
                "node-exporter",
                [
                    *node_exporter.command(tools["node_exporter"].path, self._root / "prometheus"),
                    f"--web.listen-address={port['NODE_EXPORTER_PORT']}",
                ],
                self._run,
            ),
        ]

    def _environment(self) -> dict[str, str]:
        url = {name: f"http://127.0.0.1:{number}" for name, number in self.ports.items()}
        # Components talk to each other, which no proxy of this machine's environment is for.
        excepted = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        directly = f"{excepted},{LOOPBACK}" if excepted else LOOPBACK
        runbooks = self._root / "alerts" / "runbooks"
        return {
            "SIMULATOR_RUNBOOKS_DIR": str(
                runbook_pages.shown(runbooks, self._run / "runbooks", self.ports)
            ),
            **os.environ,
            "NO_PROXY": directly,
            "no_proxy": directly,
            "PYTHONUNBUFFERED": "1",
            "PYTHONUTF8": "1",
            "ORCHESTRATOR_PORT": str(self.ports["APP_PORT"]),
            "ORCHESTRATOR_WORKERS": self._variables["APP_WORKERS"],
            "ORCHESTRATOR_DATABASE_URL": f"sqlite:///{self._state}/data/app/orchestrator.db",
            "ORCHESTRATOR_COLLECTIONS_MONITOR_URL": url["COLLECTIONS_MONITOR_PORT"],
            "ORCHESTRATOR_SMS_AGENT_URL": url["SMS_AGENT_PORT"],
            "ORCHESTRATOR_NOTIFICATION_SERVICE_URL": url["NOTIFICATION_SERVICE_PORT"],
            "ORCHESTRATOR_AI_PROVIDER_URL": url["AI_PROVIDER_PORT"],
            **{
                f"SIMULATOR_{name}": str(self.ports[name])
                for name in (
                    "COLLECTIONS_MONITOR_PORT",
                    "SMS_AGENT_PORT",
                    "NOTIFICATION_SERVICE_PORT",
                    "AI_PROVIDER_PORT",
                    "RECEIVER_PORT",
                )
            },
            "ORCHESTRATOR_METRICS_ACCESS__TOKENS_FILE": str(metrics_tokens.all_in(self.secrets)),
            "ORCHESTRATOR_METRICS_ACCESS__OPEN_ON_LOOPBACK": "true",
            "ORCHESTRATOR_LOGS__FOLDER": str(self._logs),
            "ORCHESTRATOR_LOGS__TOKENS_FILE": str(operators.tokens_in(self.secrets)),
            "ORCHESTRATOR_LOG_FORMAT": "off",
            "ORCHESTRATOR_SECRETS_DIR": str(self.secrets),
            "SIMULATOR_LOG_FOLDER": str(self._logs),
            "SIMULATOR_LOG_FORMAT": "off",
            "SIMULATOR_APP_URL": url["APP_PORT"],
            "SIMULATOR_APP_TOKEN_FILE": str(metrics_tokens.of(self.secrets, "simulator")),
            "SIMULATOR_TRAFFIC_PER_MINUTE": self._variables["TRAFFIC_PER_MINUTE"],
            "SIMULATOR_DATA_DIR": str(self._state / "data" / "simulator"),
            # The provisioned data source takes it.
            "PROMETHEUS_SCRAPE_INTERVAL": scrape_interval.chosen(self._variables),
            **grafana.environment(
                self._run / "provisioning",
                self._run / "dashboards",
                self._state / "data" / "grafana",
                password=self._grafana_password,
                port=self.ports[GRAFANA_PORT],
                prometheus_url=url["PROMETHEUS_PORT"],
            ),
        }

    def _write_secrets(self) -> None:
        password = self._grafana_password
        self.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not password.exists():
            password.touch(mode=0o600)
            password.write_text(token_urlsafe(16), encoding="utf-8")
        metrics_tokens.make(self.secrets, mode=0o600)
        operators.make(self.secrets, mode=0o600)

    def _write_prometheus(self, *, with_grafana: bool) -> None:
        """The committed configuration by links; only addresses are written here."""
        folder = self._run / "prometheus"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "targets").mkdir(parents=True)
        committed = self._root / "prometheus"
        self._write_linked(with_grafana=with_grafana)
        (folder / "secrets").mkdir()
        token = metrics_tokens.of(self.secrets, "prometheus")
        (folder / "secrets" / "orchestrator_token").symlink_to(token)
        config = folder / prometheus_config.FILE
        if text := prometheus_config.changed(committed, self._variables):
            config.write_text(text, encoding="utf-8")
        else:
            config.symlink_to(committed / prometheus_config.FILE)
        variables = {
            "orchestrator": "APP_PORT",
            "prometheus": "PROMETHEUS_PORT",
            "alertmanager": "ALERTMANAGER_PORT",
            "node": "NODE_EXPORTER_PORT",
        }
        for job, variable in variables.items():
            target = [{"targets": [f"127.0.0.1:{self.ports[variable]}"]}]
            (folder / "targets" / f"{job}.yml").write_text(yaml.safe_dump(target), encoding="utf-8")

    def _write_linked(self, *, with_grafana: bool) -> None:
        """What links to this stack: rules and dashboards.

        The folder of targets stays as it is: a Prometheus that runs would lose sight of it.
        """
        rules = self._run / "prometheus" / "rules"
        targets = links.chosen(self.ports, with_grafana=with_grafana)
        if rules.is_symlink():
            rules.unlink()
        if targets == COMMITTED:
            shutil.rmtree(rules, ignore_errors=True)
            rules.symlink_to(self._root / "prometheus" / "rules")
        else:
            write_relinked(self._root / "prometheus" / "rules", rules, targets)
        # Loki comes with compose; here the log files are read by `make trace`.
        committed = self._root / "grafana"
        grafana.write_dashboards(
            *(committed / "dashboards", self._run / "dashboards", targets), with_loki=False
        )
        grafana.write_provisioning(
            committed / "provisioning", self._run / "provisioning", with_loki=False
        )

    def _begin_history(self) -> None:
        """Let a Prometheus that has never run get its history, while the others start."""
        data = self._state / "data" / "prometheus"
        if self._with_history and due.is_due(data):
            targets = self._run / "prometheus" / "targets"
            command = due.command(data, self._variables["TRAFFIC_PER_MINUTE"], targets)
            # Marked, so that a process which outlives a killed `up` is found by the next one.
            environment = {**os.environ, processes.MARK: str(self._state)}
            # What it says comes later, when the others have said theirs.
            self._history = subprocess.Popen(
                command,
                cwd=self._root,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
            )

    def _wait_for_history(self) -> None:
        """Show what making the history says, until it is made; it says itself why it can't."""
        if self._history:
            with self._history as history:
                assert history.stdout
                # Character by character: a part that is being made has no end of line yet.
                while text := history.stdout.read(1):
                    print(text, end="", flush=True)
            self._history = None

    def _write_alertmanager(self) -> None:
        receiver_url = f"http://127.0.0.1:{self.ports['RECEIVER_PORT']}/alerts"
        alertmanager.write(self._run / "alertmanager", self.secrets, receiver_url)


def _texts(ports: Mapping[str, int]) -> dict[str, str]:
    return {name: str(number) for name, number in ports.items()}


def _component_of(file: Path) -> str:
    """Whose log ``file`` is: app.log and orchestrator-4711.jsonl are both the app's."""
    name = file.stem if file.suffix == ".log" else file.stem.partition("-")[0]
    return {"orchestrator": "app"}.get(name, name)


STARTING_ORDER = ("app", "simulator", "alertmanager", "prometheus", "node-exporter", "grafana")
"""The app first: the simulator's tenants text it as soon as they are there."""


def _tools() -> dict[str, Tool]:
    tools = {}
    for name in ("prometheus", "alertmanager", "node_exporter"):
        try:
            tools[name] = locate(name)
        except ToolMissing as error:
            raise StackError(str(error)) from None
        _show(str(tools[name]))
    return tools


def _show(line: str) -> None:
    print(f"  {line}", flush=True)
