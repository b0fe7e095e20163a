"""What is logged within a block, as the lines that would be written."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgi_observability import logging as logs
from asgi_observability.log_sampling import Sampling
from asgi_observability.log_writer import Writer
from asgi_observability.pipeline import Explain
from asgi_observability.privacy import Privacy


class Memory:
    """A sink that keeps everything."""

    name = "memory"

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, lines: memoryview) -> int:
        """Take all of it."""
        self.written += lines
        return len(lines)

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What was written."""
        return [json.loads(line) for line in bytes(self.written).splitlines()]


@contextmanager
def captured_logs(
    sampling: Sampling | None = None,
    privacy: Privacy | None = None,
    explain: Explain | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """The lines logged within the block; filled when it ends."""
    memory, lines = Memory(), list[dict[str, Any]]()
    writer = Writer(memory, 64 * 1024 * 1024)
    pipeline = logs.Pipeline(
        {"service": "tests"}, sampling or Sampling(), [writer], privacy=privacy, explain=explain
    )
    before = logs.log_through(pipeline)
    try:
        yield lines
    finally:
        logs.log_through(before)
        writer.close()
        lines += memory.lines
