"""What a check has found, as all checks of this repository say it."""

import sys
from collections.abc import Iterable

from alerts import paths


def told(what: str, problems: Iterable[str]) -> bool:
    """Print ``what`` and whether it is right, and each problem; True where there are any."""
    found = list(problems)
    print(f"{what}: {'ok' if not found else f'{len(found)} wrong'}", flush=True)
    for problem in found:
        print(f"  {paths.in_checkout(problem)}", file=sys.stderr)
    return bool(found)
