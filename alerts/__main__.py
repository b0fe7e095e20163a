"""Generates the Prometheus rules from the signals, and checks rules, configurations, runbooks."""

import argparse
import sys

from alerts import backfill_command, check, generated, paths, replay_command
from alerts.mutation import survivors
from alerts.rules import rule_files
from app.core.config import Settings, SettingsError, load_settings
from stack.toolchain import ToolMissing


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in (
        ("generate", "write prometheus/rules"),
        ("check", "drift, metrics, meaning, runbooks, promtool, amtool"),
        ("mutate", "break each rule a little, list what no rule test notices"),
    ):
        commands.add_parser(name, help=about)
    replay_command.add_arguments(commands.add_parser("replay", help="would this have fired?"))
    backfill_command.add_arguments(
        commands.add_parser("backfill", help="the recording rules over the past")
    )
    options = parser.parse_args()
    try:
        settings = load_settings()
        match options.command:
            case "replay":
                return replay_command.run(options, settings)
            case "backfill":
                return backfill_command.run(options, settings)
            case "generate":
                return _generate(settings)
            case "mutate":
                return _mutate()
            case _:
                return _check(settings)
    except (SettingsError, ToolMissing, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _generate(settings: Settings) -> int:
    files = rule_files(settings.thresholds, settings.links)
    generated.write(paths.RULES, files)
    print(f"{paths.in_checkout(str(paths.RULES))}: {', '.join(sorted(files))}")
    return 0


def _check(settings: Settings) -> int:
    failed = 0
    for step in check.steps(settings.thresholds, settings.links):
        problems = step.problems()
        failed += len(problems)
        print(f"{step.name}: {'ok' if not problems else f'{len(problems)} wrong'}", flush=True)
        for problem in problems:
            print(f"  {paths.in_checkout(problem)}", file=sys.stderr)
    return 1 if failed else 0


def _mutate() -> int:
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
