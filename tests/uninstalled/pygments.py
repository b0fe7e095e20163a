"""Hides what only a dependency of a test tool has installed."""

raise ImportError("pygments is not installed where the service runs")
