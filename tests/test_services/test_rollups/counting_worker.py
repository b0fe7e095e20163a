"""A worker process that counts SMS as fast as the test wants, and says what it has noted.

`python -m tests.test_services.test_rollups.counting_worker URL NAME EVENTS`: a line
``noted N`` before every hundred events, ``flushed N`` after a flush that had N events in it. It
ends by itself after EVENTS, with everything written; 0 means to go on until it is killed.
"""

import asyncio
import sys

from app.core import catalogue
from app.core.config import RollupSettings
from tests.test_services.test_rollups.conftest import Writer, database_at

FLUSH_SECONDS = 0.2


async def main(url: str, name: str, events: int) -> None:
    """Count, and flush at the interval."""
    database = database_at(url, pool_size=2)
    worker = Writer(database, name, RollupSettings(flush_seconds=FLUSH_SECONDS))
    series = worker.instruments.counter(catalogue.SMS_RECEIVED).series()
    noted = 0

    async def flush() -> None:
        while True:
            before = noted
            await worker.rollups.flush()
            print("flushed", before, flush=True)
            await asyncio.sleep(FLUSH_SECONDS)

    flushing = asyncio.create_task(flush())
    while not events or noted < events:
        print("noted", noted + 100, flush=True)
        for _ in range(100):
            series.note()
            noted += 1
        await asyncio.sleep(0.005)
    flushing.cancel()
    await asyncio.wait([flushing])
    await worker.rollups.finish()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
