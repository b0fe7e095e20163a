"""Log levels as people write them: `warn` is `warning`, and capitals don't matter."""

from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator

_OTHER_NAMES = {"warn": "warning", "err": "error", "crit": "critical", "fatal": "critical"}
T = TypeVar("T")


def level_name(text: str) -> str:
    """The level that is meant; what is no level stays as it is, to be refused."""
    name = text.strip().lower()
    return _OTHER_NAMES.get(name, name)


def _named(value: T) -> T | str:
    return level_name(value) if isinstance(value, str) else value


Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_named)]
"""One that a logger can be given."""
