"""Finding things in the log files: `python -m app.logs --help`."""
