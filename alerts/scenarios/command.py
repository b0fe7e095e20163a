"""`python -m alerts scenarios`: tells the scenarios to the rules and prints who was told."""

import argparse
import sys

from alerts import paths
from alerts.scenarios import table
from alerts.scenarios.collection import named
from alerts.scenarios.run import outcomes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="only those whose name begins so (default: all)"
    )
    parser.add_argument(
        "--write", action="store_true", help=f"write {paths.SCENARIOS.name}, the table of all"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print each scenario; 1 where what was seen is not what was expected, known failures too."""
    return tell(arguments.names, write=arguments.write)


def tell(names: list[str], *, write: bool) -> int:
    """Print those of ``names``, or all; ``write`` the table of all into the documentation."""
    if write and names:
        raise ValueError("--write needs all scenarios; leave out the names")
    found = outcomes(named(names), progress=_progress)
    _progress_ends()
    for each in found:
        print(table.report(each))
    differing = [each for each in found if bool(each.problems) != bool(each.scenario.fails_today)]
    known = sum(bool(each.problems and each.scenario.fails_today) for each in found)
    print(
        f"{len(found)} scenarios, {len(differing)} differ from what is expected"
        + (f", {known} are known to" if known else ""),
        file=sys.stderr,
    )
    if write:
        paths.SCENARIOS.write_text(table.document(found), encoding="utf-8")
        print(paths.in_checkout(str(paths.SCENARIOS)))
    return 1 if differing else 0


def _progress(done: int, every: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {every} scenarios evaluated", end="", file=sys.stderr, flush=True)


def _progress_ends() -> None:
    if sys.stderr.isatty():
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
