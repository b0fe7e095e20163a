"""The metrics of several workers as one: each leaves a snapshot, whoever is scraped adds them up.

prometheus-client's own way, files that every increment writes to, makes each event twice to three
times as expensive, drops exemplars and keeps the files of every worker that ever was. Here a
worker's instruments stay in its memory. Its snapshot is at most a second old, and what dead workers
counted is kept in one file.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psutil
from prometheus_client import Metric as Family
from prometheus_client.samples import Exemplar, Sample

from asgi_observability.background import Background
from asgi_observability.instruments import Instruments

SNAPSHOT_SECONDS = 1.0

_COMBINE: dict[str, Callable[[Iterable[float]], float]] = {
    "livesum": sum,
    "livemin": min,
    "livemax": max,
}


class Workers:
    """The workers that share ``folder``, seen from one of them. Raises OSError without a folder."""

    def __init__(self, instruments: Instruments, folder: Path) -> None:
        self._registry = instruments.registry
        self._merge_of = instruments.merge_of
        self._background = Background(instruments)
        self._folder = folder
        self._departed = folder / "departed.json"
        started = int(psutil.Process().create_time() * 1000)
        self._own = folder / f"worker-{os.getpid()}-{started}.json"

    async def run(self) -> None:
        """Leave a snapshot every second until cancelled, and a last one then."""
        try:
            await self._background.every(
                "worker_snapshot",
                SNAPSHOT_SECONDS,
                lambda: asyncio.to_thread(self.leave_snapshot),
            )
        finally:
            self.leave_snapshot()

    def leave_snapshot(self) -> None:
        """Write down what this worker counts."""
        _write(self._own, [_packed(family) for family in self._registry.collect()])

    def collect(self) -> Iterable[Family]:
        """Every worker's metrics added up: this one as it is, others as of their last snapshot."""
        with self._locked():
            others = [file for file in self._folder.glob("worker-*.json") if file != self._own]
            dead = [file for file in others if not _alive(file)]
            if dead:
                self._bury(dead)
            live = [_read(file) for file in others if file not in dead]
            departed = _read(self._departed)
        own = [_packed(family) for family in self._registry.collect()]
        return [_family(packed) for packed in _merged([own, *live, departed], self._merge_of)]

    def _bury(self, files: list[Path]) -> None:
        """Keep what dead workers counted, for counters must not go back; forget their gauges."""
        counted = [
            [family for family in _read(file) if family["type"] != "gauge"]
            for file in [self._departed, *files]
        ]
        # Before the sum is written: a crash between the two loses, but never counts twice.
        for file in files:
            file.unlink()
        _write(self._departed, list(_merged(counted, self._merge_of)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


Packed = dict[str, Any]
"""A metric family as JSON: name, help, type, unit, samples of name, labels, value and exemplar."""


def _packed(family: Family) -> Packed:
    return {
        "name": family.name,
        "help": family.documentation,
        "type": family.type,
        "unit": family.unit,
        "samples": [
            (s.name, s.labels, s.value, s.exemplar and tuple(s.exemplar)) for s in family.samples
        ],
    }


def _family(packed: Packed) -> Family:
    family = Family(packed["name"], packed["help"], packed["type"], packed["unit"])
    family.samples = [
        Sample(name, labels, value, None, Exemplar(*exemplar) if exemplar else None)
        for name, labels, value, exemplar in packed["samples"]
    ]
    return family


def _merged(workers: list[list[Packed]], merge_of: Callable[[str], str]) -> Iterator[Packed]:
    families: dict[str, list[Packed]] = {}
    for worker in workers:
        for family in worker:
            families.setdefault(family["name"], []).append(family)
    for name, parts in families.items():
        combine = _COMBINE[merge_of(name)]
        samples: dict[tuple[str, ...], list[Any]] = {}
        for part in parts:
            for sample in part["samples"]:
                samples.setdefault((sample[0], *sample[1].values()), []).append(sample)
        yield parts[0] | {
            "samples": [
                (
                    same[0][0],
                    same[0][1],
                    combine(sample[2] for sample in same),
                    max((s[3] for s in same if s[3]), key=lambda e: e[2] or 0, default=None),
                )
                for same in samples.values()
            ]
        }


def _alive(file: Path) -> bool:
    _, pid, started = file.stem.split("-")
    try:
        process = psutil.Process(int(pid))
        # A process that was given the same number later is another one.
        return (
            int(process.create_time() * 1000) == int(started)
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.NoSuchProcess:
        return False


def _read(file: Path) -> list[Packed]:
    try:
        families: list[Packed] = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return []
    return families


def _write(file: Path, families: list[Packed]) -> None:
    """Whole or not at all: readers never see half a snapshot."""
    temporary = file.with_suffix(".new")
    temporary.write_bytes(orjson.dumps(families))
    temporary.replace(file)
