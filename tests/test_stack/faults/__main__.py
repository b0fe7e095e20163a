"""See which alerts faults bring, without judging it; ends with the entries for expected.py.

With --write, put the table of what is kept in a folder into docs/faults.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

from simulator.faults import FAULTS
from tests.test_stack.faults import results, runs, table, verdict
from tests.test_stack.faults.answers import written
from tests.test_stack.faults.expected import EXPECTED
from tests.test_stack.faults.run import Observation


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.test_stack.faults", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--observe", nargs="+", metavar="FAULT", help="faults, or all of them: all")
    what.add_argument(
        "--write", type=Path, metavar="FOLDER", help="write the table of the results kept there"
    )
    runs.add_options(parser.add_argument)
    given = vars(parser.parse_args())
    asked, folder_of_results = given.pop("observe"), given.pop("write")
    if folder_of_results:
        return _write(results.kept(folder_of_results))
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


def _write(seen: Mapping[str, Observation]) -> int:
    table.write(seen)
    wrong = [
        line for each in seen.values() for line in verdict.problems(each, EXPECTED[each.fault])
    ]
    print(*wrong, f"{table.PAGE}: {len(seen)} of {len(FAULTS)} faults", sep="\n")
    return 1 if wrong or len(seen) < len(FAULTS) else 0


def _observations(running: Mapping[str, Future[Observation]]) -> Iterator[Observation]:
    """What was observed, in the order asked for; a run that failed is named and left out."""
    for fault, run in running.items():
        try:
            yield run.result()
        except Exception as error:
            print(f"{fault}: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
