"""HTTP to the stack's own components: they are on this machine, and no proxy leads to them."""

import ssl
from functools import cache

import httpx


@cache
def client() -> httpx.Client:
    """One for all requests of this process.

    Each client of httpx reads all certificates that this machine trusts, which takes 20 ms, and a
    start asks each component until it is up. Here nobody speaks TLS, so nobody is trusted.
    """
    return httpx.Client(
        trust_env=False,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        # What is asked may have been started anew since.
        limits=httpx.Limits(max_keepalive_connections=0),
    )
