"""`python -m app`: check the settings, then serve."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from app.core.config import SettingsError, known_variables, load_settings

GRACE_SECONDS = 30
"""How long requests under way may take after a stop was asked for."""


def main() -> int:
    """Serve until stopped; 2 when the settings can't be used."""
    argparse.ArgumentParser(
        prog="python -m app",
        description="The SMS orchestrator. It is configured by environment variables.",
        epilog="variables: " + ", ".join(known_variables()),
    ).parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"The settings can't be used:\n{error}", file=sys.stderr)
        return 2
    # Once stopped, the server raises the signal again; by default that would end us uncleaned.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _metrics_shared_by(settings.workers):
        uvicorn.run(
            "app.main:create",
            factory=True,
            host=str(settings.host),
            port=settings.port,
            workers=settings.workers,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    return 0


@contextmanager
def _metrics_shared_by(workers: int) -> Iterator[None]:
    """A folder in which several workers keep their metrics; one worker needs none."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-metrics-") as folder:
        # Read by prometheus-client when a worker imports it.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


if __name__ == "__main__":
    sys.exit(main())
