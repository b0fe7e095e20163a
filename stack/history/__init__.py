"""Synthetic weeks for a Prometheus that knows none yet: trends and bands show at once."""
