"""Metrics, logs and correlation IDs for ASGI services; nothing in it knows one of them."""
