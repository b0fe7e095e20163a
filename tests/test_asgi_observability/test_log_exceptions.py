"""Exceptions in lines: where it failed is shown, and nothing of what it failed on."""

import errno
import json
import socket
import ssl
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from asgi_observability.code_names import MADE_AT_RUN_TIME, bare_class_name, class_name
from asgi_observability.log_exceptions import MAX_CHAINED, MAX_FRAMES, MAX_NOTES, structured
from tests.not_empty import not_empty

NUMBER, NAME = "+15550100001", "ArohaNgata"
TEXT = f"{NAME} of {NUMBER} can't pay"


def raised(error: BaseException) -> BaseException:
    """``error`` with a traceback."""
    try:
        raise error
    except BaseException as caught:
        return caught


def run(source: str, file: str, **names: object) -> BaseException:
    """What code that was put together at run time raises."""
    try:
        exec(compile(source, file, "exec"), names)
    except Exception as error:
        return error
    raise AssertionError("it raises nothing")


def renamed(name: str) -> Callable[[], None]:
    """A function that was given a name at run time."""

    def fails() -> None:
        raise ValueError

    code = fails.__code__.replace(co_name=name, co_qualname=name)
    return types.FunctionType(code, {})


def failing(function: Callable[[], None]) -> BaseException:
    """What it raises."""
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("it raises nothing")


def noted(error: BaseException) -> BaseException:
    """With a tenant's text as a note, and many more."""
    error.add_note(TEXT)
    for _ in range(1000):
        error.add_note(TEXT)
    return error


def with_attributes(error: BaseException, **attributes: object) -> BaseException:
    """``error``, with what a library may set."""
    vars(error).update(attributes)
    return error


def caused() -> BaseException:
    """With a cause, a context and a group in it."""
    try:
        try:
            raise KeyError(TEXT)
        except KeyError as cause:
            raise ExceptionGroup(TEXT, [RuntimeError(TEXT), OSError(2, TEXT, TEXT)]) from cause
    except ExceptionGroup as error:
        return error


class AddressError(Exception):
    """Says that its messages are safe, on an instance that a client's value has got into."""

    def __init__(self, is_loggable: object) -> None:
        super().__init__(TEXT)
        self.is_loggable = is_loggable


SMUGGLED: dict[str, BaseException] = {
    "message": raised(ValueError(TEXT)),
    "key": raised(KeyError(TEXT)),
    "two arguments": raised(ValueError(NUMBER, NAME)),
    "note": raised(noted(ValueError("x"))),
    "cause and group": caused(),
    "file": raised(FileNotFoundError(2, TEXT, f"/uploads/{NAME}/{NUMBER}.txt", 0, NUMBER)),
    "unknown number of an error": raised(OSError(15550100001, TEXT)),
    "number of an error as text": raised(OSError(NUMBER, NAME)),
    "address": raised(socket.gaierror(-2, TEXT)),
    "TLS": raised(ssl.SSLError(1, TEXT)),
    "syntax": raised(SyntaxError(TEXT, (NAME, 1, 1, NUMBER))),
    "decoding": raised(UnicodeDecodeError("utf-8", TEXT.encode(), 0, 1, NAME)),
    "C code": failing(lambda: [int(TEXT), None][1]),  # type: ignore[arg-type, return-value]
    "file of code": run("1 / 0", f"<{NAME} {NUMBER}>"),
    "path of code": run("1 / 0", f"/home/{NAME}/{NUMBER}.py"),
    "function made": run(f"def {NAME}():\n    1 / 0\n{NAME}()", "<string>"),
    "constant of code made": run(f"raise ValueError({TEXT!r})", "<made>"),
    "function renamed": failing(renamed(f"{NAME} {NUMBER}")),
    "class": raised(cast("BaseException", type(NAME, (ValueError,), {})("x"))),
    "class called a number": raised(cast("BaseException", type(NUMBER, (Exception,), {})("x"))),
    "qualified name": raised(
        cast("BaseException", type("E", (Exception,), {"__qualname__": f"A.<locals>.{NUMBER}"})())
    ),
    "module": raised(cast("BaseException", type("E", (Exception,), {"__module__": TEXT})("x"))),
    "class that says it is safe": raised(AddressError(is_loggable=True)),
    "SQL state": raised(with_attributes(ValueError(TEXT), sqlstate="Aroha")),
    "exit": raised(SystemExit(TEXT)),
}


@pytest.mark.parametrize("way", SMUGGLED)
def test_nothing_it_failed_on_is_shown(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run in a `python -c`, whose own text is the program.
    monkeypatch.setattr(sys, "argv", ["tests"])
    said = json.dumps(structured(SMUGGLED[way]), ensure_ascii=False)
    for form in (NUMBER, NUMBER[1:], NAME, "Aroha", "can't pay"):
        assert form not in said


def test_what_the_system_says_by_number_is_shown() -> None:
    def message(error: BaseException) -> str:
        return str(structured(raised(error))[0]["message"])

    assert message(OSError(errno.ENOSPC, TEXT)) == "No space left on device"
    assert message(ConnectionRefusedError(errno.ECONNREFUSED, TEXT)) == "Connection refused"
    assert message(socket.gaierror(socket.EAI_NONAME, TEXT)) == "EAI_NONAME"
    # OpenSSL's 1 is not the operating system's "Operation not permitted".
    failed = ssl.SSLError(1, TEXT)
    failed.reason = "CERTIFICATE_VERIFY_FAILED"
    assert message(failed) == "CERTIFICATE_VERIFY_FAILED"
    assert message(ssl.SSLError(1, TEXT)).startswith("hmac:")


def test_what_the_code_says_is_shown() -> None:
    error = ValueError("not there")
    try:
        error.add_note("ask the landlord")
        raise error
    except ValueError as caught:
        (shown,) = structured(caught)
    assert (shown["type"], shown["message"]) == ("ValueError", "not there")
    assert shown["notes"] == ["ask the landlord"]
    place = shown["frames"][-1]
    assert place["file"] == "tests/test_asgi_observability/test_log_exceptions.py"
    assert place["function"] == "test_what_the_code_says_is_shown"
    with pytest.raises(ExceptionGroup) as raised_group:
        raise ExceptionGroup("several failed", [ValueError("one")])
    assert structured(raised_group.value)[0]["message"] == "several failed"


def test_for_development_all_of_it_is() -> None:
    (shown,) = structured(noted(ValueError(TEXT)), with_messages=True)
    assert shown["message"] == TEXT
    assert shown["notes"] == [TEXT] * MAX_NOTES


def test_a_class_is_called_as_in_its_source() -> None:
    class LocalError(Exception):
        """Of a function."""

    assert class_name(KeyError) == "KeyError"
    assert class_name(json.JSONDecodeError) == "json.decoder.JSONDecodeError"
    assert bare_class_name(AddressError) == "AddressError"
    assert bare_class_name(LocalError) == "LocalError"
    assert bare_class_name(type(NAME, (LocalError,), {})) == "LocalError"
    assert class_name(type(NAME, (), {})) == "object"


class HostileError(Exception):
    """Raises whatever is asked of it."""

    def __str__(self) -> str:
        raise RuntimeError(TEXT)

    __repr__ = __str__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(TEXT)

    @property
    def __notes__(self) -> Iterator[str]:
        raise RuntimeError(TEXT)

    @property
    def sqlstate(self) -> str:
        raise RuntimeError(TEXT)


class HostileMeta(type):
    """A class whose names can't be read."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(TEXT)


def test_an_exception_that_breaks_when_it_is_looked_at_is_shown_all_the_same() -> None:
    class NamelessError(Exception, metaclass=HostileMeta):
        """Its names can't be read."""

    (shown,) = structured(raised(HostileError()))
    assert shown["message"] == "[unreadable]"
    assert shown["type"].endswith("HostileError")
    assert shown["frames"]
    assert structured(raised(NamelessError("x")))[0]["type"] == MADE_AT_RUN_TIME


def test_a_chain_without_end_is_cut() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert len(structured(first)) == 2
    error = ValueError("0")
    for _ in range(10_000):
        following = ValueError("n")
        following.__context__ = error
        error = following
    assert len(structured(error)) == MAX_CHAINED
    group = ExceptionGroup("g", [ValueError("many")] * 100_000)
    for _ in range(500):
        group = ExceptionGroup("g", [group, ValueError("many")])
    assert len(structured(group)) == MAX_CHAINED


def test_a_deep_recursion_is_cut() -> None:
    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        raise ValueError("the bottom")

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 5000)
    try:
        error = failing(lambda: deep(4000))
    finally:
        sys.setrecursionlimit(limit)
    (shown,) = structured(error)
    assert len(not_empty(shown["frames"])) == MAX_FRAMES
    assert shown["message"] == "the bottom"
