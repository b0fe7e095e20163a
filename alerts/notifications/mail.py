"""Mail servers and addresses, checked before Alertmanager meets them: it looks when it sends."""

import re
from email.utils import getaddresses, parseaddr
from typing import Annotated

from pydantic import AfterValidator

_SERVER = re.compile(r"([^\s:/@\[\]]+|\[[\da-fA-F.]*:[\da-fA-F:.]*(%\w+)?\]):(?P<port>\d+)")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+")
_TEMPLATE = "{{"


def address_of(mailbox: str) -> str:
    """``a@b`` for ``On call <a@b>``."""
    return parseaddr(mailbox)[1] or mailbox


def _server(value: str) -> str:
    found = _SERVER.fullmatch(value)
    if not found or not 1 <= int(found["port"]) <= 65535:
        raise ValueError("write it as HOST:PORT, with an IPv6 address in brackets: [::1]:25")
    return value


def _addresses(value: str | None) -> str | None:
    # Alertmanager may take them from the alerts, by a template.
    if value is None or _TEMPLATE in value:
        return value
    found = [address for _, address in getaddresses([value])]
    if not found or not all(map(_ADDRESS.fullmatch, found)):
        raise ValueError("write addresses separated by commas, such as Team <team@example.org>")
    return value


def _sender(value: str) -> str:
    if _TEMPLATE not in value and len(getaddresses([value])) != 1:
        raise ValueError("write one address")
    return _addresses(value) or value


MailServer = Annotated[str, AfterValidator(_server)]
Addresses = Annotated[str | None, AfterValidator(_addresses)]
Sender = Annotated[str, AfterValidator(_sender)]
