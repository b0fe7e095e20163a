"""The lock that whatever looks at a conversation as a whole begins with."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database


def conversation_key(conversation_id: str) -> str:
    """What transactions that change this conversation agree to lock.

    It is taken before any row is changed. So two of them never wait for each other's rows, and what
    one has read stays true until it commits. A run that changes only its own workflow needs none.
    """
    return f"conversation:{conversation_id}"


async def lock_conversation(
    database: Database, session: AsyncSession, conversation_id: str
) -> None:
    """Wait until nobody else changes this conversation, and keep others out until the commit."""
    await database.lock(session, conversation_key(conversation_id))
