"""How small log lines become: in rotated files, and in VictoriaLogs.

The lines are those of `python -m simulator.log_lines`: only what they say is random.
"""

import asyncio
import gzip
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from asgi_observability import logging as logs
from prometheus_tools.toolchain import locate_engine
from simulator import log_lines
from tests.free_port import free_port
from tests.programs import answering
from tests.waiting import eventually

LINES = 400_000
BATCH_BYTES = 4_000_000
STREAM_FIELDS = "service,level,environment"
"""As few and as bounded as Loki's labels in grafana/loki/config.alloy."""


async def measured() -> dict[str, Any]:
    """The part ``logs`` of the constants."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = folder / "lines"
        await asyncio.to_thread(log_lines.write, written, LINES, Random(1))
        logs.pipeline().close()
        lines = [line for file in sorted(written.glob("*.jsonl*")) for line in _read(file)]
        text = b"".join(lines)
        packed = await asyncio.to_thread(gzip.compress, text, 6)
        stored = await _in_victoria_logs(folder, lines)
    return {
        "gzip": round(len(packed) / len(text), 4),
        "victoria_logs": round(stored / len(text), 4),
    }


def _read(file: Path) -> list[bytes]:
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return content.splitlines(keepends=True)


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
        batch: list[bytes] = []
        for number, line in enumerate(lines, 1):
            batch.append(line)
            if number == len(lines) or sum(map(len, batch[-1:])) * len(batch) > BATCH_BYTES:
                answer = await client.post(
                    "/insert/jsonline", params=query, content=b"".join(batch)
                )
                answer.raise_for_status()
                batch = []
        (await client.get("/internal/force_flush")).raise_for_status()
        (await client.get("/internal/force_merge")).raise_for_status()

        async def all_are_there() -> bool:
            found = await client.get(
                "/select/logsql/query", params={"query": "* | stats count() n"}
            )
            return f'"n":"{len(lines)}"' in found.text

        await eventually(all_are_there)
    return sum(file.stat().st_size for file in (folder / "logs").rglob("*") if file.is_file())
