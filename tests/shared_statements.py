"""What SQLAlchemy has compiled of the service's statements, once for all tests of a process.

An engine keeps them as long as it lives, which in the service is always. In tests, where each has
engines of its own, compiling would be a fifth of the work.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Compiled, Dialect
from sqlalchemy.ext.asyncio import AsyncEngine

Key = tuple[Any, ...]


class _Statements:
    """Compiled statements, found by the kind of the dialect where SQLAlchemy names the object."""

    def __init__(self) -> None:
        self._compiled: dict[Key, Compiled] = {}

    def get(self, key: Key) -> Compiled | None:
        return self._compiled.get(_of_all(key))

    def __setitem__(self, key: Key, compiled: Compiled) -> None:
        self._compiled[_of_all(key)] = compiled


def _of_all(key: Key) -> Key:
    dialect, *rest = key
    assert isinstance(dialect, Dialect)
    return (type(dialect), *rest)


_statements = _Statements()


def sharing(create: Callable[..., AsyncEngine]) -> Callable[..., AsyncEngine]:
    """``create``, of an engine that shares its compiled statements with all others."""

    def created(*arguments: Any, **options: Any) -> AsyncEngine:
        engine = create(*arguments, **options)
        engine.update_execution_options(compiled_cache=_statements)
        return engine

    return created
