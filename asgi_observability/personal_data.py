"""What may be written down: identifiers as they are, anything else of a client's as a keyed hash.

A tenant's text can turn up anywhere: in the wrong field, in the message of an exception, as the ID
that a client chose. So no pattern decides what looks personal in a text; instead nothing is written
that is not known to be something else: a number, a member of an enum, a constant of the program, or
a string in the shape of an identifier (`asgi_observability.identifier_shapes`).
"""

import hmac
import re
import secrets
from functools import lru_cache

from asgi_observability import identifier_shapes

_PREFIX = "hmac:"
_DIGEST_BYTES = 8
"""16 hexadecimal digits: two of a billion identifiers share one with a chance of 3 %."""

_HASH = re.compile(_PREFIX + r"[0-9a-f]{16}")
_CORRELATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# As programs name fields, in snake case or camel case, with dots between them. In keys, capitals
# and digits are mixed; in a text that is written as one word, digits are words: im2late.
_WORD = r"(?:[a-z]+[0-9]?|[a-z]{0,2}[0-9]{1,3}|[a-z]+(?:[A-Z]{1,4}[a-z]*){1,5}[0-9]?)"
_NAME = rf"_*{_WORD}(?:_+{_WORD})*_{{0,2}}"
_FIELD_NAME = re.compile(rf"(?!(?:[^0-9]*[0-9]){{5}})(?![0-9]){_NAME}(?:\.{_NAME})*")
MAX_FIELD_NAME = 60

_key = secrets.token_bytes(32)


def use_key(key: str) -> None:
    """Hash with ``key`` from now on; without one, hashes differ from process to process."""
    global _key
    _key = key.encode()


def hashed(text: str) -> str:
    """The keyed hash that stands for ``text``: the same for the same text and key."""
    digest = hmac.digest(_key, text.encode("utf-8", "surrogatepass"), "sha256")
    return _PREFIX + digest[:_DIGEST_BYTES].hex()


def is_identifier(text: str) -> bool:
    """Whether ``text`` can only be an identifier, by its shape, or is a hash already."""
    return identifier_shapes.is_identifier(text) or (
        text.startswith(_PREFIX) and bool(_HASH.fullmatch(text))
    )


def is_correlation_id(text: str) -> bool:
    """Whether a caller's ID may be in every line and header of a request.

    That is an identifier of 8 to 64 letters, digits, dots, dashes or underscores, which begins with
    a letter or digit; or a nanoid; or a trace header of AWS or Google. Others could forge lines.
    """
    if _CORRELATION_ID.fullmatch(text):
        return identifier_shapes.is_identifier(text)
    return identifier_shapes.is_nanoid(text) or identifier_shapes.is_trace_header(text)


@lru_cache(maxsize=2048)
def is_field_name(text: str) -> bool:
    """Whether ``text`` is a name as programs give them to fields, which is never hashed."""
    return len(text) <= MAX_FIELD_NAME and bool(_FIELD_NAME.fullmatch(text))


def identifier(text: str) -> str:
    """``text`` when it is an identifier, else its hash. Doing it twice changes nothing."""
    return text if is_identifier(text) else hashed(text)
