"""See which alerts faults bring, without judging it; ends with the entries for expected.py."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

from simulator.faults import FAULTS
from tests.test_stack.faults import runs, verdict
from tests.test_stack.faults.answers import written
from tests.test_stack.faults.run import Observation


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.test_stack.faults", description=__doc__)
    parser.add_argument(
        "--observe", nargs="+", required=True, metavar="FAULT", help="faults, or all of them: all"
    )
    runs.add_options(parser.add_argument)
    given = vars(parser.parse_args())
    asked = given.pop("observe")
    if unknown := set(asked) - {*FAULTS, "all"}:
        parser.error(f"no fault {', '.join(unknown)}; there are: all, {', '.join(FAULTS)}")
    faults = list(FAULTS) if "all" in asked else asked
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"stacks of runs that fail stay in {folder}", file=sys.stderr)
    chosen = runs.options(**given)
    with runs.started(dict.fromkeys(faults), folder, chosen) as running:
        seen = list(_observations(running))
    print(*verdict.table(row for each in seen for row in verdict.rows(each, None)), sep="\n")
    print("", verdict.LEGEND, runs.machine(seen), "", sep="\n")
    for each in seen:
        for labels in dict.fromkeys(spell.labels for spell in each.spells):
            print(f"{each.fault}: {written(labels)}")
    print("\nentries for tests/test_stack/faults/expected.py:")
    print(*map(verdict.entry, seen), sep="\n")
    return 0 if len(seen) == len(running) else 1


def _observations(running: Mapping[str, Future[Observation]]) -> Iterator[Observation]:
    """What was observed, in the order asked for; a run that failed is named and left out."""
    for fault, run in running.items():
        try:
            yield run.result()
        except Exception as error:
            print(f"{fault}: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
