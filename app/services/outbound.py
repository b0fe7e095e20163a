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


def is_known_not_to_be_sent(key: str) -> Update:
    """Note that nothing was sent, so that another text may be."""
    return (
        update(table_of(OutboundMessage))
        .where(OutboundMessage.id == key, OutboundMessage.state == OutboundState.UNCONFIRMED)
        .values(state=OutboundState.NOT_SENT, updated_at=now())
    )


def replaces(old_key: str, outbound: OutboundMessage) -> Update:
    """Have ``outbound`` sent in place of a text that is known not to be.

    The old key is never used again: the SMS Agent may remember what it has answered to it.
    """
    return (
        update(table_of(OutboundMessage))
        .where(OutboundMessage.id == old_key, OutboundMessage.state == OutboundState.NOT_SENT)
        .values(id=outbound.id, text=outbound.text, state=outbound.state, updated_at=now())
    )
