"""The orchestrator's log, asked: `python -m app.logs`."""
