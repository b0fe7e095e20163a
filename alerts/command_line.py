"""Generates the Prometheus rules from the signals. Checks rules, configurations and runbooks."""

import argparse
import errno
import sys
from collections.abc import Callable
from pathlib import Path

from alerts import (
    backfill_command,
    check,
    generated,
    mutate_command,
    paths,
    replay_command,
    runbooks,
)
from alerts.export import command as export
from alerts.findings import told
from alerts.notifications import command as notifications
from alerts.notifications import configuration, held_back
from alerts.notifications.settings import NotificationSettings
from alerts.prometheus_config import scrape_seconds
from alerts.rule_tests.files import test_files
from alerts.rules import HEADER, rule_files
from alerts.scenarios import command as scenarios
from alerts.signals import groups
from app.core.config import load_settings
from app.core.environment import SettingsError
from prometheus_tools.toolchain import ToolMissing

Command = Callable[[argparse.Namespace], int]


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add(
        "generate",
        _generate,
        "write the rules, their tests, the heads of the runbooks and alertmanager.yml",
    )
    rules = add("rules", _rules, "write the rules of one environment into a folder")
    rules.add_argument(
        "--environment", required=True, metavar="NAME", help="environment, such as staging"
    )
    rules.add_argument(
        "--output", required=True, type=Path, metavar="FOLDER", help="folder to write to"
    )
    add(
        "check",
        _check,
        "check rules, runbooks and Alertmanager's configuration, also with promtool and amtool",
    )
    mutate_command.add_arguments(
        add(
            "mutate",
            mutate_command.run,
            "change each rule a little, and list the changes that no rule test and no scenario "
            "notices",
        )
    )
    scenarios.add_arguments(
        add(
            "scenarios",
            scenarios.run,
            "tell incidents to the rules, and print who is told of them, when and how often",
        )
    )
    notifications.add_arguments(
        add(
            "notifications",
            notifications.run,
            "write Alertmanager's configuration for the secret files that exist",
        )
    )
    replay_command.add_arguments(
        add(
            "replay", replay_command.run, "print when alerts would have fired with other thresholds"
        )
    )
    backfill_command.add_arguments(
        add("backfill", backfill_command.run, "compute the recording rules for the past")
    )
    export.add_arguments(
        add("export", export.run, "write the rules for another Prometheus, Mimir or vmalert")
    )
    arguments = parser.parse_args()
    run: Command = arguments.run
    try:
        return run(arguments)
    except (SettingsError, ToolMissing, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if not error.filename:
            raise
        print(_explained(error), file=sys.stderr)
        return 1


def _explained(error: OSError) -> str:
    """The path that can't be used, and the way out."""
    remedy = {
        errno.ENOTDIR: "a part of it is a file: name another",
        errno.EEXIST: "it is a file: remove it, or name another",
        errno.EISDIR: "name a file",
        errno.ENAMETOOLONG: "name a shorter one",
        errno.ENOSPC: "free some space there",
    }.get(error.errno or 0, "name another")
    return f"{error.filename}: {error.strerror}; {remedy}"


def _generate(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    tests = test_files(settings.thresholds, settings.links, scrape_seconds())
    for folder, files in (
        (paths.RULES, rule_files(settings.thresholds, settings.links)),
        (paths.GENERATED_RULE_TESTS, tests),
    ):
        generated.write(folder, files)
        print(f"{paths.in_checkout(str(folder))}: {len(files)} files")
    runbooks.write(paths.RUNBOOKS, groups(settings.thresholds))
    file = paths.ALERTMANAGER_CONFIG
    configuration.write(file, configuration.COMMITTED, NotificationSettings.load())
    print(paths.in_checkout(str(file)))
    held_back.write()
    print(paths.in_checkout(str(paths.NOTIFYING)))
    return 0


def _rules(arguments: argparse.Namespace) -> int:
    settings = load_settings(arguments.environment)
    files = rule_files(settings.thresholds, settings.links)
    generated.write_where_nothing_else_is(arguments.output, files, HEADER)
    print(f"{arguments.output}: {len(files)} files, for {settings.environment}")
    return 0


def _check(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    failed = False
    for step in check.steps(settings.thresholds, settings.links):
        failed |= told(step.name, step.problems())
    return int(failed)
