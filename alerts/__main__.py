"""Generates the Prometheus rules from the signals, and checks rules, configurations, runbooks."""

import argparse
import sys
from collections.abc import Callable

from alerts import backfill_command, check, generated, paths, replay_command
from alerts.mutation import survivors
from alerts.rules import rule_files
from app.core.config import SettingsError, load_settings
from stack.toolchain import ToolMissing

Command = Callable[[argparse.Namespace], int]


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("generate", _generate, "write prometheus/rules")
    add("check", _check, "drift, metrics, meaning, form, runbooks, promtool, amtool")
    add("mutate", _mutate, "break each rule a little, list what no rule test notices")
    replay_command.add_arguments(add("replay", replay_command.run, "would this have fired?"))
    backfill_command.add_arguments(
        add("backfill", backfill_command.run, "the recording rules over the past")
    )
    arguments = parser.parse_args()
    run: Command = arguments.run
    try:
        return run(arguments)
    except (SettingsError, ToolMissing, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _generate(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    files = rule_files(settings.thresholds, settings.links)
    generated.write(paths.RULES, files)
    print(f"{paths.in_checkout(str(paths.RULES))}: {', '.join(sorted(files))}")
    return 0


def _check(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    failed = 0
    for step in check.steps(settings.thresholds, settings.links):
        problems = step.problems()
        failed += len(problems)
        print(f"{step.name}: {'ok' if not problems else f'{len(problems)} wrong'}", flush=True)
        for problem in problems:
            print(f"  {paths.in_checkout(problem)}", file=sys.stderr)
    return 1 if failed else 0


def _mutate(_arguments: argparse.Namespace) -> int:
    def progress(done: int, every: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {every} mutants", end="", file=sys.stderr, flush=True)

    alive = survivors(paths.RULES, paths.RULE_TESTS, progress)
    if sys.stderr.isatty():
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
    for mutant in alive:
        print(mutant)
    print(f"{len(alive)} mutants that no rule test kills", file=sys.stderr)
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
