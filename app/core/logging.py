"""The orchestrator's logs: the layer's, as the settings say."""

from app.core.config import Settings
from app.core.events import HashKeyMissing
from app.core.instrumentation import orchestrator
from asgi_observability import logging
from asgi_observability.event import FromCode

log = logging.get_logger(__name__)


def configure_logging(settings: Settings) -> None:
    """Send everything that is logged in this process where the settings say. Raises OSError."""
    logging.configure_logging(orchestrator(settings.environment), settings.log_options)
    if settings.log_hash_key is None:
        fix = "set ORCHESTRATOR_LOG_HASH_KEY, or put log_hash_key into the folder of secrets"
        log.event(HashKeyMissing(fix=FromCode(fix)))
