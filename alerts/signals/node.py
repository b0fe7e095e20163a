"""The machines: disks, memory, CPU and clocks; and certificates, where something probes them."""

from alerts import exporters
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import ratio
from alerts.signals.scraping import NODE_JOB, PROBE_JOB
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_DISK = "job, instance, device, mountpoint"
DISK_LABELS = ("job", "instance", "device", "mountpoint")
_LEVEL = "job_instance_device_mountpoint"

_NODE = f'job="{NODE_JOB}"'

# In memory, a view of another, or full from the day they were made.
_PSEUDO = 'fstype!~"tmpfs|ramfs|overlay|squashfs|erofs|iso9660"'
# Where only the system itself writes, and only when it is updated.
_OF_THE_SYSTEM = 'mountpoint!~"/boot|/boot/efi|/snap/.+|/run/.+"'
_DISKS = f"{{{_NODE},{_PSEUDO},{_OF_THE_SYSTEM}}}"


def _of(metric: Metric) -> str:
    """The series of ``metric`` that our own machines have."""
    return f"{metric.name}{{{_NODE}}}"


_AVAILABLE = f"{exporters.FILESYSTEM_AVAILABLE.name}{_DISKS}"
_WRITABLE = f"{_of(exporters.FILESYSTEM_READ_ONLY)} == 0"


def _of_disks(values: str) -> str:
    return f"min by ({_DISK}) ({values} and {_WRITABLE})"


DISK_LEFT = Record(
    f"{_LEVEL}:node_filesystem_avail:ratio",
    _of_disks(ratio(_AVAILABLE, _of(exporters.FILESYSTEM_SIZE))),
)
# Where nothing is known of the older half of the window, a slope is chance.
DISK_TIME_LEFT = Record(
    f"{_LEVEL}:node_filesystem_full:seconds_left",
    _of_disks(
        f"{_AVAILABLE} / (-deriv({_AVAILABLE}[6h]) > 0) "
        f"and present_over_time({_AVAILABLE}[3h] offset 3h)"
    ),
)
INODES_LEFT = Record(
    f"{_LEVEL}:{exporters.FILESYSTEM_FILES_FREE.name}:ratio",
    _of_disks(
        ratio(
            f"{exporters.FILESYSTEM_FILES_FREE.name}{_DISKS}",
            _of(exporters.FILESYSTEM_FILES),
        )
    ),
)
MEMORY_LEFT = Record(
    "job_instance:node_memory_available:ratio",
    ratio(_of(exporters.MEMORY_AVAILABLE), _of(exporters.MEMORY_TOTAL)),
)
_CPU = exporters.CPU_SECONDS.name
CPU_BUSY = Record(
    "job_instance:node_cpu_busy:ratio_rate5m",
    ratio(
        f'sum by (job, instance) (rate({_CPU}{{{_NODE},mode!~"idle|iowait"}}[5m]))',
        f"sum by (job, instance) (rate({_CPU}{{{_NODE}}}[5m]))",
    ),
)
CLOCK_OFFSET = Record(
    f"job_instance:{exporters.CLOCK_OFFSET.name}:abs", f"abs({_of(exporters.CLOCK_OFFSET)})"
)
_TIME = _of(exporters.NODE_TIME)
CLOCK_DIFFERENCE = Record(
    "job_instance:node_clock_difference_seconds:abs", f"abs({_TIME} - timestamp({_TIME}))"
)
CERTIFICATE_LEFT = Record(
    "job_instance:probe_certificate:seconds_left",
    f'{exporters.CERTIFICATE_EXPIRY.name}{{job="{PROBE_JOB}"}} - time()',
)


def disk_filling(thresholds: Thresholds) -> Signal:
    """When a disk will be full, if it goes on filling as it did over six hours.

    It pages nobody: when it gets urgent, NodeDiskFull does, in time.
    """
    return Signal(
        title="Time until a disk is full",
        meaning="At the growth of the last six hours. Empty if the disk isn't filling, or has "
        "been known for less than three hours. Good is weeks.",
        unit=Unit.SECONDS,
        source=DISK_TIME_LEFT,
        thresholds=(
            Threshold(
                alert="NodeDiskFilling",
                comparison=Comparison.BELOW,
                value=thresholds.disk_filling_seconds,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.mountpoint }} of {{ $labels.instance }} will be full soon",
                description="At the growth of the last six hours. When it is full, everything "
                "that writes there stops: databases, logs, Prometheus itself. Time left.",
                action="Find what grows. Delete or move it, or enlarge the disk, before it is "
                "full.",
                pending="1h",
                keep_firing="30m",
                guards=(
                    Guard(DISK_LEFT, Comparison.BELOW, thresholds.disk_filling_ratio, DISK_LABELS),
                ),
                absence="TargetDown",
            ),
        ),
    )


def disk_left(thresholds: Thresholds) -> Signal:
    """The share of a disk that is left."""
    ours = thresholds.disk_page_mountpoints

    def threshold(severity: Severity, value: float, pending: str, matchers: str = "") -> Threshold:
        return Threshold(
            alert="NodeDiskFull",
            comparison=Comparison.BELOW,
            value=value,
            severity=severity,
            team=Team.PLATFORM,
            summary="{{ $labels.mountpoint }} of {{ $labels.instance }} is almost full",
            description="When nothing is left, writes fail: SMS can't be stored, and Prometheus "
            "keeps no samples. Share of it that is free.",
            action="Make room now: old logs and archives first, then what grew last.",
            pending=pending,
            matchers=matchers,
            absence="TargetDown",
        )

    return Signal(
        title="Disk left",
        meaning="Share of each writable disk that is left. Good is above 20%.",
        unit=Unit.RATIO,
        source=DISK_LEFT,
        thresholds=(
            threshold(Severity.TICKET, thresholds.disk_left_ticket_ratio, "10m"),
            threshold(
                Severity.PAGE,
                thresholds.disk_left_page_ratio,
                "5m",
                f'mountpoint=~"{ours}"' if ours else "",
            ),
        ),
    )


def inodes_left(thresholds: Thresholds) -> Signal:
    """The share of a filesystem's files that can still be made."""
    return Signal(
        title="Inodes left",
        meaning="Share of a disk's inodes that is left. Empty for filesystems without a limit. "
        "Good is above 50%.",
        unit=Unit.RATIO,
        source=INODES_LEFT,
        thresholds=(
            Threshold(
                alert="NodeInodesLow",
                comparison=Comparison.BELOW,
                value=thresholds.inodes_left_ratio,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.mountpoint }} of {{ $labels.instance }} runs out of inodes",
                description="Without inodes no file can be created, however much space is left. "
                "Share of them that is free.",
                action="Find the directory with the most small files, and delete them.",
                pending="15m",
            ),
        ),
    )


def memory_left(thresholds: Thresholds) -> Signal:
    """The share of memory that programs can still have."""
    return Signal(
        title="Memory available",
        meaning="Share of the machine's memory that programs can still get, caches included. "
        "Good is above 20%.",
        unit=Unit.RATIO,
        source=MEMORY_LEFT,
        thresholds=(
            Threshold(
                alert="NodeMemoryLow",
                comparison=Comparison.BELOW,
                value=thresholds.memory_left_ratio,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.instance }} is short of memory",
                description="Soon the kernel kills the largest process, which may be the "
                "orchestrator or Prometheus. Share of the memory that is free.",
                action="Find which process grew. Restart it before the kernel kills one.",
                pending="10m",
            ),
        ),
    )


def cpu_busy(thresholds: Thresholds) -> Signal:
    """The share of CPU time in use."""
    return Signal(
        title="CPU busy",
        meaning="Share of CPU time in use over 5 minutes, without waiting for disks. Good is "
        "below 70%.",
        unit=Unit.RATIO,
        source=CPU_BUSY,
        thresholds=(
            Threshold(
                alert="NodeCPUHigh",
                comparison=Comparison.ABOVE,
                value=thresholds.cpu_busy_ratio,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.instance }} has hardly any CPU time left",
                description="Everything on the machine waits for its turn: requests, scrapes and "
                "rules get slower. Share of the CPU time in use.",
                action="Find the process that uses it. If the rate of SMS has not risen, that "
                "process may be in an endless loop.",
                pending="15m",
            ),
        ),
    )


def clock_offset() -> Signal:
    """How far a clock is from its time source.

    No alert tells of it: nothing here depends on less than the seconds of ClocksDisagree.
    """
    return Signal(
        title="Clock compared with its source",
        meaning="Difference between the clock and NTP, as the kernel knows it. Good is "
        "milliseconds. It is also 0 where no program sets the clock.",
        unit=Unit.SECONDS,
        source=CLOCK_OFFSET,
    )


def clock_difference(thresholds: Thresholds) -> Signal:
    """How far a machine's clock is from Prometheus's."""
    return Signal(
        title="Clock compared with that of Prometheus",
        meaning="Difference between a machine's clock and Prometheus's. Good is below one "
        "second, the time that a scrape may take.",
        unit=Unit.SECONDS,
        source=CLOCK_DIFFERENCE,
        thresholds=(
            Threshold(
                alert="ClocksDisagree",
                comparison=Comparison.ABOVE,
                value=thresholds.clock_difference_seconds,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.instance }} and Prometheus disagree about the time",
                description="One of the two clocks is wrong. Times of different machines can't "
                "be compared, and logs are found at the wrong time.",
                action="Compare both with a third clock, then fix the time service on the wrong "
                "one.",
                pending="10m",
            ),
        ),
    )


def certificates(thresholds: Thresholds) -> Signal:
    """How long certificates are still valid."""

    def threshold(severity: Severity, days: float) -> Threshold:
        return Threshold(
            alert="CertificateExpiring",
            comparison=Comparison.BELOW,
            value=days * 86400,
            severity=severity,
            team=Team.PLATFORM,
            summary="The certificate of {{ $labels.instance }} expires soon",
            description="When it expires, all clients refuse the connection. The automatic "
            "renewal has not worked. Time left.",
            action="Renew it, reload the server, and find out why renewal failed.",
            pending="10m",
            absence="TargetDown",
        )

    return Signal(
        title="Certificates valid for",
        meaning="Time until the first certificate of a probed address expires. Empty without a "
        "blackbox exporter. Good is above 30 days.",
        unit=Unit.SECONDS,
        source=CERTIFICATE_LEFT,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            threshold(Severity.TICKET, thresholds.certificate_ticket_days),
            threshold(Severity.PAGE, thresholds.certificate_page_days),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of the machines."""
    return Group(
        name="node",
        dashboard=Dashboard.RUNTIME,
        about="Disks, memory, CPU and clocks of the machines; certificates.",
        interval="1m",
        records=(DISK_LEFT,),
        signals=(
            disk_filling(thresholds),
            disk_left(thresholds),
            inodes_left(thresholds),
            memory_left(thresholds),
            cpu_busy(thresholds),
            clock_offset(),
            clock_difference(thresholds),
            certificates(thresholds),
        ),
    )
