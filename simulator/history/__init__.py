"""Writes weeks of synthetic metrics of the orchestrator, with known incidents."""
