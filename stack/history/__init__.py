"""Gives a Prometheus that has never run its synthetic history."""
