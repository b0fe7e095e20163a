"""`make bench`: prints figures and ratios; fails where a benchmark has a goal that it misses."""

import argparse
import asyncio
import sys

from tests.bench import (
    capacity,
    concurrent_sms,
    dashboard_queries,
    endpoint,
    engine_overview,
    footprint,
    instruments,
    layer,
    log_volume,
    logs,
    remote_write,
    rollups,
    rule_evaluation,
    scrapes,
    side_by_side,
    statements,
    writers,
)

BENCHMARKS = {
    "layer": layer,
    "footprint": footprint,
    "endpoint": endpoint,
    "instruments": instruments,
    "scrapes": scrapes,
    "rollups": rollups,
    "writers": writers,
    "logs": logs,
    "log_volume": log_volume,
    "statements": statements,
    "concurrent_sms": concurrent_sms,
    "rules": rule_evaluation,
    "dashboards": dashboard_queries,
    "capacity": capacity,
    "engine_overview": engine_overview,
    "side_by_side": side_by_side,
    "remote_write": remote_write,
}


def main() -> int:
    """Run every benchmark, or those that were named."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("name", nargs="*", help=f"default: all of {', '.join(BENCHMARKS)}")
    chosen = parser.parse_args().name or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    missed = []
    for name in chosen:
        print(f"\n{name}: {BENCHMARKS[name].__doc__}", flush=True)
        if asyncio.run(BENCHMARKS[name].run()) is False:
            missed.append(name)
    if missed:
        print(f"\nmissed its goal: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
