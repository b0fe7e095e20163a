"""Log levels in settings and requests, as people write them (`asgi_observability.levels`)."""

from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator

from asgi_observability.levels import level_name

T = TypeVar("T")


def _named(value: T) -> T | str:
    return level_name(value) if isinstance(value, str) else value


Level = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_named)]
"""One that a logger can be given."""
