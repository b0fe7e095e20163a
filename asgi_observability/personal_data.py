"""What may be written down: identifiers as they are, anything else of a client's as a keyed hash.

A tenant's text can turn up anywhere: in the wrong field, in the message of an exception, as the ID
that a client chose. So no pattern decides what looks personal in a text; instead nothing is written
that is not known to be something else: a number, a member of an enum, a constant of the program, or
a string in the shape of an identifier.
"""

import hmac
import re
import secrets
from enum import Enum

_PREFIX = "hmac:"
_DIGEST_BYTES = 8
"""16 hexadecimal digits: two of a billion identifiers share one with a chance of 3 %."""

LARGEST_NUMBER = 10**6
"""From here on a number in a field that nobody declared could be somebody's telephone number."""

_SHAPE = re.compile(r"(?=[^\d]*\d)[A-Za-z0-9_.:\-]{1,128}")
_KEYWORD = re.compile(r"[a-z_][a-z0-9_]{0,40}")
_HASH = re.compile(_PREFIX + r"[0-9a-f]{16}")
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
# Digits in a row, or parted as people part them, with no letter beside them: seven where there is
# nothing else, and nine behind a word, where shorter ones are mostly serial numbers.
_TELEPHONE = re.compile(r"(?<![A-Za-z0-9])\d(?:[.:_\-]{0,2}\d){6,}(?![A-Za-z0-9])")
_TELEPHONE_BESIDE_A_WORD = re.compile(r"(?<![A-Za-z0-9])\d(?:[.:_\-]{0,2}\d){8,}(?![A-Za-z0-9])")
_LETTER = re.compile("[A-Za-z]")
_CREDENTIAL = re.compile(
    r"(?i:sk|pk|rk|ghp|gho|github_pat|glpat|xox[a-z]|akia|asia|bearer|basic|token|key)[_\-:.].*"
    r"|AKIA.*|eyJ.*"
    r"|(?=.*[a-z])(?=.*[A-Z])(?=.*\d).{20,}"
)

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
    """Whether ``text`` can only be an identifier.

    That is up to 128 ASCII letters, digits and ``_.:-`` with a digit among them, which neither read
    like a telephone number nor like a credential. Names and words have no digit.
    """
    if text.startswith(_PREFIX) and _HASH.fullmatch(text):
        return True
    if _UUID.fullmatch(text):
        return True
    telephone = _TELEPHONE_BESIDE_A_WORD if _LETTER.search(text) else _TELEPHONE
    return bool(
        _SHAPE.fullmatch(text) and not telephone.search(text) and not _CREDENTIAL.fullmatch(text)
    )


def is_keyword(text: str) -> bool:
    """Whether ``text`` is a name as programs give them to fields, in lower case."""
    return bool(_KEYWORD.fullmatch(text)) and not _TELEPHONE.search(text.replace("_", ""))


def identifier(text: str) -> str:
    """``text`` when it is an identifier, else its hash. Doing it twice changes nothing."""
    return text if is_identifier(text) else hashed(text)


def loggable(value: object) -> object:
    """What of ``value``, which came from anywhere, may be written: always something JSON can hold.

    Mappings and sequences are gone through; their keys count as values.
    """
    match value:
        case None | bool():
            return value
        case Enum():
            return value.value
        case int() | float():
            return value if abs(value) < LARGEST_NUMBER else hashed(str(value))
        case str():
            return identifier(value)
        case dict():
            return {identifier(str(key)): loggable(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [loggable(inner) for inner in value]
        case BaseException():
            return type(value).__qualname__
        case _:
            return hashed(_text_of(value))


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return type(value).__qualname__
