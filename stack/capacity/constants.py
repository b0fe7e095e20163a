"""Measured constants: measured.json, which `python -m tests.capacity` writes."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("measured.json")
_WIDTH = 100


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Made(_Part):
    """By which command a part was measured, and on which day."""

    command: str
    date: str


class Exposed(_Part):
    """The series of one metric with these label values, in the order of the catalogue's labels.

    ``grows`` is by how much with an SMS while all is well: of a histogram its sum, then its
    buckets, each without the ones below. ``value`` is that of a gauge.
    """

    labels: tuple[str, ...]
    grows: tuple[float, ...] = ()
    value: float = 0


class Lines(_Part):
    """Log lines of one event while all is well; ``sampled_by`` is the component, if it counts."""

    event: str
    sampled_by: str
    level: str
    lines_per_sms: float
    bytes_per_line: float


class Database(_Part):
    """What PostgreSQL does for an SMS and all that follows it."""

    cpu_seconds_per_sms: float
    log_bytes_per_sms: float
    commits_per_sms: float
    stored_bytes_per_sms: float


class Service(Made):
    """One orchestrator with one worker."""

    sms: float
    sms_per_second: float
    cpu_seconds_per_sms: float
    database: Database
    lines: tuple[Lines, ...]
    exposed: dict[str, tuple[Exposed, ...]]


class RulesAt(_Part):
    """All rules in one Prometheus. ``records`` are the recorded series, by seconds between two."""

    instances: int
    seconds: float
    records: dict[int, int]


class Rules(Made):
    """``seconds`` of evaluation are in one of ``interval_seconds``; ``scraped`` series by job."""

    interval_seconds: int
    scraped: dict[str, int]
    sizes: tuple[RulesAt, ...]


class Rollups(Made):
    """Bytes of one row, by kind and resolution in seconds, at this many SMS/s of one worker."""

    sms_per_second: float
    row_bytes: dict[str, dict[int, float]]
    fact_row_bytes: dict[str, dict[int, float]]


class EngineCost(_Part):
    """What keeping samples costs: on disk once compacted, and of memory for a series in use."""

    bytes_per_sample: float
    memory_bytes_per_series: float
    cpu_seconds_per_million_samples: float


class Engines(Made):
    """``sms_per_second`` are those of each simulated instance."""

    sms_per_second: float
    prometheus: EngineCost
    victoria_metrics: EngineCost


class Logs(Made):
    """Bytes on disk for each byte of lines."""

    gzip: float
    victoria_logs: float


class Constants(_Part):
    """All that is measured."""

    service: Service
    rules: Rules
    rollups: Rollups
    engines: Engines
    logs: Logs


@cache
def measured() -> Constants:
    """The committed constants."""
    return Constants.model_validate_json(FILE.read_text(encoding="utf-8"))


def write(part: str, values: dict[str, Any]) -> None:
    """Replace one part of the file."""
    present = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    FILE.write_text(_text({**present, part: values}) + "\n", encoding="utf-8")


def _text(value: Any, indent: str = "") -> str:
    """JSON that people can read and compare: what fits stands in one line."""
    short = json.dumps(value, ensure_ascii=False)
    if len(indent + short) <= _WIDTH or not isinstance(value, dict | list | tuple):
        return short
    deeper = indent + " "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {_text(each, deeper)}" for key, each in value.items()]
        opening, closing = "{", "}"
    else:
        items = [_text(each, deeper) for each in value]
        opening, closing = "[", "]"
        if all(isinstance(each, int | float) for each in value):
            return short
    return f"{opening}\n{deeper}" + f",\n{deeper}".join(items) + f"\n{indent}{closing}"
