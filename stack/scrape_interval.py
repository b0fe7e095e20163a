"""prometheus.yml with another interval than the committed one."""

import re
from pathlib import Path

import yaml

from stack.backend import StackError

_DURATION = re.compile(r"[1-9]\d*(ms|s|m|h)")


def with_interval(config: Path, interval: str) -> str:
    """The text of ``config`` with scrapes and evaluations every ``interval``, such as ``1s``."""
    if not _DURATION.fullmatch(interval):
        raise StackError(f"SCRAPE_INTERVAL={interval}: use a duration such as 5s or 1m")
    changed = yaml.safe_load(config.read_text(encoding="utf-8"))
    changed["global"] |= {"scrape_interval": interval, "evaluation_interval": interval}
    # A scrape has to end before the next one.
    changed["global"].pop("scrape_timeout", None)
    return yaml.safe_dump(changed, sort_keys=False)
