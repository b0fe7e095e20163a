"""`python -m app`: check the settings, then serve."""

import argparse
import os
import sys
import tempfile

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
    with tempfile.TemporaryDirectory(prefix="orchestrator-metrics-") as folder:
        if settings.workers > 1:
            # Read by prometheus-client when a worker imports it.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
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


if __name__ == "__main__":
    sys.exit(main())
