"""Which requests may go through a proxy of the environment: none to this machine."""

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import proxy_bypass


def is_on_this_machine(url: str) -> bool:
    """Whether ``url`` names a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def may_be_used_for(url: str) -> bool:
    """What httpx's ``trust_env`` has to be for ``url``."""
    return not is_on_this_machine(url)


def variable_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The environment variable whose proxy requests to ``url`` go through; None: they go directly.

    The name only: a proxy's address may hold a password.
    """
    parts = urlsplit(url)
    if is_on_this_machine(url) or proxy_bypass(parts.netloc):
        return None
    scheme = parts.scheme.lower()
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if environment.get(name)), None)
