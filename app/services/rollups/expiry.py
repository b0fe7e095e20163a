"""Expiry: what is older than its retention is archived and then deleted, a day at a time."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.core.catalogue import BackgroundTask
from app.core.config import RollupSettings
from app.core.events import FromCode, RollupsArchived, RollupsNotExpired
from app.core.logging import get_logger
from app.core.periodic import Background
from app.services.rollups import archive
from app.services.rollups.rollups import retentions
from app.services.rollups.store import Store
from app.services.rollups.tables import RowKind

log = get_logger(__name__)

_DAY = 86400
_LEASE_SECONDS = 600.0


class Expiry:
    """Looks for expired rows at an interval; one replica at a time does."""

    def __init__(
        self, store: Store, settings: RollupSettings, archive_dir: Path, writer: str
    ) -> None:
        self._store = store
        self._settings = settings
        self._archive_dir = archive_dir
        self._writer = writer[:32]

    async def run(self, background: Background) -> None:
        """Expire until cancelled; what fails is logged and tried at the next time."""
        await background.every(
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

        Only whole days expire, and a day's rows are deleted once its file is on disk.
        """
        if not await self._store.take_lease("expiry", self._writer, _LEASE_SECONDS):
            return []
        names = await self._store.names()
        written = []
        for resolution, kind, until in self._limits():
            for day in await self._store.days_before(resolution, kind, until):
                rows = await self._store.rows_of_day(resolution, kind, day)
                date = datetime.fromtimestamp(day, UTC).date()
                file = await asyncio.to_thread(
                    archive.write, self._archive_dir, resolution, kind, date, rows, names
                )
                await self._store.delete_rows(rows)
                written.append(file)
                log.event(RollupsArchived(file=FromCode(file.name), rows=len(rows)))
        return written

    def _limits(self) -> Iterator[tuple[int, RowKind, int]]:
        """Up to which day, exclusively, the rows of a resolution and kind have expired."""
        for resolution, retention in retentions(self._settings).items():
            for kind in RowKind:
                oldest = time.time() - getattr(retention, kind) * _DAY
                yield resolution, kind, int(oldest) // _DAY * _DAY
