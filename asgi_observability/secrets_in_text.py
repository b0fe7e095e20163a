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
_LOGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*:/{0,2})(?P<login>.*)@", re.DOTALL)
_LOGIN_IN_TEXT = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<login>[^\s\"'<>]*)@")
_USER = re.compile(r"[A-Za-z0-9_.\-]+(?=:)")
_PARAMETER = re.compile(r"(?P<name>[A-Za-z0-9_.\-]+)=(?P<value>[^&;]+)")


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
    """A URL without its password or token, whether it can be parsed or not. Never raises.

    Everything that shows an address uses it: what is no URL at all may be a password by mistake.
    """
    text = str(url)
    if ":" not in text:
        return SECRET
    shown = _LOGIN.sub(_without_login, text, count=1)
    return _PARAMETER.sub(_without_value, shown)


def without_logins(text: str) -> str:
    """A text without the passwords of the URLs in it."""
    return _LOGIN_IN_TEXT.sub(_without_login, text) if "@" in text else text


def _without_login(found: re.Match[str]) -> str:
    scheme, login = found["scheme"], found["login"]
    if scheme.startswith("sqlite"):
        return found[0]  # a path of a file
    if user := _USER.match(login):
        return f"{scheme}{user[0]}:***@"
    # Databases have users without a password; elsewhere it may be a token.
    is_user = "sql" in scheme and _USER.match(f"{login}:")
    return f"{scheme}{login}@" if is_user and ":" not in login else f"{scheme}***@"


def _without_value(found: re.Match[str]) -> str:
    return f"{found['name']}=***" if is_secrets_name(found["name"]) else found[0]
