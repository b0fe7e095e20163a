"""What the records of the machines have to say."""

from dataclasses import dataclass

from alerts import exporters
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Labels, Universe, Values, share
from alerts.signals import node
from alerts.signals.scraping import PROBE_JOB
from app.core.thresholds import Thresholds

_TARGET = ("job", "instance")
_DISK = (*_TARGET, "device", "mountpoint")
_SIX_HOURS, _THREE_HOURS = 21600, 10800
_JOB = "node"


@dataclass(frozen=True, slots=True)
class _Disk:
    """A filesystem of ``size`` bytes, of which ``left`` remain and ``written`` go at a pace of 1.

    ``gaps`` are as of the universe's series.
    """

    device: str
    size: float
    left: float
    written: float
    fstype: str = "ext4"
    mountpoint: str = "/"
    job: str = _JOB
    read_only: bool = False
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it is one that can be filled."""
        return not (
            self.read_only
            or self.fstype in ("tmpfs", "overlay")
            or self.mountpoint in ("/boot", "/snap/core")
            or self.job != _JOB
        )

    def labels(self) -> dict[str, str]:
        """Those of its series."""
        return {
            "job": self.job,
            "instance": "a:9100",
            "device": self.device,
            "fstype": self.fstype,
            "mountpoint": self.mountpoint,
        }

    def key(self) -> Labels:
        """Those of its records."""
        return tuple((name, self.labels()[name]) for name in sorted(_DISK))


_DISKS = (
    _Disk("/dev/a", 1e6, 9e5, 9),
    _Disk("/dev/a", 1e6, 9e5, 11, mountpoint="/var"),
    _Disk("/dev/slow", 1e5, 9e4, 0.4),
    _Disk("/dev/emptied", 1e6, 1e5, -5),
    _Disk("/dev/tiny", 0.9, 0.7, 1e-5),
    _Disk("/dev/read-only", 1e6, 9e5, 7, read_only=True),
    _Disk("memory", 1e6, 9e5, 7, fstype="tmpfs"),
    _Disk("view", 1e6, 9e5, 7, fstype="overlay", mountpoint="/var/lib/docker/overlay2/a/merged"),
    _Disk("/dev/boot", 1e6, 9e5, 7, mountpoint="/boot"),
    _Disk("/dev/loop1", 1e6, 9e5, 7, mountpoint="/snap/core"),
    _Disk("/dev/theirs", 1e6, 9e5, 7, job="another-teams"),
    # Of the window's older half a little is known, and nothing.
    _Disk("/dev/known", 1e6, 9e5, 5, gaps=((_SIX_HOURS * 3 // 4, _THREE_HOURS),)),
    _Disk("/dev/unknown", 1e6, 9e5, 5, gaps=((_SIX_HOURS, _THREE_HOURS),)),
)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_disks(), _machines()]


def _disks() -> RecordTest:
    universe = Universe()
    for disk in _DISKS:
        for metric in (exporters.FILESYSTEM_AVAILABLE, exporters.FILESYSTEM_FILES_FREE):
            universe.add(
                metric.name,
                disk.labels(),
                -disk.written,
                grows=True,
                base=disk.left,
                gaps=disk.gaps,
            )
        for metric in (exporters.FILESYSTEM_SIZE, exporters.FILESYSTEM_FILES):
            universe.add(metric.name, disk.labels(), 0, grows=False, base=disk.size)
        universe.add(
            exporters.FILESYSTEM_READ_ONLY.name,
            disk.labels(),
            0,
            grows=False,
            base=float(disk.read_only),
        )
    # One without a limit of files but space.
    unlimited = _Disk("/dev/unlimited", 0, 0, 0).labels()
    for metric in (
        exporters.FILESYSTEM_FILES,
        exporters.FILESYSTEM_FILES_FREE,
        exporters.FILESYSTEM_READ_ONLY,
    ):
        universe.add(metric.name, unlimited, 0, grows=False)
    left = {
        disk.key(): _available(universe, disk)[-1] / disk.size for disk in _DISKS if disk.counts
    }
    expected = {
        node.DISK_LEFT.name: left,
        node.INODES_LEFT.name: left,
        node.DISK_TIME_LEFT.name: _time_left(universe),
    }
    return RecordTest("disks that fill, and some that don't count", universe, expected)


def _available(universe: Universe, disk: _Disk, since: int = 0, until: int = 0) -> list[float]:
    """What was left of a disk, from ``since`` to ``until`` seconds before the end."""
    (one,) = (
        series
        for series in universe.series
        if series.name == exporters.FILESYSTEM_AVAILABLE.name and series.labels == disk.labels()
    )
    return universe.samples(one, since, until)


def _time_left(universe: Universe) -> Values:
    found: Values = {}
    last = universe.at // universe.step
    first = (universe.at - _SIX_HOURS) // universe.step + 1
    for disk in _DISKS:
        older = _available(universe, disk, _SIX_HOURS, _THREE_HOURS)
        if disk.counts and older and disk.written > 0:
            newer = _available(universe, disk, _THREE_HOURS)
            # A gap lies between the two.
            at = [*range(first, first + len(older)), *range(last - len(newer) + 1, last + 1)]
            slope = _slope(at, [*older, *newer]) / universe.step
            found[disk.key()] = newer[-1] / -slope
    return found


def _slope(xs: list[int], ys: list[float]) -> float:
    """Of the straight line that is nearest to the points."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    together = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return together / sum((x - mean_x) ** 2 for x in xs)


def _machines() -> RecordTest:
    universe = Universe()
    for job, instance, scale in (
        *((_JOB, "a:9100", 1), (_JOB, "b:9100", -1), (_JOB, "small:9100", 0.01)),
        ("another-teams", "c:9100", 3),
    ):
        for metric in (
            exporters.MEMORY_AVAILABLE,
            exporters.MEMORY_TOTAL,
            exporters.CERTIFICATE_EXPIRY,
            exporters.CLOCK_OFFSET,
        ):
            positive = metric in (exporters.MEMORY_AVAILABLE, exporters.MEMORY_TOTAL)
            probed = metric is exporters.CERTIFICATE_EXPIRY and job == _JOB
            universe.observe_one(
                metric,
                PROBE_JOB if probed else job,
                instance,
                abs(scale) if positive else scale,
            )
        for cpu in ("0", "1"):
            for mode in ("user", "system", "steal", "idle", "iowait"):
                universe.observe_one(
                    exporters.CPU_SECONDS, job, instance, abs(scale), cpu=cpu, mode=mode
                )
        universe.add(
            exporters.NODE_TIME.name,
            {"job": job, "instance": instance},
            scale * 7,
            grows=False,
            base=universe.at,
        )
    cpu_seconds = exporters.CPU_SECONDS.name
    scraped = universe.at // universe.step * universe.step
    expected = {
        node.MEMORY_LEFT.name: share(
            universe.now(exporters.MEMORY_AVAILABLE.name, _TARGET),
            universe.now(exporters.MEMORY_TOTAL.name, _TARGET),
        ),
        node.CPU_BUSY.name: share(
            universe.rates(
                cpu_seconds,
                300,
                _TARGET,
                lambda labels: labels["mode"] not in ("idle", "iowait"),
            ),
            universe.rates(cpu_seconds, 300, _TARGET),
        ),
        node.CLOCK_OFFSET.name: universe.now(
            exporters.CLOCK_OFFSET.name, _TARGET, combine=lambda values: abs(sum(values))
        ),
        node.CLOCK_DIFFERENCE.name: {
            key: abs(value - scraped)
            for key, value in universe.now(exporters.NODE_TIME.name, _TARGET).items()
        },
        node.CERTIFICATE_LEFT.name: {
            key: value - universe.at
            for key, value in universe.now(exporters.CERTIFICATE_EXPIRY.name, _TARGET).items()
        },
    }
    ours = {
        name: {key: value for key, value in values.items() if ("job", "another-teams") not in key}
        for name, values in expected.items()
    }
    return RecordTest("memory, CPU, clocks and certificates", universe, ours)
