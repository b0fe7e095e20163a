"""`python -m asgi_observability.log_query`: find lines, count them, follow one request."""

import sys

from asgi_observability.log_query.command_line import Service, ask
from asgi_observability.utf8 import begin_in_utf8

SERVICE = Service(
    program="python -m asgi_observability.log_query",
    folder="LOGS_FOLDER",
    hash_key="LOG_HASH_KEY",
    secrets_dir="LOG_SECRETS_DIR",
)

if __name__ == "__main__":
    begin_in_utf8()
    sys.exit(ask(SERVICE))
