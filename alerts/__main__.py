"""Generates the Prometheus rules from the signals, and checks rules, configurations, runbooks."""

import argparse
import sys

from alerts import check, generated, paths
from alerts.rules import rule_files
from app.core.config import Settings, SettingsError, load_settings
from stack.toolchain import ToolMissing


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m alerts", description=__doc__)
    parser.add_argument(
        "command",
        choices=("generate", "check"),
        help="generate: write prometheus/rules; check: drift, metrics, runbooks, promtool, amtool",
    )
    command = parser.parse_args().command
    try:
        settings = load_settings()
        return _generate(settings) if command == "generate" else _check(settings)
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


if __name__ == "__main__":
    sys.exit(main())
