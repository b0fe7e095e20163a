"""Names of code that may be shown: those that stand in a source file, not those made at run time.

A class can be made with a tenant's name, and code can be compiled with a number as its file.
"""

import os
import re
import sys
from functools import lru_cache
from types import CodeType

MADE_AT_RUN_TIME = "[made at run time]"
"""Instead of the name of a file, function or class that no source file has."""

MAX_KNOWN = 2000
"""Files that are remembered."""

_ROOTS = ("/site-packages/", f"/python{sys.version_info[0]}.{sys.version_info[1]}/")
_FROZEN = re.compile(r"<frozen (?P<name>[a-z_.]{1,40})>")
# At most four digits: more could be part of a telephone number.
_NAME = re.compile(r"(?!(?:[^0-9]*[0-9]){5})(?:[A-Za-z_][A-Za-z0-9_]{0,79}|<[a-z]{1,12}>)")

_OPEN_NAME = re.compile(r"(?!(?:[^0-9]*[0-9]){5})[A-Za-z_][A-Za-z0-9_.:/{}\-]{0,79}")

_known_files: dict[str, str] = {}


def file_name(code: CodeType) -> str:
    """The source file, as short as it is clear."""
    path = code.co_filename
    try:
        return _known_files[path]
    except KeyError:
        pass
    if path == "<string>" and sys.argv[:1] == ["-c"]:
        return path
    frozen = _FROZEN.fullmatch(path)
    if frozen and frozen["name"].partition(".")[0] in sys.stdlib_module_names:
        return path
    if not _is_of_a_module(path):
        return MADE_AT_RUN_TIME
    if len(_known_files) < MAX_KNOWN:
        _known_files[path] = _short(path)
    return _short(path)


def is_in_source(code: CodeType) -> bool:
    """Whether ``code`` was written and not put together at run time."""
    return file_name(code) != MADE_AT_RUN_TIME


def function_name(code: CodeType) -> str:
    """The function, with the class or function that it stands in."""
    is_written = is_in_source(code) and _is_written(code.co_qualname)
    return code.co_qualname if is_written else MADE_AT_RUN_TIME


def class_name(cls: type) -> str:
    """The class, with its module unless it is built in.

    One that was made at run time goes by the nearest of its bases that was not.
    """
    try:
        for each in type.__dict__["__mro__"].__get__(cls):
            if _is_class_in_source(each):
                module = each.__module__
                return (
                    each.__qualname__ if module == "builtins" else f"{module}.{each.__qualname__}"
                )
    except Exception:
        pass
    return MADE_AT_RUN_TIME


def bare_class_name(cls: type) -> str:
    """The same without its module and what it stands in: for labels."""
    return class_name(cls).rpartition(".")[2]


def error_type_of(error: BaseException) -> str:
    """Why ``error`` was raised, as far as it says so by a name; else its class's name."""
    try:
        said = getattr(error, "error_type", None)
    except Exception:
        said = None
    return said if isinstance(said, str) and is_name(said) else bare_class_name(type(error))


@lru_cache(maxsize=2000)
def is_name(text: str) -> bool:
    """Whether ``text`` reads as what a program calls a thing: without spaces, with few digits.

    Names of operations are open, and one that was put together from data is data:
    ``f"charge tenant {number}"``.
    """
    return bool(_OPEN_NAME.fullmatch(text))


def _is_class_in_source(cls: type) -> bool:
    module, qualname = cls.__module__, cls.__qualname__
    if module not in sys.modules or not _is_written(qualname):
        return False
    if "<locals>" in qualname:
        # A class statement in a function; what `type(name, …)` makes has a bare name.
        return True
    found: object = sys.modules[module]
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found is cls


def _is_written(qualname: str) -> bool:
    return len(qualname) <= 200 and all(map(_NAME.fullmatch, qualname.split(".")))


def _is_of_a_module(path: str) -> bool:
    for module in list(sys.modules.values()):
        try:
            # From its dictionary: a module may have a __getattr__ that imports others.
            file = vars(module).get("__file__")
        except Exception:
            continue
        if type(file) is not str:
            continue
        if file == path or (not os.path.isabs(file) and os.path.abspath(file) == path):
            return True
    return False


def _short(path: str) -> str:
    for root in _ROOTS:
        _, found, rest = path.rpartition(root)
        if found:
            return rest
    for root in (os.getcwd(), *sorted(filter(None, sys.path), key=len, reverse=True)):
        if path.startswith(f"{root}/"):
            return path.removeprefix(f"{root}/")
    return path
