"""Searches the log files: `python -m asgi_observability.log_query --help`. May import core."""
