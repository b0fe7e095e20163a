"""Makes five weeks of synthetic history for a Prometheus that has never run.

It does nothing for one that has run. The history ends now, and the simulator's traffic continues it
with the same rate, targets and behaviour. The metric synthetic_history is 1 during it; the rest is
in docs/history.md. HISTORY=off makes none. The exit code is also 0 if no history can be made, so
that the stack still starts.
"""

import argparse
import os
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from asgi_observability.utf8 import begin_in_utf8
from prometheus_tools import time_range
from prometheus_tools.api import PrometheusError
from prometheus_tools.blocks import BlocksError
from prometheus_tools.scratch import ScratchError
from prometheus_tools.toolchain import ToolMissing, locate
from prometheus_tools.yaml_reading import read_yaml
from simulator.history.past import JOB, STEP_SECONDS, five_weeks
from stack.backend import StackError
from stack.history.due import is_due, is_wanted
from stack.history.filling import fill


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m stack.history",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="Prometheus's data folder")
    add("--targets", type=Path, required=True, metavar="FOLDER", help="such as prometheus/targets")
    add("--per-minute", type=float, default=60, metavar="N", help="mean rate of SMS (60)")
    add("--end", type=time_range.moment, metavar="TIME", help="such as 2026-11-24T12:00Z (now)")
    add("--seed", type=int, default=0, metavar="N", help="another seed gives other data (0)")
    options = parser.parse_args()
    try:
        if not is_wanted(os.environ) or not is_due(options.data):
            return 0
        # Before the first line of progress: where a tool has to be fetched, that is told as well.
        for tool in ("prometheus", "promtool"):
            locate(tool)
        end = options.end or int(time.time())
        past = replace(
            five_weeks(datetime.fromtimestamp(end - end % STEP_SECONDS, UTC)),
            seed=options.seed,
            targets=_targets(options.targets),
            messages_per_minute=options.per_minute,
        )
        fill(options.data, past)
    except StackError as error:
        parser.error(str(error))
    except (OSError, ValueError, BlocksError, PrometheusError, ScratchError, ToolMissing) as error:
        print(
            f"\nno history: {error}\n"
            "The stack starts without it. To make it later: make down, delete Prometheus's data, "
            "make up.\n"
            f"It needs 1.1 GB in {options.data} for half a minute. HISTORY=off makes none.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        return 130
    return 0


def _targets(folder: Path) -> dict[str, str]:
    """The instance of each job, of a file for each."""
    found = {
        file.stem: str(read_yaml(file.read_text(encoding="utf-8"))[0]["targets"][0])
        for file in sorted(folder.glob("*.yml"))
    }
    if JOB not in found:
        raise ValueError(f"--targets {folder}: no {JOB}.yml in it")
    return found


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(main())
