"""Templates and arguments that fit, nearly fit or don't fit: always one line, never data."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asgi_observability.message_template import filled
from asgi_observability.privacy import Privacy
from asgi_observability.stdlib_logs import StandardLibrary
from tests.captured_logs import captured_logs
from tests.length import LONG

# pytest's own handlers raise what the standard library's only print.
library = logging.Logger("library")
library.addHandler(StandardLibrary())


class Raising:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Endless:
    def __str__(self) -> str:
        return f"{self}"

    __repr__ = __str__


def plain(value: object) -> object:
    return value


@pytest.mark.parametrize(
    ("template", "arguments", "expected"),
    [
        ("paid", (), "paid"),
        ("100 % sure, %d", (), "100 % sure, %d"),
        ("paid %d of %i", (2, 3), "paid 2 of 3"),
        ("%5d|%-5d|%05d|%+d|%x|%#x|%o|%c", (1, 2, 3, 4, 255, 255, 8, 65), None),
        ("%.1f %5.2f %e %g %%", (1.25, 2.5, 1e10, 0.5), None),
        ("%*d|%.*f", (5, 1, 2, 1.234), None),
        ("%s and %r", ("x", "y"), "x and 'y'"),
        ("%-6s|%6s|%.2s", ("a", "b", "cde"), None),
        ("%(count)d of %(all)s", {"count": 1, "all": 2}, "1 of 2"),
        ("%s", {"count": 1}, "{'count': 1}"),
        ("%s", ([1, 2],), "[1, 2]"),
        ("%d", (1.7,), "1"),
        ("%d", ("hmac:0123456789abcdef",), "hmac:0123456789abcdef"),
        ("%5.1f%%", ("hmac:0123456789abcdef",), "hmac:0123456789abcdef%"),
        ("%s %s", (1,), "1 %s"),
        ("%s", (1, 2), "1"),
        ("%(missing)s", {"other": 1}, "%(missing)s"),
        ("%999999999d", (1,), "1"),
        ("%d", (float("nan"),), "nan"),
        ("%c", (-1,), "-1"),
        ("paid {} of {}", (2, 3), "paid 2 of 3"),
        ("paid {1} of {0:.1f} {{}}", (2.0, 3), "paid 3 of 2.0 {}"),
        ("paid {count:>3}", {"count": 1}, "paid   1"),
        ("paid {:d}", ("hmac:0123456789abcdef",), "paid hmac:0123456789abcdef"),
        ("paid {} {}", (1,), "paid 1 {}"),
        ("{:999999999}", (1,), "1"),
        ("{0.__class__}", (1,), "{0.__class__}"),
    ],
)
def test_each_conversion_gets_what_there_is(
    template: str, arguments: Any, expected: str | None
) -> None:
    assert filled(template, arguments, plain) == (
        template % arguments if expected is None else expected
    )


# Not a constant of the code that logs, as in the functions below.
NAME = "Aroha Ngata"


def test_what_was_lost_is_written() -> None:
    with captured_logs() as lines:
        library.error("wrote %d bytes", 5_000_000)
        library.error("took %.1f s", 5_000_000.0)
        library.error("sent to %s", [NAME, "order-1"])
        library.error("%d of %d", 1)
        library.error("paid", 1)
        library.error("paid {}", 3)
        library.error("%(name)s paid %(count)d", {"name": NAME, "count": 3})
        library.error("%s and %s", Raising(), Endless())
        library.error(Raising())
    events = [line["event"].replace("hmac:", "#") for line in lines]
    assert len(events) == 9
    assert events[0].startswith("wrote ")
    assert events[0].endswith(" bytes")
    assert events[1].startswith("took ")
    assert events[1].endswith(" s")
    assert events[2].startswith("sent to ['#")
    assert events[2].endswith("'order-1']")
    assert events[3:6] == ["1 of %d", "paid", "paid 3"]
    assert events[6].startswith("#")
    assert events[6].endswith(" paid 3")
    assert events[8] == "message_withheld"


def test_extra_fields_arrive_under_their_names() -> None:
    with captured_logs() as lines:
        library.warning("paid", extra={"orderId": "order-1", "Amount": 3, "to": NAME})
        library.warning("paid", extra={"level": "x", "exception": "y-1"}, stack_info=True)
        logging.LoggerAdapter(library, {"tenant": "tenant-42"}).warning("paid %s", 3)
    first, second, third = lines
    assert (first["orderId"], first["Amount"]) == ("order-1", 3)
    assert first["to"].startswith("hmac:")
    assert second["level"] == "warning"
    assert "test_extra_fields" in second["stack"][-1]
    assert (third["event"], third["tenant"]) == ("paid 3", "tenant-42")


CONVERSIONS = st.sampled_from(
    [
        *("%s", "%r", "%a", "%d", "%i", "%5.1f", "%x", "%c", "%e", "%*d", "%.*f", "%%", "%"),
        *("%(a)s", "%(b)d", "%(", "{}", "{0}", "{a}", "{:d}", "{!r:>5}", "{", "}", "{{", " of "),
        *("%-500s", "%k", "paid ", "\n", "\x00", "é", "%.999999999f"),
    ]
)
TEMPLATES = st.lists(CONVERSIONS, max_size=6).map("".join)
NUMBERS = st.one_of(st.integers(), st.floats(), st.just(10**400), st.booleans(), st.none())
SECRET = "Aroha Ngata +15550100001"


def recursive() -> list[Any]:
    found: list[Any] = [SECRET]
    found.append(found)
    return found


def smuggled() -> Iterator[object]:
    yield from (SECRET, SECRET.encode(), [SECRET], {SECRET: SECRET}, (SECRET,), {SECRET})
    yield from (ValueError(SECRET), "\ud800" + SECRET, SECRET * 1000, type(SECRET, (), {})())
    yield from (Raising(), Endless(), recursive())


VALUES = st.one_of(NUMBERS, st.sampled_from([*smuggled()]))
ARGUMENTS = st.one_of(
    st.lists(VALUES, max_size=4).map(tuple),
    st.dictionaries(st.sampled_from(["a", "b", SECRET]), VALUES, max_size=3),
)


@settings(max_examples=200 if LONG else 40)
@given(template=TEMPLATES, arguments=ARGUMENTS)
def test_any_template_with_any_arguments_is_one_line_without_data(
    template: str, arguments: Any
) -> None:
    # The same as a template that stands in the code.
    namespace: dict[str, Any] = {"log": library}
    exec(f"def say(arguments):\n    log.warning({template!r}, *arguments)", namespace)
    with captured_logs() as lines:
        namespace["say"](arguments if isinstance(arguments, tuple) else (arguments,))
        library.warning(template, *arguments if isinstance(arguments, tuple) else (arguments,))
    assert len(lines) == 2
    for line in lines:
        assert "Aroha" not in str(line)
        assert "15550100001" not in str(line)


@given(template=st.text(max_size=30) | TEMPLATES, arguments=ARGUMENTS)
def test_filling_in_raises_only_what_writing_a_value_does(template: str, arguments: Any) -> None:
    assert isinstance(filled(template, arguments, Privacy().argument), str)
