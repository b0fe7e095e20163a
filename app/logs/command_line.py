"""`python -m app.logs`: find lines, count them, follow one request."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from asgi_observability.log_query.command_line import Service, ask


def _events() -> Iterator[str]:
    # Only who asks for an event needs them.
    from app.core.events import declared

    return (event.name for event in declared())


SERVICE = Service(
    program="python -m app.logs",
    folder="ORCHESTRATOR_LOGS__FOLDER",
    hash_key="ORCHESTRATOR_LOG_HASH_KEY",
    secrets_dir="ORCHESTRATOR_SECRETS_DIR",
    default_folder=Path(".state/logs"),
    default_hash_key=Path(".state/secrets/log_hash_key"),
    component="ai_provider",
    identifiers={
        "tenant": "tenant_id",
        "conversation": "conversation_id",
        "workflow": "workflow_id",
    },
    events=_events,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 when something was found, 1 when nothing was, 2 for a wrong question."""
    return ask(SERVICE, arguments)
