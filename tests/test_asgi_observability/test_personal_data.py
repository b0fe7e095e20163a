"""Attempts to smuggle telephone numbers, texts, names and keys into the log."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from hypothesis import given
from sqlalchemy import text as sql
from sqlalchemy.exc import SQLAlchemyError

from app.core.events import (
    AIAnswered,
    ManagerNotified,
    PersonalDataErased,
    WorkflowInterrupted,
)
from asgi_observability import correlation, personal_data
from asgi_observability.event import FromCode, Identifier
from asgi_observability.events import UnhandledError
from asgi_observability.log_sampling import Sampling
from asgi_observability.logging import get_logger
from tests.captured_logs import captured_logs
from tests.not_empty import not_empty
from tests.test_asgi_observability.smuggled_values import PERSONAL, stands_in

log = get_logger("tests.smuggling")


class ByRepr:
    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"<{self.value}>"


def raising(error: Exception) -> None:
    raise error


def in_an_exception(value: str) -> None:
    try:
        raising(ValueError(f"can't read {value}"))
    except ValueError as error:
        log.event(UnhandledError(), error)
        log.exception("failed")
        logging.getLogger("library").exception("failed")


def in_a_cause_and_a_group(value: str) -> None:
    try:
        try:
            raising(KeyError(value))
        except KeyError as cause:
            raise ExceptionGroup(value, [RuntimeError(value), OSError(2, value, value)]) from cause
    except ExceptionGroup as error:
        log.event(UnhandledError(), error)


def in_an_sql_error(value: str) -> None:
    error = SQLAlchemyError(value)
    error.add_note(value)
    log.event(UnhandledError(), error)
    log.error("failed", statement=sql(value), reason=error)


def in_the_message(value: str) -> None:
    log.info(f"received {value}")
    logging.getLogger("library").warning(f"received {value}")
    logging.getLogger("library").warning("received " + value)


def in_arguments(value: str) -> None:
    logging.getLogger("library").warning("received %s from %r", value, ByRepr(value))
    logging.getLogger("library").warning("received %(text)s", {"text": value})


def in_fields(value: str) -> None:
    log.info("received", text=value, phone_number=value, tenant_id=value, raw=value.encode())
    log.info("received", nested={"deep": [value, {value: value}], "set": {value}}, it=ByRepr(value))
    log.info("received", **{value: 1})


def bound(value: str) -> None:
    structlog.get_logger("library").bind(customer=value, **{value: value}).warning("received")


def as_an_identifier(value: str) -> None:
    correlation.identify(conversation_id=value, tenant_id=value)
    log.event(ManagerNotified(reference=Identifier(value)))
    log.info("received")


def as_a_number(value: str) -> None:
    digits = "".join(character for character in value if character in "0123456789")
    # Fewer are no telephone number.
    number = int(digits) if len(digits) >= 7 else 0
    log.info("received", number=number, share=float(number))


def in_an_extra(value: str) -> None:
    extra = {"text": value, "tenant_id": value, "Extra": [value], "deep": {value: value}}
    logging.getLogger("library").warning("received", extra=extra)
    logging.LoggerAdapter(logging.getLogger("library"), {"who": value}).warning("received")


def in_context_variables(value: str) -> None:
    with structlog.contextvars.bound_contextvars(customer=value, tenant_id=value):
        structlog.get_logger("library").warning("received")
        structlog.get_logger("library").warning("received %s", value)


def in_a_note_and_a_class(value: str) -> None:
    kind = type("".join(each for each in value if each.isprintable()) or "x", (ValueError,), {})
    try:
        error = kind(value)
        error.add_note(value)
        error.add_note(f"of {value}")
        raise error
    except ValueError as caught:
        log.event(UnhandledError(), caught)
        log.error("failed", exc_info=caught, kind=kind, error=caught)


def in_code(value: str) -> None:
    try:
        exec(compile("1 / 0", f"<{value}>".replace("\0", ""), "exec"), {})
    except ZeroDivisionError as error:
        log.event(UnhandledError(), error)


def as_a_value_of_an_event(value: str) -> None:
    given: Any = value
    log.event(PersonalDataErased(workflows=given, escalations=given))
    log.event(AIAnswered(confidence=given))
    log.event(WorkflowInterrupted(attempt=given, duration_ms=[given, {given: given}]))


def in_a_url(value: str) -> None:
    log.info("asked", url=f"https://{value}:{value}@example.com/{value}?q={value}")
    logging.getLogger("library").warning("asked %s", f"https://example.com/{value}")


def as_a_secret(value: str) -> None:
    log.info("signed in", password=value, token=[value], headers={"Authorization": value})


def of_a_class_of_text(value: str) -> None:
    class Text(str):
        """Equal to everything."""

        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash("received")

    log.info("received", text=Text(value), tenant_id=Text(value), it={Text(value): Text(value)})
    log.event(ManagerNotified(reference=Identifier(Text(value))))
    logging.getLogger("library").warning("received %s", Text(value))


WAYS: list[Callable[[str], None]] = [
    *(in_an_exception, in_a_cause_and_a_group, in_an_sql_error, in_the_message, in_arguments),
    *(in_fields, bound, as_an_identifier, as_a_number, in_an_extra, in_context_variables),
    *(in_a_note_and_a_class, in_code, as_a_value_of_an_event, in_a_url, as_a_secret),
    of_a_class_of_text,
]


@contextmanager
def within_a_request() -> Iterator[None]:
    token = correlation._current.set(correlation.context_of("correlation-1"))
    try:
        yield
    finally:
        correlation._current.reset(token)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@given(value=PERSONAL)
def test_nothing_personal_is_written(way: Callable[[str], None], value: str) -> None:
    with captured_logs() as lines, within_a_request():
        way(value)
    for line in not_empty(lines):
        # What the program itself says of a line may be anything, "Ivan" in "logged_at" included.
        said = json.dumps(line, ensure_ascii=False)
        assert not stands_in(value, said), line
        assert line["correlation_id"] == "correlation-1"


@given(value=PERSONAL)
def test_a_header_can_not_bring_it_in(value: str) -> None:
    assert not correlation.is_well_formed(value)


@pytest.mark.parametrize(
    "value",
    [
        *("tenant-42", "simulated-1999", "c1", "0193a2b3-f687-7a33-a8b2-a463ea317405"),
        *("by-hand-7298703", "order-2026-112", "tenant-00012345"),
        *("4bf92f3577b34da6a3ce929d0e0e4736", "app.clients:12", "123456", "2026-11-23"[:7]),
    ],
)
def test_identifiers_stay_as_they_are(value: str) -> None:
    assert personal_data.identifier(value) == value


def test_what_is_hashed_is_found_again_with_the_key_and_only_with_it() -> None:
    personal_data.use_key("one key")
    first = personal_data.identifier("+15550100001")
    assert first == personal_data.identifier("+15550100001")
    assert first == personal_data.identifier(first), "hashing twice changes nothing"
    personal_data.use_key("another key")
    assert first != personal_data.identifier("+15550100001")


def test_what_the_program_says_itself_is_written() -> None:
    with captured_logs() as lines:
        log.info("order_taken", count=3, paid=True, share=0.25, tenant_id="tenant-42")
        try:
            raise ValueError("the program's own words")
        except ValueError:
            log.exception("failed")
        logging.getLogger("library").warning("pool of %d connections is %s", 5, None)
    taken, failed, pool = lines
    assert (taken["event"], taken["count"], taken["tenant_id"]) == ("order_taken", 3, "tenant-42")
    assert failed["exception"][0]["message"] == "the program's own words"
    assert pool["event"] == "pool of 5 connections is None"


def test_a_withheld_message_says_where_it_was_logged() -> None:
    with captured_logs(Sampling()) as lines:
        log.info(f"hello {FromCode('x')}")
    (line,) = lines
    assert line["event"] == "message_withheld"
    assert line["message"].startswith("hmac:")
    assert "tests/test_asgi_observability/test_personal_data.py:" in line["logged_at"]
    assert line["logged_at"].endswith("test_a_withheld_message_says_where_it_was_logged")
