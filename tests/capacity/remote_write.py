"""Samples by Prometheus's remote write protocol, marks of series that end included."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

import httpx

_STALE_BYTES = struct.pack("<Q", 0x7FF0000000000002)
_LITERAL = 65536
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}

Sample = tuple[int, float | None]
"""Milliseconds and the value; None where the series has ended."""


def send(
    client: httpx.Client, series: Iterable[tuple[Mapping[str, str], Sequence[Sample]]]
) -> None:
    """Write the samples of some series, in one request. Raises HTTPStatusError."""
    body = _snappy(b"".join(_field(1, _time_series(labels, each)) for labels, each in series))
    client.post("/api/v1/write", content=body, headers=_HEADERS).raise_for_status()


def _time_series(labels: Mapping[str, str], samples: Sequence[Sample]) -> bytes:
    parts = [_field(1, _label(name, labels[name])) for name in sorted(labels)]
    parts += [_field(2, _sample(at, value)) for at, value in samples]
    return b"".join(parts)


def _label(name: str, value: str) -> bytes:
    return _field(1, name.encode()) + _field(2, value.encode())


def _sample(at: int, value: float | None) -> bytes:
    stored = _STALE_BYTES if value is None else struct.pack("<d", value)
    return b"\x09" + stored + b"\x10" + _varint(at)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _snappy(content: bytes) -> bytes:
    """As snappy's format, with nothing compressed."""
    return b"".join([_varint(len(content)), *_literals(content)])


def _literals(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _LITERAL):
        part = content[start : start + _LITERAL]
        yield bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
