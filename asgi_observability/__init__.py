"""The instrumentation layer: metrics, logs and correlation IDs for any ASGI service.

A distribution of its own (pyproject.toml beside this file). It imports nothing of this project.
"""
