"""prometheus.yml as the stack runs it: the committed one with what variables change."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from stack import remote_write, scrape_interval

FILE = "prometheus.yml"


def check(variables: Mapping[str, str]) -> None:
    """Raises StackError for a variable that can't be used."""
    scrape_interval.chosen(variables)
    remote_write.chosen(variables)


def changed(folder: Path, variables: Mapping[str, str]) -> str | None:
    """The text for ``variables``; None where the file in ``folder`` is taken as it is.

    Raises StackError for a variable that can't be used.
    """
    interval = scrape_interval.chosen(variables)
    url = remote_write.chosen(variables)
    if not (variables.get(scrape_interval.VARIABLE) or url):
        return None
    text = scrape_interval.with_interval(folder / FILE, interval)
    if not url:
        return text
    return text + yaml.safe_dump(remote_write.section(folder, url), sort_keys=False)
