"""Templates of the standard library's logs, filled in so that no line is ever lost.

`logging` refuses a template and arguments that don't fit: the line is gone. Here each argument is
made writable first (`asgi_observability.personal_data`), which may turn a number into a text, and
each conversion takes what there is: a value of its type as it asks for, any other as text. A
conversion without an argument stays as it stands, and an argument without a conversion is left out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

MAX_WIDTH = 100
"""Of one value, in characters; a template may ask for more by mistake."""

_CONVERSION = re.compile(
    r"%(?:\((?P<key>[^)]*)\))?(?P<flags>[#0\- +]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?"
    r"[hlL]?(?P<type>[diouxXeEfFgGcrsa%])"
)
_MAY_BE_WIDE = re.compile(r"\d\d\d|\*")
_BRACES = re.compile(r"\{(?P<name>[A-Za-z0-9_]*)(?:![rsa])?(?::(?P<spec>[^{}]*))?\}|\{\{|\}\}")
_INTEGERS = "diouxXc"
_FLOATS = "eEfFgG"
_TEXTS = "sra"

Writable = Callable[[object], object]
"""What of a value may be written: a number, a text, or a collection of such."""


def filled(template: str, arguments: object, writable: Writable) -> str:
    """``template`` with what of ``arguments`` may be written.

    Arguments are a tuple, or a mapping for ``%(name)s``. A template with braces and no conversion
    is one of `str.format`. Raises nothing that ``writable`` doesn't.
    """
    if not arguments:
        return template
    by_name = arguments if isinstance(arguments, Mapping) else {}
    in_order = arguments if isinstance(arguments, tuple) else (arguments,)
    if _CONVERSION.search(template):
        if not _MAY_BE_WIDE.search(template) and not (by_name and _takes_all(template)):
            try:
                return template % _written(arguments, writable)
            except (TypeError, ValueError, OverflowError, KeyError):
                pass  # they don't fit: one after the other, then
        return _Percent(by_name, in_order, writable).filled(template)
    return _Braces(by_name, in_order, writable).filled(template)


def _takes_all(template: str) -> bool:
    """Whether a conversion without a name takes the mapping itself, whose keys are values then."""
    conversions = _CONVERSION.finditer(template)
    return any(each["key"] is None and each["type"] != "%" for each in conversions)


def _written(arguments: object, writable: Writable) -> object:
    if isinstance(arguments, Mapping):
        return {name: writable(value) for name, value in arguments.items()}
    return tuple(map(writable, arguments)) if isinstance(arguments, tuple) else arguments


class _Percent:
    def __init__(
        self, by_name: Mapping[Any, object], in_order: tuple[object, ...], writable: Writable
    ) -> None:
        self._by_name = by_name
        self._left = list(in_order)
        self._writable = writable

    def filled(self, template: str) -> str:
        return _CONVERSION.sub(self._converted, template)

    def _converted(self, conversion: re.Match[str]) -> str:
        kind = conversion["type"]
        if kind == "%":
            return "%"
        width, precision = self._size(conversion["width"]), self._size(conversion["precision"])
        key = conversion["key"]
        if key is None and self._left:
            value = self._left.pop(0)
        elif key is not None and key in self._by_name:
            value = self._by_name[key]
        else:
            return conversion[0]
        written = self._writable(value)
        point = "" if conversion["precision"] is None else f".{precision}"
        return _by_type(f"%{conversion['flags']}{width or ''}{point}", kind, written)

    def _size(self, given: str | None) -> int:
        """A width or a precision; an asterisk takes it from the arguments."""
        if given == "*":
            taken = self._left.pop(0) if self._left else 0
            return min(abs(taken), MAX_WIDTH) if isinstance(taken, int) else 0
        return min(int(given), MAX_WIDTH) if given and len(given) < 5 else 0


class _Braces:
    def __init__(
        self, by_name: Mapping[Any, object], in_order: tuple[object, ...], writable: Writable
    ) -> None:
        self._by_name = by_name
        self._in_order = in_order
        self._next = 0
        self._writable = writable

    def filled(self, template: str) -> str:
        return _BRACES.sub(self._replaced, template)

    def _replaced(self, field: re.Match[str]) -> str:
        if field[0] in ("{{", "}}"):
            return field[0][0]
        name = field["name"]
        place = int(name) if name.isdecimal() and len(name) < 5 else self._next if not name else -1
        if not name:
            self._next += 1
        if 0 <= place < len(self._in_order):
            value = self._in_order[place]
        elif name in self._by_name:
            value = self._by_name[name]
        else:
            return field[0]
        written = self._writable(value)
        sizes = [int(size) for size in re.findall(r"\d{1,9}", field["spec"] or "")]
        try:
            if all(size <= MAX_WIDTH for size in sizes):
                return format(written, field["spec"] or "")
        except (TypeError, ValueError):
            pass  # a text where the template wants a number
        return _text(written)


def _by_type(conversion: str, kind: str, value: object) -> str:
    fits = (
        kind in _TEXTS
        or (kind in _INTEGERS and isinstance(value, int))
        or (kind in "diu" and isinstance(value, float))
        or (kind in _FLOATS and isinstance(value, int | float))
    )
    if not fits:
        return _text(value)
    try:
        return f"{conversion}{kind}" % (value,)
    except (TypeError, ValueError, OverflowError):  # %c of -1, %d of infinity
        return _text(value)


def _text(value: object) -> str:
    try:
        return str(value)
    except ValueError:  # a number of more than 4,300 digits
        return f"<{type(value).__qualname__}>"
