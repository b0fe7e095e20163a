"""How often Prometheus scrapes: what SCRAPE_INTERVAL may be, and prometheus.yml with it."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from prometheus_tools.yaml_reading import read_yaml
from stack.backend import StackError

VARIABLE = "SCRAPE_INTERVAL"
LONGEST_SECONDS = 15
"""That of the committed prometheus.yml, for which rules and panels are made."""
_WHOLE_SECONDS = re.compile(r"([1-9]\d?)s")


def chosen(variables: Mapping[str, str]) -> str:
    """The interval, such as ``5s``; the longest where ``variables`` have none.

    Raises StackError for one with which rules and panels would be empty.
    """
    interval = variables.get(VARIABLE) or f"{LONGEST_SECONDS}s"
    match = _WHOLE_SECONDS.fullmatch(interval)
    if not match or int(match[1]) > LONGEST_SECONDS:
        raise StackError(
            f"{VARIABLE}={interval}: use whole seconds, from 1s to {LONGEST_SECONDS}s; rules and "
            "panels need four scrapes a minute"
        )
    return interval


def with_interval(config: Path, interval: str) -> str:
    """The text of ``config`` with scrapes and evaluations every ``interval``."""
    changed = read_yaml(config.read_text(encoding="utf-8"))
    changed["global"] |= {"scrape_interval": interval, "evaluation_interval": interval}
    # A scrape has to end before the next one.
    changed["global"].pop("scrape_timeout", None)
    return yaml.safe_dump(changed, sort_keys=False)
