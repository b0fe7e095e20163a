"""The answer of an upstream that has taken something over: 202 and an ID."""

from typing import Any

from pydantic import TypeAdapter

from app.clients.upstream import Answered

LONGEST_ID = 128
"""Characters of an ID that there is room for."""

_OBJECT = TypeAdapter(dict[str, Any])


def accepted_id(answered: Answered, name: str) -> str | None:
    """The ID of what was taken over, at ``name``; None where it is none that can be kept.

    With 202 it was taken over whatever else the answer says: what is wrong with the ID does not
    undo that. Any other answer needs the ID. Raises ValueError.
    """
    try:
        found = _OBJECT.validate_json(answered.body)
    except ValueError:
        found = {}
    if answered.status != 202 and found.get(name) is None:
        raise ValueError(f"no {name}: it does not say that it was accepted")
    identifier = found.get(name)
    if not isinstance(identifier, str) or not 0 < len(identifier) <= LONGEST_ID:
        return None
    return identifier if identifier.isprintable() else None
