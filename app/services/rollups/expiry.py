"""Expiry: what is older than its retention is archived and then deleted.

A file holds rows of one day, and is written a page at a time: memory holds a page, and the keys of
a file. Its rows are deleted once it is on disk. When that is cut off in between, the rows are still
there; the next round finds them in the last file, and only deletes them.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.core.catalogue import BackgroundTask
from app.core.config import RollupSettings
from app.core.events import RollupsArchived, RollupsNotExpired
from app.services.rollups import archive
from app.services.rollups.rollups import retentions
from app.services.rollups.row_store import RowStore
from app.services.rollups.store import Store
from app.services.rollups.tables import RowKind
from asgi_observability.background import Background
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger

log = get_logger(__name__)

_DAY = 86400
_KEY = ("resolution", "kind", "bucket_start", "writer")
_LEASE_SECONDS = 600.0

PAGE = 200
"""Rows that are read at once: some megabytes."""

ROWS_IN_A_FILE = 10_000
"""Rows of one file at most; a day of more has several."""


class Expiry:
    """Looks for expired rows at an interval; one replica at a time does."""

    def __init__(
        self,
        leases: Store,
        stores: Sequence[RowStore],
        settings: RollupSettings,
        archive_dir: Path,
        writer: str,
    ) -> None:
        """``leases`` keeps the lease for all ``stores``."""
        self._leases, self._stores = leases, stores
        self._settings = settings
        self._archive_dir = archive_dir
        self._writer = writer[:32]
        self._renew_at = float("-inf")

    async def run(self, background: Background) -> None:
        """Expire until cancelled; what fails is logged and tried at the next time."""
        await background.every_beginning_later(
            BackgroundTask.ROLLUP_EXPIRY,
            self._settings.expiry_interval_seconds,
            self._try_to_expire,
        )

    async def _try_to_expire(self) -> None:
        try:
            await self.expire()
        except (SQLAlchemyError, OSError) as error:
            log.event(RollupsNotExpired(reason=FromCode(str(error).splitlines()[0])))

    async def expire(self) -> list[Path]:
        """Archive and delete what has expired; gives the files. Raises SQLAlchemyError, OSError.

        Only whole days expire.
        """
        written = []
        with suppress(_LeaseLostError):
            self._renew_at = float("-inf")
            await self._renew()
            for store in self._stores:
                names = await store.names()
                for resolution, kind, until in self._limits():
                    for day in await store.days_before(resolution, kind, until):
                        while file := await self._expire_some(store, resolution, kind, day, names):
                            written.append(file)
            await self._leases.join_counted(kept_since=min(until for *_, until in self._limits()))
        return written

    async def _expire_some(
        self, store: RowStore, resolution: int, kind: RowKind, day: int, names: dict[int, str]
    ) -> Path | None:
        """Move some rows of a day to a new file; None when there is nothing left to move."""
        date = datetime.fromtimestamp(day, UTC).date()
        archived = await asyncio.to_thread(
            archive.rows_of_last_part, self._archive_dir, resolution, kind, date
        )
        after: tuple[int, str] | None = None
        found: list[dict[str, Any]] = []
        new = 0
        with archive.Part(
            self._archive_dir, resolution, kind=kind, day=date, names=names, archived=archived
        ) as part:
            while len(found) < ROWS_IN_A_FILE:
                await self._renew()
                rows = await store.page_of_day(resolution, kind, day, after, PAGE)
                if not rows:
                    break
                new += await asyncio.to_thread(part.write, rows)
                last = rows[-1]
                after = (last["bucket_start"], last["writer"])
                found += ({name: row[name] for name in _KEY} for row in rows)
            if not found:
                return None
            await self._renew()
            if new:
                await asyncio.to_thread(part.finish)
        await store.delete_rows(found)
        if not new:
            # All of them were in the last file already; there may be others.
            return await self._expire_some(store, resolution, kind, day, names)
        log.event(RollupsArchived(file=FromCode(part.path.name), rows=new))
        return part.path

    async def _renew(self) -> None:
        """Take the lease, or take it again once half of it is over. Raises _LeaseLostError."""
        if time.time() < self._renew_at:
            return
        if not await self._leases.take_lease("expiry", self._writer, _LEASE_SECONDS):
            raise _LeaseLostError
        self._renew_at = time.time() + _LEASE_SECONDS / 2

    def _limits(self) -> Iterator[tuple[int, RowKind, int]]:
        """Up to which day, exclusively, the rows of a resolution and kind have expired."""
        for resolution, retention in retentions(self._settings).items():
            for kind in RowKind:
                oldest = time.time() - getattr(retention, kind) * _DAY
                yield resolution, kind, int(oldest) // _DAY * _DAY


class _LeaseLostError(Exception):
    """Another replica does it now."""
