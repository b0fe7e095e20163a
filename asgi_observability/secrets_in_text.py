"""Secrets by the names they go by, and within URLs: they are shown nowhere, whatever else is."""

import re
from functools import lru_cache
from itertools import pairwise

SECRET = "[secret]"
"""What is written instead of one."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_ALWAYS = frozenset(
    {
        *("password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets"),
        *("authorization", "cookie", "cookies", "credential", "credentials", "apikey", "apikeys"),
        *("jwt", "bearer", "otp", "totp", "pin", "cvv", "cvc"),
    }
)
_AT_THE_END = frozenset({"auth", "token", "tokens", "signature", "sessionid"})
_KEYS = frozenset(
    {"api", "access", "private", "secret", "signing", "hash", "encryption", "client", "account"}
)
# What is said about a secret is none.
_ABOUT = frozenset(
    {
        *("id", "ids", "name", "names", "type", "kind", "count", "counts", "length", "len", "size"),
        *("bytes", "seconds", "ms", "minutes", "days", "expires", "expiry", "at", "file", "path"),
        *("version", "algorithm", "strategy", "used", "limit", "total", "missing"),
    }
)

# Greedy: a password may hold what should have been escaped.
_LOGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*:/?/?)(?P<login>[^\s\"'<>]*)@")
_USER = re.compile(r"[A-Za-z0-9_.\-]+(?=:)")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9_.\-]+)=(?P<value>[^&;\s\"']+)")


@lru_cache(maxsize=2048)
def is_secrets_name(name: str) -> bool:
    """Whether a field of this name, in whatever case and style, holds a secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _ABOUT:
        return False
    pairs = pairwise(words)
    return (
        not _ALWAYS.isdisjoint(words)
        or words[-1] in _AT_THE_END
        or any(second in ("key", "keys") and first in _KEYS for first, second in pairs)
    )


def shown_url(url: object) -> str:
    """A URL, or a text with URLs in it, without passwords and tokens. It never raises.

    Everything that shows an address uses it, for a URL that can't be parsed holds a password too.
    """
    text = str(url)
    if "@" in text:
        text = _LOGIN.sub(_without_login, text)
    if "=" in text:
        text = _PARAMETER.sub(_without_value, text)
    return text


def _without_login(found: re.Match[str]) -> str:
    # Without a colon it may be a token.
    user = _USER.match(found["login"])
    return f"{found['scheme']}{user[0] + ':' if user else ''}***@"


def _without_value(found: re.Match[str]) -> str:
    return f"{found['name']}=***" if is_secrets_name(found["name"]) else found[0]
