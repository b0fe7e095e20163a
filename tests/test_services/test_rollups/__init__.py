"""Tests of the rollups, on SQLite and PostgreSQL."""
