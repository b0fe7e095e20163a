"""The four upstreams over HTTP, with retries, circuit breakers and timing.

May import core.
"""
