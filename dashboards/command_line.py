"""Generates, checks, draws and compares the Grafana dashboards."""

import argparse
import json
import sys
from collections.abc import Callable

from alerts import generated, paths
from alerts.findings import told
from alerts.prometheus_config import scrape_seconds
from alerts.signals import groups
from app.core.config import load_settings
from dashboards import export, lint
from dashboards.boards import dashboard_files
from dashboards.changes import command as diff
from dashboards.preview import command as preview


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int], about: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(run=run)
        return command

    add("generate", _generate, "write the dashboards into grafana/dashboards")
    add(
        "check",
        _check,
        "find outdated files, fields that Grafana doesn't know, and misleading panels",
    )
    export.add_arguments(
        add("export", export.run, "write the dashboards for jobs with other names")
    )
    preview.add_arguments(add("preview", preview.run, "draw each dashboard as a picture"))
    diff.add_arguments(add("diff", diff.run, "say in words what changed between two revisions"))
    arguments = parser.parse_args()
    try:
        exit_code: int = arguments.run(arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return exit_code


def _generate(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    files = dashboard_files(settings.thresholds, settings.links)
    generated.write(paths.DASHBOARDS, files)
    print(f"{paths.in_checkout(str(paths.DASHBOARDS))}: {len(files)} dashboards")
    return 0


def _check(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    thresholds = settings.thresholds
    files = sorted(paths.DASHBOARDS.glob("*.json"))
    documents = {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files}
    problems = generated.drift(paths.DASHBOARDS, dashboard_files(thresholds, settings.links))
    problems += lint.problems(documents, groups(thresholds), scrape_seconds())
    return int(told("dashboards", problems))
