"""Tests of the instrumentation layer, asgi_observability/."""
