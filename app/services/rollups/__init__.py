"""Rollups: exact counts, sums and sketches in SQL, at four resolutions (docs/rollups.md)."""

from app.services.rollups.consolidation import Consolidation
from app.services.rollups.expiry import Expiry
from app.services.rollups.facts import FactStore
from app.services.rollups.rollups import Rollups, StoreHealth, StoreUnreadableError
from app.services.rollups.store import Store, WriterState
from app.services.rollups.tables import MINUTE, RESOLUTIONS, metadata
from app.services.rollups.totals import Total, Totals, added_up

__all__ = [
    "MINUTE",
    "RESOLUTIONS",
    "Consolidation",
    "Expiry",
    "FactStore",
    "Rollups",
    "Store",
    "StoreHealth",
    "StoreUnreadableError",
    "Total",
    "Totals",
    "WriterState",
    "added_up",
    "metadata",
]
