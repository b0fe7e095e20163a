"""On which databases the API is tested.

Most of it does the same on both, and is tested on SQLite at each change; on PostgreSQL as well in
the long form. What it tells a database to do that might differ is marked `on_both_databases`, as
are races. The statements themselves are tested in test_services, always on both.
"""

import pytest

from tests.length import only_long

on_both_databases = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=only_long)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database with its tables and no rows."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
