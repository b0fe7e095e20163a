"""Searches the log files: `python -m app.logs --help`. May import core."""
