"""A past in which everything was healthy, as blocks in the data folder of a Prometheus."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from prometheus_tools.toolchain import locate
from tests.test_stack.faults.levels import Level

MARGIN_SECONDS = 900
"""More than any rule reads, so that no window begins with nothing."""

_STEPS = ((22_500, 15), (90_000, 60), (float("inf"), 240))
"""Seconds back, and the step up to there: within windows of hours as often as it goes on live, so
that each minute counts the same. Steps stay below the 5 minutes a sample is good for.
"""


def write(
    levels: Sequence[Level],
    end: int,
    data: Path,
    instances: Mapping[str, str],
    intervals: Mapping[str, int],
) -> None:
    """Give Prometheus's folder ``data`` constant ``levels`` up to ``end``, in Unix seconds.

    ``instances`` are the values of the instance label by what the levels call them; ``intervals``
    the seconds between two samples of records that aren't made as often as others. Raises
    subprocess.CalledProcessError.
    """
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", suffix=".om", dir=data.parent) as file:
        for level in levels:
            interval = intervals.get(level.labels["__name__"], 0)
            file.writelines(_lines(level, end, instances, interval))
        file.write("# EOF\n")
        file.flush()
        command = [str(locate("promtool").path), "tsdb", "create-blocks-from", "openmetrics"]
        # Longer blocks than by default: fewer passes over the file.
        command += ["--max-block-duration=240h", "--quiet", file.name, str(data)]
        subprocess.run(command, check=True, capture_output=True, text=True)


def _lines(level: Level, end: int, instances: Mapping[str, str], interval: int) -> Iterator[str]:
    labels = dict(level.labels)
    name = labels.pop("__name__")
    if "instance" in labels:
        labels["instance"] = instances.get(labels["instance"], labels["instance"])
    series = name + "{" + ",".join(f"{key}={_quoted(labels[key])}" for key in sorted(labels)) + "}"
    times = sorted(_times(end, level.seconds + MARGIN_SECONDS, interval))
    for moment in times:
        value = level.value * (moment - times[0]) if level.is_counter else level.value
        yield f"{series} {value!r} {moment}\n"


def _times(end: int, seconds: float, interval: int) -> Iterator[int]:
    back = 0
    for until, step in _STEPS:
        while back <= min(until, seconds):
            yield end - back
            back += max(step, interval)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
