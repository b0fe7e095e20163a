"""Generates the Prometheus rules from the signals, and checks rules, configurations, runbooks."""

import argparse
import sys

from alerts import check, generated, paths
from alerts.mutation import survivors
from alerts.notifications import command as notifications
from alerts.notifications import configuration
from alerts.notifications.settings import load_settings as load_notification_settings
from alerts.rules import rule_files
from app.core.config import Settings, SettingsError, load_settings
from stack.toolchain import ToolMissing


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("generate", help="write prometheus/rules and alerts/alertmanager.yml")
    commands.add_parser("check", help="drift, metrics, meaning, runbooks, promtool, amtool")
    commands.add_parser("mutate", help="break each rule a little, list what no rule test notices")
    notifications.add_arguments(
        commands.add_parser("notifications", help="write Alertmanager's configuration for secrets")
    )
    arguments = parser.parse_args()
    try:
        settings = load_settings()
        match arguments.command:
            case "generate":
                return _generate(settings)
            case "mutate":
                return _mutate()
            case "notifications":
                return notifications.run(arguments)
            case _:
                return _check(settings)
    except (SettingsError, ToolMissing, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


def _generate(settings: Settings) -> int:
    files = rule_files(settings.thresholds, settings.links)
    generated.write(paths.RULES, files)
    print(f"{paths.in_checkout(str(paths.RULES))}: {', '.join(sorted(files))}")
    file = paths.ALERTMANAGER_CONFIG
    configuration.write(file, configuration.COMMITTED, load_notification_settings())
    print(paths.in_checkout(str(file)))
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
