"""Make the faults, and write the table in docs/pairs.md from what the receiver was told."""

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests import run_end
from tests.pairs import document
from tests.pairs.faults import FAULTS, Fault
from tests.pairs.outcome import made, problems
from tests.project import ROOT


async def run(chosen: Sequence[Fault], folder: Path, side_by_side: int) -> None:
    """Make them, some at a time; what was told in each is kept in ``folder``.

    Those with more Alertmanagers come last in the table and first here: they take longest.
    """
    room = asyncio.Semaphore(side_by_side)

    async def one(fault: Fault) -> None:
        async with room:
            place = folder / fault.name
            shutil.rmtree(place, ignore_errors=True)
            try:
                outcome = await made(fault, place)
            except Exception as error:
                # The others are made all the same; what is missing is said at the end.
                print(f"{fault.name}: NOT SEEN: {error!r}", flush=True)
                return
            kept = {
                "day": f"{datetime.now(UTC):%-d %B %Y}",
                "load": os.getloadavg()[1],
                "outcome": outcome.kept(),
            }
            (folder / f"{fault.name}.json").write_text(json.dumps(kept), encoding="utf-8")
            print(
                f"{fault.name}: {outcome}; {problems(fault, outcome) or 'as expected'}", flush=True
            )

    longest_first = sorted(chosen, key=lambda fault: fault.size, reverse=True)
    await asyncio.gather(*map(one, longest_first))


def main() -> int:
    """The command line; returns the exit code: 1 where a fault is missing or not as expected."""
    parser = argparse.ArgumentParser(prog="python -m tests.pairs", description=__doc__)
    names = [fault.name for fault in FAULTS]
    parser.add_argument("names", nargs="*", metavar="FAULT", help=f"of {', '.join(names)}")
    parser.add_argument("--folder", type=Path, default=ROOT / ".state" / "pairs")
    parser.add_argument("--side-by-side", type=int, default=4)
    parser.add_argument("--only-write", action="store_true", help="from what was seen before")
    options = parser.parse_args()
    if unknown := set(options.names) - {*names}:
        parser.error(f"no fault {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    chosen = [each for each in FAULTS if each.name in (options.names or names)]
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not options.only_write:
        run_end.watch()
        asyncio.run(run(chosen, folder, options.side_by_side))
    seen = {
        fault.name: json.loads(file.read_text())
        for fault in FAULTS
        if (file := folder / f"{fault.name}.json").exists()
    }
    return document.write(seen)


if __name__ == "__main__":
    sys.exit(main())
