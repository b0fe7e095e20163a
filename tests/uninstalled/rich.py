"""Hides what only a dependency of a test tool has installed."""

raise ImportError("rich is not installed where the service runs")
