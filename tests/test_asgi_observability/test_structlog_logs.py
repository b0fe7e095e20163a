"""Whatever structlog can do, it does within the layer; its lines become the layer's."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
from structlog.testing import LogCapture, capture_logs

from asgi_observability import structlog_logs
from asgi_observability.logger import get_logger
from asgi_observability.logging import LogOptions, configure_logging
from asgi_observability.resource import Resource
from tests.captured_logs import captured_logs
from tests.conftest import configure_test_logs
from tests.not_empty import not_empty


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    """structlog as it is before anybody has configured it."""
    before = structlog.get_config()
    structlog.reset_defaults()
    clear_contextvars()
    yield
    clear_contextvars()
    structlog.configure(**before)


def test_every_way_to_log_gives_a_readable_line() -> None:
    structlog_logs.take_in()
    log = structlog.get_logger("shop")
    with captured_logs() as lines:
        log.debug("paid %s", 1)
        log.info("paid %s of %d", 2, 3, order="order-1")
        log.info("paid %(pages)d", {"pages": 4})
        log.msg("paid %s", 5)
        log.warn("paid %s", 6)
        log.warning("paid")
        log.error("paid %s", 7)
        log.critical("paid %s", 8)
        log.fatal("paid %s", 9)
        log.log(logging.ERROR, "paid %s", 10)
        log.log(25, "between two levels")
        log.info(order="order-2")
    assert [(line["level"], line["event"]) for line in lines] == [
        ("debug", "paid 1"),
        ("info", "paid 2 of 3"),
        ("info", "paid 4"),
        ("info", "paid 5"),
        ("warning", "paid 6"),
        ("warning", "paid"),
        ("error", "paid 7"),
        ("critical", "paid 8"),
        ("critical", "paid 9"),
        ("error", "paid 10"),
        ("info", "between two levels"),
        ("info", ""),
    ]
    assert {line["logger"] for line in lines} == {"shop"}
    assert (lines[1]["order"], lines[-1]["order"]) == ("order-1", "order-2")


async def test_the_asynchronous_methods_know_their_caller() -> None:
    structlog_logs.take_in()
    log = structlog.get_logger("shop")
    with captured_logs() as lines:
        for name in ("debug", "info", "msg", "warning", "warn", "error", "critical", "fatal"):
            await getattr(log, f"a{name}")("paid %s", 1)
        await log.alog(logging.INFO, "paid %s", 1)
        try:
            raise ValueError("broken")
        except ValueError:
            await log.aexception("failed")
    assert [line["event"] for line in lines] == ["paid 1"] * 9 + ["failed"]
    assert lines[-1]["exception"][0]["message"] == "broken"


def test_what_is_bound_is_in_the_line() -> None:
    structlog_logs.take_in()
    log = structlog.get_logger("shop", first=1)
    bind_contextvars(request="r-1")
    with captured_logs() as lines:
        second = log.bind(second=2)
        second.info("said")
        second.unbind("second").info("said")
        second.try_unbind("second", "missing").info("said")
        second.new(third=3).info("said")
        with bound_contextvars(request="r-2"):
            log.info("said")
    found = [
        {name: line[name] for name in ("first", "second", "third", "request") if name in line}
        for line in lines
    ]
    assert found == [
        {"first": 1, "second": 2, "request": "r-1"},
        {"first": 1, "request": "r-1"},
        {"first": 1, "request": "r-1"},
        {"third": 3, "request": "r-1"},
        {"first": 1, "request": "r-2"},
    ]


def test_exceptions_and_the_stack_in_each_way_to_give_them() -> None:
    structlog_logs.take_in()
    log = structlog.get_logger("shop")
    with captured_logs() as lines:
        try:
            raise ValueError("broken")
        except ValueError as error:
            log.exception("failed")
            log.error("failed", exc_info=True)
            log.error("failed", exc_info=error)
            log.error("failed", exc_info=(ValueError, error, error.__traceback__))
        log.error("failed", exc_info=True)
        log.error("failed", exc_info=(None, None, None))
        log.info("failed", stack_info=True)
    for line in not_empty(lines[:4]):
        assert line["exception"][0]["type"] == "ValueError"
        assert line["exception"][0]["message"] == "broken"
    assert [line.get("exception") for line in lines[4:]] == [None] * 3
    assert "test_exceptions_and_the_stack" in lines[-1]["stack"][-1]


def test_a_hosts_tests_capture_what_it_logs() -> None:
    structlog_logs.take_in()
    log = structlog.get_logger("shop")
    log.info("before anything is captured")
    with captured_logs() as lines, capture_logs() as captured:
        log.info("paid", order="order-1")
        assert structlog_logs.is_taken_in()
    assert captured == [{"event": "paid", "order": "order-1", "log_level": "info"}]
    assert lines == []
    own = LogCapture()
    structlog.configure(processors=[own])
    structlog.get_logger().info("paid")
    assert [entry["event"] for entry in own.entries] == ["paid"]


def test_the_standard_librarys_kind_of_logger_works() -> None:
    structlog_logs.take_in()
    log = structlog.stdlib.get_logger("shop.bank")
    logging.getLogger("shop.bank").setLevel(logging.ERROR)
    assert (log.name, log.isEnabledFor(logging.INFO)) == ("shop.bank", False)
    logging.getLogger("shop.bank").setLevel(logging.NOTSET)
    with captured_logs() as lines:
        log.info("paid %s", 3)
        structlog.get_logger().info("named after the module that logs")
    assert [line["logger"] for line in lines] == ["shop.bank", __name__]


def add_one(_: Any, __: str, event: Any) -> Any:
    event["added"] = 1
    return event


def test_a_hosts_own_configuration_goes_on_before_the_layer() -> None:
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        add_one,
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=processors, wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    )
    bound_before = structlog.get_logger().bind(bound=1)
    structlog_logs.take_in()
    structlog_logs.take_in()
    log = structlog.get_logger(bound=2)
    with captured_logs() as lines:
        log.debug("below the level of the host's wrapper")
        log.info("paid %s", 3)
        bound_before.info("said")
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("failed")
    assert [(line["event"], line["bound"], line["added"]) for line in lines] == [
        *(("paid 3", 2, 1), ("said", 1, 1), ("failed", 2, 1)),
    ]
    assert lines[-1]["exception"][0]["message"] == "broken"
    assert {line["logger"] for line in lines} == {__name__}


async def test_a_hosts_standard_configuration() -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    structlog_logs.take_in()
    with captured_logs() as lines:
        structlog.get_logger("shop").warning("paid %s", 3)
        await structlog.get_logger("shop").awarning("paid %s", 4)
    assert [(line["event"], line["logger"]) for line in lines] == [
        *(("paid 3", "shop"), ("paid 4", "shop")),
    ]


@pytest.mark.parametrize("last", ["wrap_for_formatter", "render_to_log_kwargs", "JSONRenderer"])
def test_a_host_that_has_not_asked_keeps_its_configuration_and_its_lines_are_readable(
    last: str,
) -> None:
    """structlog hands its events to the standard library, where the layer sees them."""
    ends = {
        "wrap_for_formatter": structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        "render_to_log_kwargs": structlog.stdlib.render_to_log_kwargs,
        "JSONRenderer": structlog.processors.JSONRenderer(),
    }
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, ends[last]],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    before = structlog.get_config()
    with captured_logs() as lines:
        structlog.get_logger("shop").warning("paid", order="order-1")
    assert [(line["event"], line["order"]) for line in lines] == [("paid", "order-1")]
    assert structlog.get_config() == before


def test_structlog_is_configured_only_where_the_host_asks() -> None:
    try:
        configure_logging(Resource("shop"), LogOptions(stdout="off"))
        assert not structlog.is_configured()
        configure_logging(Resource("shop"), LogOptions(stdout="off", structlog=True))
        assert structlog.is_configured()
    finally:
        configure_test_logs()


def test_the_layers_own_logger_takes_the_same_calls() -> None:
    log = get_logger("shop").bind(bound=1)
    with captured_logs() as lines:
        log.info("paid %s of %(x)s", 2)
        log.info("paid %(pages)d", {"pages": 4})
        log.unbind("bound", "missing").warning("said", stack_info=True)
    assert [(line["event"], line.get("bound")) for line in lines] == [
        *(("paid 2 of %(x)s", 1), ("paid 4", 1), ("said", None)),
    ]
    assert lines[-1]["stack"]
