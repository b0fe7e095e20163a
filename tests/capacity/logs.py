"""How small log lines become: in rotated files, and in VictoriaLogs.

The lines are those of a real orchestrator under simulated traffic, sampled as it is by default.
"""

import asyncio
import gzip
import tempfile
from pathlib import Path
from typing import Any

from prometheus_tools.toolchain import locate_engine
from tests.capacity import service
from tests.free_port import free_port
from tests.programs import answering
from tests.waiting import eventually

SMS = 1500
BATCH = 10_000
STREAM_FIELDS = "service,level,environment"
"""As few and as bounded as Loki's labels in grafana/loki/config.alloy."""


async def measured() -> dict[str, Any]:
    """The part ``logs`` of the constants."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = await service.lines_of(SMS)
        text = b"".join(lines)
        packed = await asyncio.to_thread(gzip.compress, text, 6)
        stored = await _in_victoria_logs(folder, lines)
    return {
        "gzip": round(len(packed) / len(text), 4),
        "victoria_logs": round(stored / len(text), 4),
    }


async def _in_victoria_logs(folder: Path, lines: list[bytes]) -> float:
    """Bytes on disk, once merged."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        locate_engine("victoria-logs").path,
        f"-storageDataPath={folder / 'logs'}",
        f"-httpListenAddr={address}",
        "-retentionPeriod=100y",
    ]
    url = f"http://{address}"
    async with answering(command, folder, folder / "log", url, "/health") as client:
        query = {"_stream_fields": STREAM_FIELDS, "_time_field": "timestamp", "_msg_field": "event"}
        for first in range(0, len(lines), BATCH):
            some = b"".join(lines[first : first + BATCH])
            answer = await client.post("/insert/jsonline", params=query, content=some)
            answer.raise_for_status()
        (await client.get("/internal/force_flush")).raise_for_status()
        (await client.get("/internal/force_merge")).raise_for_status()

        async def all_are_there() -> bool:
            found = await client.get(
                "/select/logsql/query", params={"query": "* | stats count() n"}
            )
            return f'"n":"{len(lines)}"' in found.text

        await eventually(all_are_there)
    return sum(file.stat().st_size for file in (folder / "logs").rglob("*") if file.is_file())
