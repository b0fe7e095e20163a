"""`python -m app`: check the settings, then serve."""
# ruff: noqa: E402

import gc

# What is imported stays: to look for garbage in it again and again is a fifth of the start, of
# each worker too. `app.main.create` begins to look; a supervisor of workers does so below.
gc.disable()

import argparse
import asyncio
import os
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial

import uvicorn
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from app.api.tokens import check_tokens
from app.core.config import ENV_PREFIX, UPGRADE_WAIT_SECONDS, Settings, load_settings
from app.core.database import Database
from app.core.database_errors import database_trouble
from app.core.environment import SettingsError
from app.migrations import (
    BUSINESS,
    NOTHING,
    ROLLUPS,
    History,
    SchemaError,
    reason_of,
    upgrade,
    waiting,
)
from asgi_observability.secrets_in_text import shown_url
from asgi_observability.utf8 import begin_in_utf8

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep idle connections, so that it is never us who hang up on a request."""

WORKER_METRICS_DIR = f"{ENV_PREFIX}WORKER_METRICS_DIR"


def main() -> int:
    """Serve until stopped; 2 when the settings can't be used, 3 when a worker can't start."""
    argparse.ArgumentParser(
        prog="python -m app",
        description="The SMS orchestrator. It is configured by environment variables.",
        epilog="variables: " + ", ".join(Settings.variables()),
    ).parse_args()
    # Once stopped, the server raises the signal again; by default that would end us uncleaned.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        settings = load_settings()
        _check_files(settings)
        asyncio.run(_prepare_databases(settings))
    except SettingsError as error:
        print(f"The settings can't be used:\n{error}", file=sys.stderr)
        return 2
    config = uvicorn.Config(
        "app.main:create",
        factory=True,
        host=str(settings.host),
        port=settings.port,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.stop_grace_seconds,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    with _metrics_shared_by(settings.workers):
        return _serve(config)


def _serve(config: uvicorn.Config) -> int:
    """Serve until stopped; STARTUP_FAILURE when a worker can't start, 0 otherwise.

    `uvicorn.run` gives no sign of it where there are several workers.
    """
    if config.workers == 1:
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run()
        return 0 if server.started else STARTUP_FAILURE
    gc.enable()
    supervisor = Multiprocess(config, sockets=[config.bind_socket()])
    supervisor.run()
    failed = any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes)
    return STARTUP_FAILURE if failed else 0


def _check_files(settings: Settings) -> None:
    """Raise SettingsError for what the workers would end by: files that can't be used."""
    check_tokens(settings)
    folder = settings.logs.folder
    try:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingsError(
            f"{ENV_PREFIX}LOGS__FOLDER={folder}: {error.strerror}; "
            "name a folder that can be written to"
        ) from None


async def _prepare_databases(settings: Settings) -> None:
    """Upgrade the schemas before any worker uses them. Raises SettingsError.

    A database that does not answer yet is waited for: it may be starting too.
    """
    for variable, url, history in (
        ("DATABASE_URL", settings.database, BUSINESS),
        ("ROLLUP_DATABASE_URL", settings.rollup_database, ROLLUPS),
    ):
        shown = f"{ENV_PREFIX}{variable}: {shown_url(url)}"
        database = Database(url, pool_size=1)
        try:
            before = await waiting(
                partial(_prepare, settings, database, history),
                partial(_tell, shown),
                at_most=settings.database_start_wait_seconds,
            )
            if before and before != NOTHING:
                print(
                    f"{shown}: schema upgraded from {before} to {history.newest}", file=sys.stderr
                )
        except SchemaError as error:
            raise SettingsError(f"{shown} can't be used: {error}") from None
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise SettingsError(
                f"{shown} can't be used ({_words(error)}); is its server up, does its folder exist?"
            ) from None
        finally:
            await database.close()


def _words(error: Exception) -> str:
    """What the database says and what that means, or how it could not be reached."""
    trouble = database_trouble(error)
    if trouble is None:
        return reason_of(error)
    if isinstance(error, DBAPIError | sqlite3.Error):
        return f"{reason_of(error)}: the database {trouble.state}"
    return f"the database {trouble.state}"


async def _prepare(settings: Settings, database: Database, history: History) -> str | None:
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        # aiosqlite's thread may outlive the loop when it can't open the file.
        with closing(sqlite3.connect(url.database or "")) as connection:
            connection.execute("PRAGMA schema_version")
    else:
        await _check_connections(settings, database)
    return await upgrade(database, history, wait_seconds=UPGRADE_WAIT_SECONDS)


def _tell(shown: str, reason: str, waited: float) -> None:
    print(
        f"{shown}: the database {reason}; waiting for it, {waited:.0f} s so far",
        file=sys.stderr,
        flush=True,
    )


async def _check_connections(settings: Settings, database: Database) -> None:
    """Raise SettingsError when this replica alone may open more than the server allows."""
    allowed = await database.connections_allowed()
    if allowed is not None and settings.most_connections > allowed:
        raise SettingsError(
            f"{ENV_PREFIX}DATABASE_CONNECTIONS: {settings.workers} workers may open "
            f"{settings.most_connections} connections and the server allows {allowed}; set it to "
            f"{allowed} or less, lower {ENV_PREFIX}WORKERS, or raise max_connections of PostgreSQL"
        )


@contextmanager
def _metrics_shared_by(workers: int) -> Iterator[None]:
    """A folder in which several workers keep their metrics; one worker needs none."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-metrics-") as folder:
        os.environ[WORKER_METRICS_DIR] = folder
        yield


if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(main())
