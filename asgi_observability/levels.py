"""Log levels as people write them, and their numbers.

`warn` is `warning`, and capitals don't matter.
"""

import logging

LEVEL_NAMES: dict[int, str] = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}

_OTHER_NAMES = {"warn": "warning", "err": "error", "crit": "critical", "fatal": "critical"}


def level_name(text: str) -> str:
    """The level that is meant; what is no level stays as it is, to be refused."""
    name = text.strip().lower()
    return _OTHER_NAMES.get(name, name)


def level_number(text: str) -> int:
    """The standard library's number of a level. Raises ValueError for one that does not exist."""
    number = logging.getLevelNamesMapping().get(level_name(text).upper())
    if number is None:
        raise ValueError(f"{text!r} is not a level; use debug, info, warning or error")
    return number


def standard_name(level: int) -> str:
    """The standard level at or below ``level``: a program may have levels of its own between."""
    try:
        return LEVEL_NAMES[level]
    except KeyError:
        below = [number for number in LEVEL_NAMES if number <= level]
        return LEVEL_NAMES[max(below, default=logging.DEBUG)]
