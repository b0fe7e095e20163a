"""The log of any service that has adopted the layer, asked."""

from asgi_observability.log_query.command_line import Service, ask

SERVICE = Service(
    program="python -m asgi_observability.log_query",
    folder="LOGS_FOLDER",
    hash_key="LOG_HASH_KEY",
    secrets_dir="LOG_SECRETS_DIR",
)


def main() -> int:
    """The command line."""
    return ask(SERVICE)
