"""Generates the Grafana dashboards, checks the committed ones, says what changed in them."""

import argparse
import sys
from collections.abc import Callable

from alerts import generated, paths
from alerts.expressions import Vocabulary
from alerts.model import records
from alerts.prometheus_config import scrape_seconds
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.config import load_settings
from dashboards.boards import dashboard_files
from dashboards.changes import command as diff
from dashboards.queries import expressions

Command = Callable[[argparse.Namespace], int]


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("generate", _generate, "write grafana/dashboards")
    add("check", _check, "drift, and queries that can't be right")
    diff.add_arguments(add("diff", diff.run, "what changed between two revisions, in words"))
    arguments = parser.parse_args()
    run: Command = arguments.run
    try:
        return run(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


def _generate(_arguments: argparse.Namespace) -> int:
    files = dashboard_files(load_settings().thresholds)
    generated.write(paths.DASHBOARDS, files)
    print(f"{paths.in_checkout(str(paths.DASHBOARDS))}: {', '.join(sorted(files))}")
    return 0


def _check(_arguments: argparse.Namespace) -> int:
    thresholds = load_settings().thresholds
    known = records(groups(thresholds))
    vocabulary, semantics = Vocabulary(known), Semantics(known, scrape_seconds())
    problems = generated.drift(paths.DASHBOARDS, dashboard_files(thresholds))
    problems += [
        f"{file}: panel {title!r}: {problem}"
        for file in sorted(paths.DASHBOARDS.glob("*.json"))
        for title, expr in expressions(file)
        for problem in vocabulary.problems(expr) or semantics.problems(expr)
    ]
    print(f"dashboards: {'ok' if not problems else f'{len(problems)} wrong'}", flush=True)
    for problem in problems:
        print(f"  {paths.in_checkout(problem)}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
