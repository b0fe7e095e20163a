"""SMS as the tests send them to the orchestrator."""

SMS = {
    "tenant_id": "tenant-1",
    "phone_number": "+15550100001",
    "content": "When is my rent due?",
    "conversation_id": "conversation-1",
}


def sms(number: int, content: str = "Hello") -> dict[str, str]:
    """The first SMS of a tenant and a conversation of their own."""
    return {
        "tenant_id": f"tenant-{number}",
        "phone_number": f"+1555{number:07}",
        "content": content,
        "conversation_id": f"conversation-{number}",
    }
