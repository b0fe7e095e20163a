"""The events that are declared are the ones that are logged, and the ones that are documented."""

import ast
import logging
from dataclasses import fields
from enum import EnumMeta
from pathlib import Path

import pytest

from app.core import events
from app.core.events import Event, FromCode, Identifier, all_events
from app.core.events_reference import reference

ROOT = Path(__file__).parents[2]
DECLARED = {event.__name__: event for event in all_events() if event.__module__ == events.__name__}
SOURCES = sorted((ROOT / "app").rglob("*.py"))
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
LOGGERS = {"log", "_log", "logger", "_logger"}


def calls_on_loggers(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS)
            or (isinstance(node.func.value, ast.Attribute) and node.func.value.attr in LOGGERS)
        )
    ]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_declared_events_are_logged(source: Path) -> None:
    tree = ast.parse(source.read_text())
    for call in calls_on_loggers(tree):
        assert isinstance(call.func, ast.Attribute)
        place = f"{source.relative_to(ROOT)}:{call.lineno}"
        assert call.func.attr not in METHODS, (
            f"{place}: declare an event in app/core/events.py and log it with log.event(…)"
        )
    if source.name == "logging.py":
        return
    getters = {
        ast.unparse(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("structlog.get_logger", "logging.getLogger")
    }
    assert not getters, f"{source.relative_to(ROOT)}: use app.core.logging.get_logger"


def test_every_declared_event_is_logged_somewhere() -> None:
    text = "\n".join(source.read_text() for source in SOURCES if source != Path(events.__file__))
    unused = {name for name in DECLARED if name not in text}
    assert not unused, f"declared, but nobody logs them: {sorted(unused)}"


def test_names_are_unique_and_in_one_style() -> None:
    names = [event.name for event in DECLARED.values()]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and name.replace("_", "").isalnum() for name in names)
    assert DECLARED["AIAnswered"].name == "ai_answered"
    assert DECLARED["SMSReceived"].name == "sms_received"


@pytest.mark.parametrize("event", DECLARED.values(), ids=lambda event: event.name)
def test_an_event_is_documented_and_has_fields_that_can_not_be_personal(
    event: type[Event],
) -> None:
    assert event.__doc__
    assert not event.__doc__.startswith(f"{event.__name__}(")
    assert event.level in logging.getLevelNamesMapping().values()
    for field in fields(event):  # type: ignore[arg-type]
        assert field.type in (int, float, bool, Identifier, FromCode) or isinstance(
            field.type, EnumMeta
        ), f"{event.__name__}.{field.name}: a {field.type} may hold anything"


def test_the_reference_is_made_from_the_declarations() -> None:
    document = (ROOT / "docs" / "log-events.md").read_text()
    assert document == reference(), "run make generate"
    for event in DECLARED.values():
        assert f"`{event.name}`" in document
