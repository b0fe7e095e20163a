"""The events that are declared are the ones that are logged, and the ones that are documented."""

import ast
import logging
from dataclasses import fields
from enum import EnumMeta
from functools import cache
from pathlib import Path

import pytest

from app.core import events
from app.core.events_reference import reference
from asgi_observability import events as layer
from asgi_observability.event import Event, FromCode, Identifier
from tests.not_empty import not_empty
from tests.project import ROOT

MODULES = (layer, events)
DECLARED = {event.__name__: event for event in events.declared()}
SOURCES = sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "asgi_observability").rglob("*.py")])
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"log", "_log", "logger", "_logger"}


@cache
def trees() -> dict[Path, ast.Module]:
    """What each source is parsed to."""
    return {source: ast.parse(source.read_text()) for source in SOURCES}


def calls_on_loggers(tree: ast.AST) -> list[tuple[str, int]]:
    """The method and the line of each."""
    return [
        (method, node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value).rpartition(".")[2] in LOGGERS
        for method in [node.func.attr]
    ]


def test_only_declared_events_are_logged() -> None:
    called = [
        (method, f"{source.relative_to(ROOT)}:{line}")
        for source, tree in trees().items()
        for method, line in calls_on_loggers(tree)
    ]
    assert "event" in {method for method, _ in called}
    assert [place for method, place in not_empty(called) if method in METHODS] == [], (
        "declare an event in app/core/events.py and log it with log.event(…)"
    )


def test_every_logger_is_one_of_ours() -> None:
    others = [
        source.relative_to(ROOT)
        for source, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("structlog.get_logger", "logging.getLogger")
    ]
    # They look after the standard library's and structlog's loggers; none of them logs with one.
    layer = Path("asgi_observability")
    assert set(others) == {
        *(layer / "logger.py", layer / "takeover.py", layer / "structlog_logs.py"),
    }, "use asgi_observability.logging.get_logger"


def test_every_declared_event_is_logged_somewhere() -> None:
    text = "\n".join(
        source.read_text()
        for source in SOURCES
        if source not in {Path(module.__file__) for module in MODULES}
    )
    unused = {name for name in DECLARED if name not in text}
    assert not unused, f"declared, but nobody logs them: {sorted(unused)}"


def test_names_are_unique_and_in_one_style() -> None:
    names = [event.name for event in DECLARED.values()]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and name.replace("_", "").isalnum() for name in names)
    assert DECLARED["AIAnswered"].name == "ai_answered"
    assert DECLARED["SMSReceived"].name == "sms_received"


@pytest.mark.parametrize("event", DECLARED.values(), ids=lambda event: event.name)
def test_an_event_is_documented_and_has_a_level(event: type[Event]) -> None:
    assert event.__doc__
    assert not event.__doc__.startswith(f"{event.__name__}(")
    assert event.level in logging.getLevelNamesMapping().values()


def test_no_event_has_a_field_that_can_be_personal() -> None:
    every = [(name, field) for name, event in DECLARED.items() for field in fields(event)]  # type: ignore[arg-type]
    for name, field in not_empty(every):
        assert field.type in (int, float, bool, Identifier, FromCode) or isinstance(
            field.type, EnumMeta
        ), f"{name}.{field.name}: a {field.type} may hold anything"


def test_the_reference_is_made_from_the_declarations() -> None:
    document = (ROOT / "docs" / "log-events.md").read_text()
    assert document == reference(), "run make generate"
    for event in not_empty(DECLARED.values()):
        assert f"`{event.name}`" in document
