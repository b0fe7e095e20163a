"""Databases as a first start finds them: without tables."""

import pytest


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """A new, empty database: each test runs on both."""
    return empty_database_url
