"""What an option of `observe` or `observe_process` may be: a wrong value is refused, with the fix.

Each raises TypeError or ValueError, which names the option and what it could be.
"""

import math
import os
import re
from collections.abc import Collection, Iterable, Mapping
from inspect import iscoroutinefunction
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from asgi_observability.nearest import did_you_mean

T = TypeVar("T")

LAST_PORT = 65535

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_TOKEN = re.compile(r"[!-~]*")
_OF_HTTP = frozenset(
    [
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "host",
        "location",
        "server",
        "set-cookie",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
    ]
)


def of_kind(name: str, value: object, kind: type[T], fix: str) -> T:
    """``value``, which has to be a ``kind``; ``fix`` says what to give."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}={value!r}: give {fix}")
    return value


def service(value: object) -> None:
    """A service's name."""
    if not value:
        raise ValueError("service is empty; name the service, such as 'billing'")
    of_kind("service", value, str, "its name, such as 'billing'")


def header(value: object) -> None:
    """The name of a header that is free to carry an ID."""
    text = of_kind("header", value, str, "a name, such as 'X-Request-ID'")
    if not _HEADER.fullmatch(text):
        raise ValueError(f"header={text!r} can't be a header's name; use one like X-Request-ID")
    if text.lower() in _OF_HTTP:
        raise ValueError(f"header={text!r} means something else; use one like X-Request-ID")


def metrics_path(value: object) -> None:
    """A path, or None."""
    if value is not None and not of_kind("metrics_path", value, str, "a path").startswith("/"):
        raise ValueError(
            f"metrics_path={value!r}: begin it with a slash, or use None for no such path"
        )


def token(name: str, value: object) -> None:
    """What a header can carry; empty for none."""
    text = value if isinstance(value, str) else None
    if text is None or not _TOKEN.fullmatch(text):
        # Not shown: it is a secret.
        raise ValueError(f"{name}: give a text of ASCII without spaces, or '' for none")


def port(name: str, value: object) -> None:
    """A number of a port, or None."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LAST_PORT:
        raise ValueError(f"{name}={value!r}: give a number from 0 to {LAST_PORT}")


def address(name: str, value: object) -> None:
    """An IPv4 address to listen at."""
    try:
        IPv4Address(str(value))
    except ValueError:
        raise ValueError(
            f"{name}={value!r}: give an IPv4 address, such as '127.0.0.1', or '0.0.0.0' for all"
        ) from None


def choice(name: str, value: object, choices: Collection[str]) -> None:
    """One of ``choices``."""
    if value not in choices:
        fix = did_you_mean(str(value), choices, otherwise=f"use {' or '.join(choices)}")
        raise ValueError(f"{name}={value!r}: {fix}")


def function(name: str, value: object, choices: Collection[str] = ()) -> None:
    """Something to call, or one of ``choices``."""
    if not callable(value):
        choice(name, value, [*choices, "a function"])
    elif iscoroutinefunction(value) or iscoroutinefunction(type(value).__call__):
        raise TypeError(f"{name} is asynchronous; give a plain function, which answers at once")


def each(name: str, values: object, kind: type[T], fix: str) -> tuple[T, ...]:
    """Some of ``kind``, and not one text."""
    if isinstance(values, str):
        raise ValueError(f"{name}={values!r} is one text; give a list, [{values!r}]")
    if not isinstance(values, Iterable):
        raise TypeError(f"{name}={values!r}: give a list of {fix}")
    return tuple(of_kind(name, value, kind, f"a list of {fix}") for value in values)


def seconds_by_name(name: str, value: object) -> None:
    """Seconds by name, or None."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}={value!r}: give seconds by name, {{'bank': 2.0}}")
    for key, seconds in value.items():
        if not isinstance(key, str) or not _is_number(seconds) or seconds < 0:
            raise ValueError(f"{name}: {key!r}: {seconds!r} are no seconds; use {{'bank': 2.0}}")


def rising_seconds(name: str, values: Iterable[float]) -> tuple[float, ...]:
    """Upper bounds in seconds, each above the one before."""
    fix = f"{name} are seconds that rise, such as [0.1, 0.5, 2, 10]"
    bounds = tuple(values) if isinstance(values, Iterable) else ()
    if not bounds or not all(map(_is_number, bounds)) or list(bounds) != sorted({*bounds}):
        raise ValueError(fix)
    return tuple(map(float, bounds))


def folder(name: str, value: str | os.PathLike[str] | None) -> Path | None:
    """The folder, as a path."""
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name}={value!r}: give the path of a folder")
    if not value:
        raise ValueError(f"{name} is empty; give the path of a folder, or None")
    return Path(value)


def _is_number(value: object) -> bool:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and math.isfinite(value)  # type: ignore[arg-type]
