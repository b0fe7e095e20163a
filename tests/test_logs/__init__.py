"""Tests of the log search, up to a running service."""
