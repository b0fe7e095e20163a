"""Texts on their way to tenants."""

from sqlalchemy import Update, update

from app.models import OutboundMessage, OutboundState, now
from app.services.inserts import table_of


def has_been_sent(key: str, message_id: str | None) -> Update:
    """Note that the SMS Agent has taken the text."""
    return (
        update(table_of(OutboundMessage))
        .where(OutboundMessage.id == key, OutboundMessage.state != OutboundState.SENT)
        .values(state=OutboundState.SENT, message_id=message_id, updated_at=now())
    )
