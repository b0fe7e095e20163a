"""A host's own logging stays as it was, in state and in output, unless the host asks."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BEGIN = """
import logging, logging.config, signal, sys, threading, warnings
from pathlib import Path
from asgi_observability import logging as logs
from asgi_observability.logging import LogOptions, configure_logging, get_logger, flush
from asgi_observability.resource import Resource

FOLDER = Path(sys.argv[1])
HOST = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"own": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"shop.bank": {"level": "DEBUG"}, "silent": {"propagate": False}},
    "root": {"handlers": ["own"], "level": "WARNING"},
}

def hook(*given):
    print("the host's own hook", len(given), file=sys.stderr)

def state():
    every = [logging.root, *(logging.getLogger(name) for name in sorted(NAMES))]
    return {
        "loggers": [
            (each.level, each.propagate, each.disabled, [*each.handlers], [*each.filters])
            for each in every
        ],
        "last resort": logging.lastResort,
        "disabled": logging.root.manager.disable,
        "class": logging.getLoggerClass(),
        "factory": logging.getLogRecordFactory(),
        "raise": logging.raiseExceptions,
        "names": [logging.getLevelName(level) for level in range(60)],
        "handlers": [*logging._handlerList],
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "warnings": (warnings.showwarning, [*warnings.filters]),
        "signals": [signal.getsignal(each) for each in signal.valid_signals()],
    }

NAMES = ("shop.bank", "silent", "uvicorn", "uvicorn.access", "uvicorn.error", "httpx", "alembic")
for name in NAMES:
    logging.getLogger(name)

def observe(**options):
    configure_logging(
        Resource("shop", environment="test"), LogOptions(stdout="off", folder=FOLDER, **options)
    )

def work():
    logging.getLogger("shop.bank").debug("charged %s", 3)
    logging.getLogger("shop").info("too quiet for this host")
    logging.getLogger("shop").warning("odd: %d", 5_000_000)
    logging.getLogger("silent").error("kept from the root logger")
    logging.getLogger("httpx").info("HTTP Request: %s", "https://host/+15550100001")
    warnings.warn("deprecated", stacklevel=1)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("shop").exception("failed")
    thread = threading.Thread(target=lambda: 1 / 0, name="worker")
    thread.start()
    thread.join()
    get_logger("shop.own").info("said")
"""


def ran(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.open()]


def test_nothing_of_the_hosts_logging_changes(tmp_path: Path) -> None:
    done = ran(
        """
logging.config.dictConfig(HOST)
sys.excepthook = threading.excepthook = hook
signal.signal(signal.SIGHUP, hook)
before = state()
observe()
work()
after = state()
assert before == after, [(before[key], after[key]) for key in before if before[key] != after[key]]
""",
        tmp_path / "logs",
    )
    assert done.returncode == 0, done.stderr


CONFIGURATIONS = {
    "dictConfig before": "logging.config.dictConfig(HOST)\nOBSERVE",
    "dictConfig after": "OBSERVE\nlogging.config.dictConfig(HOST)",
    "basicConfig after": "OBSERVE\nlogging.basicConfig(level='INFO')",
    "nothing, so that warnings come by themselves": "OBSERVE",
    "uvicorn's": "from uvicorn.config import LOGGING_CONFIG\n"
    "logging.config.dictConfig(LOGGING_CONFIG)\nOBSERVE",
    "a hook": "sys.excepthook = threading.excepthook = hook\nOBSERVE",
}


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_what_the_host_writes_is_the_same_with_and_without_the_layer(
    configuration: str, tmp_path: Path
) -> None:
    end = "\nwork()\nraise SystemError('the end')\n"
    without = ran(configuration.replace("OBSERVE", "") + end, tmp_path / "without")
    with_it = ran(configuration.replace("OBSERVE", "observe()") + end, tmp_path / "with")
    assert "odd: 5000000" in without.stderr
    assert with_it.stderr == without.stderr
    assert with_it.stdout == without.stdout
    assert {"event": "said", "logger": "shop.own"}.items() <= written(tmp_path / "with")[-1].items()


def test_the_hosts_lines_are_in_the_layers_log_as_well(tmp_path: Path) -> None:
    for number, order in enumerate(("before", "after")):
        folder = tmp_path / str(number)
        steps = ["logging.config.dictConfig(HOST)", "observe()"]
        ran("\n".join(steps if order == "before" else steps[::-1]) + "\nwork()\n", folder)
        events = [(line["event"].split(":")[0], line["logger"]) for line in written(folder)]
        assert events == [
            ("charged 3", "shop.bank"),
            ("odd", "shop"),
            ("failed", "shop"),
            ("said", "shop.own"),
        ], order


def test_with_replace_handlers_there_is_one_log_and_the_hosts_hooks_still_run(
    tmp_path: Path,
) -> None:
    done = ran(
        """
logging.config.dictConfig(HOST)
sys.excepthook = threading.excepthook = hook
signal.signal(signal.SIGHUP, lambda *_: print("the host's own signal"))
observe(replace_handlers=True)
observe(replace_handlers=True)
signal.raise_signal(signal.SIGHUP)
work()
raise SystemError("the end")
""",
        tmp_path / "logs",
    )
    events = [line["event"] for line in written(tmp_path / "logs")]
    assert events.count("uncaught_exception") == 2
    assert "failed" in events
    assert done.stdout.count("the host's own signal") == 1
    assert done.stderr.count("the host's own hook") == 2


def test_a_host_that_configures_its_log_afterwards_is_told_once(tmp_path: Path) -> None:
    done = ran(
        """
observe(replace_handlers=True)
logs.look_after_sources()
logging.config.dictConfig(HOST)
logs.look_after_sources()
logs.look_after_sources()
get_logger("shop.own").info("said")
""",
        tmp_path / "logs",
    )
    assert done.returncode == 0, done.stderr
    assert [line["event"] for line in written(tmp_path / "logs")] == ["log_source_lost", "said"]


def test_neither_structlog_nor_anything_else_is_imported_unasked(tmp_path: Path) -> None:
    done = ran(
        """
import importlib.util
observe()
get_logger("x").info("paid %s", 3, to="order-42")
unasked = {"structlog", "fastapi", "opentelemetry", "duckdb", "structlog.dev"} & {*sys.modules}
print(sorted(unasked))
""",
        tmp_path / "logs",
    )
    assert done.stdout == "[]\n", done.stderr
    (line,) = written(tmp_path / "logs")
    assert (line["event"], line["to"]) == ("paid 3", "order-42")


def test_another_who_wraps_the_loggers_as_well_gets_each_record_once(tmp_path: Path) -> None:
    """As error trackers do, before and after the layer."""
    done = ran(
        """
seen = []
def wrap():
    original = logging.Logger.callHandlers
    def tracked(self, record):
        seen.append(record.getMessage())
        original(self, record)
    logging.Logger.callHandlers = tracked
wrap()
observe()
wrap()
observe()
logging.getLogger("shop").warning("odd")
assert seen == ["odd", "odd"]
""",
        tmp_path / "logs",
    )
    assert done.returncode == 0, done.stderr
    assert [line["event"] for line in written(tmp_path / "logs")] == ["odd"]
