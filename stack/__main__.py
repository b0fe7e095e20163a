"""The local stack: everything from the orchestrator to the webhook receiver."""

import argparse
import errno
import functools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from app.core.environment import without_service_addresses
from asgi_observability.command import exit_code
from asgi_observability.levels import level_name
from asgi_observability.utf8 import begin_in_utf8
from prometheus_tools.toolchain import FLOOR, TOOLS, Tool, ToolMissing, locate, locate_floor
from stack import (
    compose,
    grafana,
    metrics_tokens,
    operators,
    ownership,
    processes,
    simulation,
    trouble,
)
from stack.backend import Backend, ComponentStatus, StackError
from stack.compose import ComposeBackend
from stack.log_view import LEVELS, LogFilter, shown
from stack.native import NativeBackend
from stack.settings import SETTINGS, WAYS, given

ROOT = Path(__file__).resolve().parents[1]
_WITH_OPTIONS_OF_THEIR_OWN = ("preview", "replay", "capacity")
ELSEWHERE = "STACK_STATE_DIR and STACK_TOOLS_DIR name other folders for the stack's state and tools"


def main() -> int:
    """The command line; returns the exit code."""
    parser = _parser()
    arguments, options = parser.parse_known_args()
    if options and arguments.command not in _WITH_OPTIONS_OF_THEIR_OWN:
        parser.error(f"unrecognized arguments: {' '.join(options)}")
    arguments.options = options
    try:
        return exit_code(lambda: int(_run(arguments)))
    except (StackError, ToolMissing) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if not error.filename:
            raise
        print(_explained(error), file=sys.stderr)
        return 1


def _explained(error: OSError) -> str:
    """What the machine refuses, and the way out."""
    remedy = {
        errno.EACCES: ELSEWHERE,
        errno.EPERM: ELSEWHERE,
        errno.EROFS: ELSEWHERE,
        errno.ENOSPC: "free some space there",
        errno.EDQUOT: "free some space there",
        errno.EMFILE: "raise the limit of open files: ulimit -n 1024",
    }.get(error.errno or 0)
    return f"{error.filename}: {error.strerror}" + (f"; {remedy}" if remedy else "")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line: make takes none of the options that a usage would list."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, re.sub(r"^argument (-\S+: )?", "", message) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m stack",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="variables:\n"
        + "\n".join(f"  {name:<26} {text}" for name, text in (WAYS | SETTINGS).items()),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser(
        "up", help="start everything, wait until it is healthy, print the addresses"
    )
    commands.add_parser("down", help="stop everything; data stays")
    commands.add_parser("status", help="show for each component: does it work, where, since when")
    logs = commands.add_parser("logs", help="the last lines of the logs")
    logs.add_argument("component", nargs="*", help="default: all")
    logs.add_argument(
        "-f", "--follow", action="store_true", help="follow: print new lines as they are written"
    )
    logs.add_argument("--level", type=_shown_level, help="this level and higher ones")
    logs.add_argument("--text", help="only lines that contain this, such as an ID")
    trace = commands.add_parser("trace", help="what happened under one ID, on a time line")
    trace.add_argument("id", help="correlation, request, trace or workflow ID")
    level = commands.add_parser("log-level", help="change the level of a logger for a while")
    level.add_argument(
        "logger", nargs="?", help="such as app.clients; without a name: list the levels"
    )
    level.add_argument("level", nargs="?", type=level_name, choices=(*LEVELS[:4], "reset"))
    level.add_argument("--seconds", type=float, default=3600, help="for how long (3600)")
    fault = commands.add_parser("fault", help="switch a fault of the simulator on, or all off")
    fault.add_argument(
        "name",
        nargs="?",
        help="name of the fault; 'none' switches all off; without a name: list them",
    )
    send = commands.add_parser("send", help="send one SMS through the whole workflow")
    send.add_argument("text", help="what the tenant writes")
    commands.add_parser("metrics", help="the orchestrator's exact counts, as JSON")
    # These are described where they are: their options are read there, --help included.
    commands.add_parser(
        "preview", help="draw each dashboard as a picture, from the running stack", add_help=False
    )
    commands.add_parser(
        "replay", help="when alerts would have fired in the running stack", add_help=False
    )
    commands.add_parser(
        "capacity", help="what all of it needs at a size, and where it breaks first", add_help=False
    )
    tools = commands.add_parser(
        "tools", help="find or install Prometheus, Alertmanager and their tools; print where"
    )
    tools.add_argument("--for-tests", action="store_true", help="also the oldest that must work")
    return parser


def _shown_level(text: str) -> str:
    level = level_name(text)
    if level not in LEVELS:
        raise argparse.ArgumentTypeError(f"LEVEL={text}: use one of {', '.join(LEVELS)}")
    return level


def _run(arguments: argparse.Namespace) -> int:
    match arguments.command:
        case "tools":
            _print_tools(TOOLS, locate)
            if arguments.for_tests:
                _print_tools(FLOOR, locate_floor)
            return 0
        case "up":
            return _up()
        case "down":
            for backend in _running_backends():
                backend.down()
            print("stopped")
            return 0
        case "status":
            return _status(_backend())
        case "logs":
            return _logs(arguments)
        case "trace":
            return _trace(arguments.id)
        case "log-level":
            return _log_level(arguments)
        case "fault":
            return _fault(_url(_backend(), "simulator"), arguments.name)
        case "preview":
            return _preview(arguments.options)
        case "replay":
            return _replay(arguments.options)
        case "capacity":
            return _capacity(arguments.options)
        case "metrics":
            backend = _backend()
            print(simulation.metrics(_url(backend, "app"), _peoples_token(backend)))
            return 0
        case _:
            return _send(_backend(), arguments.text)


def _backend() -> Backend:
    """The way to run the stack that was asked for, that is in use, or that fits this machine."""
    chosen = os.environ.get("STACK")
    if chosen not in (None, "", "native", "compose"):
        raise StackError(f"STACK={chosen}: use native or compose")
    native = _native()
    if chosen == "native" or (not chosen and (native.is_running() or not compose.available())):
        return native
    return _compose()


def _running_backends() -> list[Backend]:
    """What there is to stop: both ways, unless one was asked for."""
    if os.environ.get("STACK"):
        return [_backend()]
    native = _native()
    if not compose.available():
        return [native]
    composed = _compose()
    return [native, composed] if composed.has_containers() else [native]


def _native() -> NativeBackend:
    return NativeBackend(ROOT, _state(), given(without_service_addresses(os.environ)))


def _compose() -> ComposeBackend:
    variables = given(without_service_addresses(os.environ))
    without = os.environ.get("STACK_WITHOUT", "").split()
    if not grafana.is_wanted(variables):
        without.append("grafana")
    return ComposeBackend(ROOT, _state(), variables, without)


@functools.cache
def _state() -> Path:
    """The state folder. Raises StackError when it is somebody else's."""
    state = Path(os.environ.get("STACK_STATE_DIR") or ROOT / ".state").resolve()
    ownership.check(ROOT, state)
    earlier = ownership.moved_from(state)
    if earlier and processes.any_of(earlier):
        print(
            f"this stack was started in {earlier} and was moved to {state} while it ran;\n"
            "`make up` stops what still runs from there and starts it here; `make down` stops it",
            file=sys.stderr,
        )
    return state


def _up() -> int:
    backend = _backend()
    backend.up()
    print()
    _print(backend.status())
    print("\n".join(backend.notes))
    print('\nTry: make send TEXT="can I pay 200 a week for 8 weeks?"   make fault NAME=ai_errors')
    return 0


def _status(backend: Backend) -> int:
    """0 only where every component is up and none is known to fail at its work."""
    statuses = backend.status()
    if not any(status.up for status in statuses):
        _print(statuses)
        return 1
    token = _peoples_token(backend)
    troubles = trouble.troubles(statuses, token, backend.alertmanager_config)
    _print(statuses, troubles)
    print("\n".join([*trouble.alerts(statuses), *backend.notes]))
    return 0 if all(status.up for status in statuses) and not troubles else 1


def _print(
    statuses: Sequence[ComponentStatus], troubles: Mapping[str, Sequence[str]] | None = None
) -> None:
    print(f"{'component':<14} {'':<8} {'url':<24} {'since'}")
    for status in statuses:
        since = f"{status.since.astimezone():%Y-%m-%d %H:%M:%S}" if status.since else "-"
        its = (troubles or {}).get(status.name, ())
        word = "DOWN" if not status.up else "DEGRADED" if its else "up"
        detail = f"  {status.detail}" if status.detail and not status.up else ""
        print(f"{status.name:<14} {word:<8} {status.url or '-':<24} {since}{detail}")
        for text in its:
            print(f"{'':<14} {text}")


def _url(backend: Backend, component: str) -> str:
    for status in backend.status():
        if status.name == component and status.url and status.since:
            return status.url
    raise StackError(f"{component} is not running; start the stack with `make up`")


def _fault(receiver_url: str, name: str | None) -> int:
    if name:
        simulation.switch_fault(receiver_url, name)
    print(simulation.fault_table(receiver_url))
    print(f"notifications: {receiver_url}")
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    backend = _backend()
    wanted = LogFilter(arguments.level, arguments.text)
    lines = (backend.lines if arguments.follow else backend.last_lines)(arguments.component, wanted)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for line in shown(lines, width):
        print(line, flush=True)
    return 0


def _trace(identifier: str) -> int:
    code = _backend().query_logs(["trace", identifier])
    if code:
        print(
            "`make send` prints the ID of its message; it can be traced as long as logs are kept",
            file=sys.stderr,
        )
    return code


def _log_level(arguments: argparse.Namespace) -> int:
    backend = _backend()
    token = operators.token_of(backend.secrets).read_text(encoding="utf-8")
    for line in simulation.log_level(
        _url(backend, "app"), token, arguments.logger, arguments.level, arguments.seconds
    ):
        print(line)
    return 0


def _peoples_token(backend: Backend) -> str:
    return metrics_tokens.of(backend.secrets, "people").read_text(encoding="utf-8").strip()


def _send(backend: Backend, text: str) -> int:
    for line in simulation.send_sms(_url(backend, "app"), _peoples_token(backend), text):
        print(line, flush=True)
    return 0


def _preview(options: Sequence[str]) -> int:
    # Only this command needs what draws.
    from dashboards.preview import command

    parser = _Parser(prog="make preview")
    command.add_arguments(parser)
    return _asking_prometheus(parser, command.run, options)


def _replay(options: Sequence[str]) -> int:
    # Only this command needs to know the rules: to read them takes as long as all else.
    from alerts import replay_command

    parser = _Parser(prog="make replay")
    replay_command.add_arguments(parser)
    return _asking_prometheus(parser, replay_command.run, options)


def _capacity(options: Sequence[str]) -> int:
    # Only this command needs to know what the service keeps in its databases.
    from stack.capacity import command as capacity

    parser = _Parser(prog="python -m stack capacity", allow_abbrev=False)
    capacity.add_arguments(parser)
    try:
        return capacity.run(parser.parse_args(options))
    except ValueError as error:
        raise StackError(str(error)) from None


def _asking_prometheus(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], int],
    options: Sequence[str],
) -> int:
    """Run a command of another folder against the Prometheus of the running stack."""
    chosen = parser.parse_args(options, argparse.Namespace(prometheus=None))
    chosen.prometheus = chosen.prometheus or _url(_backend(), "prometheus")
    try:
        return run(chosen)
    except ValueError as error:
        raise StackError(str(error)) from None


def _print_tools(names: Iterable[str], find: Callable[[str], Tool]) -> None:
    for name in names:
        tool = find(name)
        print(f"{tool}: {tool.path}")


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(main())
