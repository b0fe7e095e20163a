"""supervisord for one state folder: its configuration, its start, its answers."""

import hashlib
import http.client
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack import open_files
from stack.backend import StackError
from stack.processes import MARK

LAUNCHED_WITHIN_SECONDS = 20
ANSWERS_WITHIN_SECONDS = 10
STARTED_AFTER_SECONDS = 10
LOG_BYTES = 10 * 1024 * 1024
STOP_SECONDS = 35
"""The app finishes the requests under way, for 30 s at most."""

_UNIX_PATH_LIMIT = 100
_SOCKET = "STACK_SOCKET"
"""Environment variable of supervisord: the path of its socket."""


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep running."""

    name: str
    command: Sequence[str]
    folder: Path


@dataclass(frozen=True, slots=True)
class ProgramState:
    """What supervisord knows; ``started`` is Unix time."""

    running: bool
    started: int
    description: str


class Supervisor:
    """The supervisord of ``state``, whether it runs or not."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._config = state / "run" / "supervisord.conf"
        self._socket = _socket_path(state)

    def answers(self) -> bool:
        """Whether it runs, and is not about to end."""
        try:
            self._rpc.getPID()
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def launch(self, programs: Sequence[Program], environment: Mapping[str, str]) -> None:
        """Start it, with ``programs`` known but not started; it will stop them in this order."""
        if few_files := open_files.refusal():
            raise StackError(few_files)
        self._config.parent.mkdir(parents=True, exist_ok=True)
        for program in programs:
            self._write_start(program)
        self._config.write_text(_configuration(programs), encoding="utf-8")
        self._socket.unlink(missing_ok=True)
        started = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
            # What the configuration's paths are relative to.
            cwd=self._state,
            env={
                **environment,
                _SOCKET: str(self._socket),
                MARK: str(self._state),
            },
            capture_output=True,
            text=True,
            check=False,
            encoding="utf-8",
        )
        if started.returncode:
            raise StackError(f"supervisord does not start: {started.stderr.strip()}")
        deadline = time.monotonic() + LAUNCHED_WITHIN_SECONDS
        while not self.answers():
            if time.monotonic() > deadline:
                raise StackError(f"supervisord does not answer; see {self._log}")
            time.sleep(0.05)

    def _write_start(self, program: Program) -> None:
        """Write the script that becomes ``program``."""
        folder, command = shlex.quote(str(program.folder)), shlex.join(program.command)
        script = self._state / _start_script(program)
        script.write_text(f"cd {folder}\nexec {command}\n", encoding="utf-8")

    def start(self, name: str) -> None:
        """Start a program, unless it is started already."""
        try:
            self._rpc.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise StackError(f"{name} can't be started: {fault.faultString}") from None

    def stop_program(self, name: str) -> None:
        """Stop a program and wait until it has ended; it is not started again by itself."""
        self._rpc.stopProcess(name, True)

    def add(self, program: Program) -> None:
        """Let it know one more program, not started, while it runs; it will stop that one last."""
        self._write_start(program)
        with self._config.open("a", encoding="utf-8") as config:
            config.write("\n" + _text(_section(program, priority=0)))
        self._rpc.reloadConfig()
        self._rpc.addProcessGroup(program.name)

    def reload(self, name: str) -> None:
        """Let a running program read its configuration again, as SIGHUP asks it to."""
        self._rpc.signalProcess(name, "HUP")

    def gave_up(self, name: str) -> bool:
        """Whether ``name`` ended so often that it is not started again."""
        try:
            return bool(self._rpc.getProcessInfo(name)["statename"] == "FATAL")
        except (OSError, xmlrpc.client.Error):
            return not self.answers()

    def states(self) -> dict[str, ProgramState]:
        """The state of each program; empty when supervisord does not run."""
        try:
            found = self._rpc.getAllProcessInfo()
        except (OSError, xmlrpc.client.Error):
            return {}
        return {
            info["name"]: ProgramState(
                info["statename"] in ("RUNNING", "STARTING"),
                info["start"],
                ", ".join(filter(None, (info["statename"].lower(), info["description"]))),
            )
            for info in found
        }

    def stop(self, seconds: float) -> None:
        """Ask it and its programs to end, and wait up to ``seconds``."""
        try:
            self._rpc.shutdown()
        except (OSError, xmlrpc.client.Error):
            return
        deadline = time.monotonic() + seconds
        while self._is_there() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _is_there(self) -> bool:
        """Whether it has not ended: also while it stops its programs, and refuses all calls."""
        try:
            self._rpc.getPID()
        except xmlrpc.client.Fault:
            return True
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    @property
    def _rpc(self) -> Any:
        # The address is the transport's affair; the client insists on one.
        return xmlrpc.client.ServerProxy("http://localhost", _Transport(self._socket)).supervisor

    @property
    def _log(self) -> Path:
        return self._state / "logs" / "supervisord.log"


def _configuration(programs: Sequence[Program]) -> str:
    """What supervisord reads.

    It names no path of this machine: in one, `%` would be expanded and ` ;` begin a comment.
    """
    sections: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": f"%(ENV_{_SOCKET})s", "chmod": "0700"},
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        "supervisord": {
            "logfile": "logs/supervisord.log",
            "pidfile": "run/supervisord.pid",
            "childlogdir": "logs",
            "silent": "true",
            "minfds": open_files.NEEDED,
        },
    }
    for position, program in enumerate(programs):
        # The highest is stopped first.
        sections |= _section(program, priority=len(programs) - position)
    return _text(sections)


def _section(program: Program, priority: int) -> dict[str, dict[str, object]]:
    return {
        f"program:{program.name}": {
            "command": f"/bin/sh {_start_script(program)}",
            "autostart": "false",
            "autorestart": "true",
            # Python alone takes seconds; what ends within these was never up.
            "startsecs": STARTED_AFTER_SECONDS,
            "startretries": 3,
            "priority": priority,
            "stopwaitsecs": STOP_SECONDS,
            "stopasgroup": "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": f"logs/{program.name}.log",
            "stdout_logfile_maxbytes": LOG_BYTES,
            "stdout_logfile_backups": 3,
        }
    }


def _text(sections: Mapping[str, Mapping[str, object]]) -> str:
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key}={value}\n" for key, value in body.items())
        for section, body in sections.items()
    )


def _start_script(program: Program) -> str:
    return f"run/start-{program.name}.sh"


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _Connection(self._path)


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket, with a bound: a supervisord that hangs must not hang its callers."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWERS_WITHIN_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _socket_path(state: Path) -> Path:
    path = state / "run" / "supervisor.sock"
    if len(str(path)) <= _UNIX_PATH_LIMIT:
        return path
    # The kernel takes no longer ones.
    name = hashlib.sha256(str(state).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"stack-{name}.sock"
