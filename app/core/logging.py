"""What the orchestrator says of its own logs; they are the layer's, as the settings say."""

from app.core.config import Settings
from app.core.events import HashKeyMissing
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger

log = get_logger(__name__)


def tell_of_hash_key(settings: Settings) -> None:
    """Say at start that hashes differ from process to process, where no key was set."""
    if settings.log_hash_key is None:
        fix = "set ORCHESTRATOR_LOG_HASH_KEY, or put log_hash_key into the folder of secrets"
        log.event(HashKeyMissing(fix=FromCode(fix)))
