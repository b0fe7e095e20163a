"""Logs: one JSON object a line, correlated, without personal data."""

import json
import logging

import pytest
import structlog

from app.core import correlation
from app.core.logging import configure_logging


@pytest.fixture(autouse=True)
def _restore_logging():  # type: ignore[no-untyped-def]
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured(**changes: str) -> None:
    usual = {"service": "tests", "environment": "test", "level": "info", "log_format": "json"}
    configure_logging(**(usual | changes))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_both_kinds_of_logger_write_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configured(environment="test")
    correlation.bind("correlation-1")
    structlog.get_logger("ours").info("sms_routed", workflow_id="w1")
    logging.getLogger("theirs").warning("plain %s", "words")
    ours, theirs = lines(capsys)
    assert (ours["event"], ours["workflow_id"], ours["logger"]) == ("sms_routed", "w1", "ours")
    assert (theirs["event"], theirs["level"], theirs["logger"]) == (
        "plain words",
        "warning",
        "theirs",
    )
    for line in (ours, theirs):
        assert line["correlation_id"] == "correlation-1"
        assert line["environment"] == "test"
        assert str(line["timestamp"]).endswith("Z")


def test_an_exception_is_structured_and_keeps_local_values_to_itself(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configured()

    def fails(phone_number: str) -> None:
        raise RuntimeError("a bug")

    try:
        fails("+15550100001")
    except RuntimeError:
        structlog.get_logger("ours").exception("unhandled_error")
    (line,) = lines(capsys)
    assert line["exception"][0]["exc_value"] == "a bug"  # type: ignore[index]
    assert "15550100001" not in json.dumps(line)


def test_the_level_is_a_setting(capsys: pytest.CaptureFixture[str]) -> None:
    configured(level="warning")
    structlog.get_logger("ours").info("quiet")
    assert lines(capsys) == []


def test_people_get_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    configured(log_format="console")
    structlog.get_logger("ours").info("sms_routed")
    assert "sms_routed" in capsys.readouterr().out
