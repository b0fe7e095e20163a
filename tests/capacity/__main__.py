"""`python -m tests.capacity`: measures constants into stack/capacity/measured.json."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from stack.capacity import constants
from tests.capacity import engines, logs, rollups, rules, service

PARTS = {
    "service": service.measured,
    "rules": rules.measured,
    "rollups": rollups.measured,
    "engines": engines.measured,
    "logs": logs.measured,
}


def main() -> int:
    """Measure the parts that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.capacity", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"default: all of {', '.join(PARTS)}")
    chosen = parser.parse_args().part or list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name in chosen:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        made = {
            "command": f"python -m tests.capacity {name}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
        }
        constants.write(name, made | asyncio.run(PARTS[name]()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
