"""Generates the Grafana dashboards, checks the committed ones, and draws them."""

import argparse
import sys

from alerts import generated, paths
from alerts.expressions import Vocabulary
from alerts.model import records
from alerts.prometheus_config import scrape_seconds
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.config import load_settings
from app.core.thresholds import Thresholds
from dashboards.boards import dashboard_files
from dashboards.preview import command as preview_command
from dashboards.queries import expressions


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("generate", help="write grafana/dashboards")
    commands.add_parser("check", help="drift, and queries that can't be right")
    preview_command.add_arguments(
        commands.add_parser("preview", help="each dashboard as a picture, without Grafana")
    )
    options = parser.parse_args()
    try:
        if options.command == "preview":
            return preview_command.run(options)
        thresholds = load_settings().thresholds
        return _generate(thresholds) if options.command == "generate" else _check(thresholds)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1


def _generate(thresholds: Thresholds) -> int:
    files = dashboard_files(thresholds)
    generated.write(paths.DASHBOARDS, files)
    print(f"{paths.in_checkout(str(paths.DASHBOARDS))}: {', '.join(sorted(files))}")
    return 0


def _check(thresholds: Thresholds) -> int:
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
