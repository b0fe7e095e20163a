"""Where the design breaks first, and what then."""

from dataclasses import dataclass

from app.core.config import DEFAULT_CONNECTIONS, LogSettings
from app.core.thresholds import Thresholds
from stack.capacity import constants
from stack.capacity.estimate import Estimate

BUSY = 0.7
"""Of a processor: above it, what waits grows fast."""

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is: memory of one Prometheus, bytes; of the one database, its processors, the
    connections it allows, and bytes on its disk.
    """

    prometheus_memory: float = 32 * GIB
    database_cores: float = 8
    # PostgreSQL's default of 100, of which 3 are for its owner alone.
    database_connections: int = 97
    database_disk: float = 1000 * GIB


@dataclass(frozen=True, slots=True)
class Limit:
    """``used`` of what there is, as a share. Above 1 it is exceeded. ``then`` is what to do."""

    name: str
    used: float
    says: str
    then: str


def limits(estimate: Estimate, machine: Machine) -> list[Limit]:
    """Every limit of the design, the one that breaks first at the top."""
    return sorted(_all(estimate, machine), key=lambda limit: -limit.used)


def _all(estimate: Estimate, machine: Machine) -> list[Limit]:
    size, known, promised = estimate.size, constants.measured(), Thresholds()
    workers = size.instances * size.workers
    prometheus = known.engines.prometheus
    log_bytes = estimate.log_bytes_per_day / size.instances * known.logs.gzip
    logs = LogSettings()
    return [
        Limit(
            "AI provider",
            size.sms_per_second * 60 / promised.ai_calls_per_minute,
            f"{size.sms_per_second * 60:,.0f} calls a minute of {promised.ai_calls_per_minute:,}",
            "a higher quota, or several accounts behind one address; SMS beyond it are retried, "
            "then fail and wait for people",
        ),
        Limit(
            "SMS at once",
            estimate.sms_at_once / (size.instances * promised.concurrent_sms),
            f"{estimate.sms_at_once:,.0f} of {size.instances * promised.concurrent_sms:,}, "
            f"{promised.concurrent_sms} an instance, where each takes the promised "
            f"{promised.sms_latency_seconds:g} s",
            "more instances",
        ),
        Limit(
            "processors of the orchestrator",
            estimate.service_cores / (workers * BUSY),
            f"{estimate.service_cores:,.1f} busy; {workers:,} workers, each {BUSY:.0%} of one",
            "more workers or instances",
        ),
        Limit(
            "processors of the one database",
            estimate.database_cores / (machine.database_cores * BUSY),
            f"{estimate.database_cores:,.1f} busy of {machine.database_cores:g}, {BUSY:.0%} of "
            "each",
            "a larger machine; rollups in a database of their own "
            "(ORCHESTRATOR_ROLLUP_DATABASE_URL); then tenants in several deployments",
        ),
        Limit(
            "connections of the one database",
            estimate.database_connections / machine.database_connections,
            f"{estimate.database_connections:,} of {machine.database_connections:,}, "
            f"{DEFAULT_CONNECTIONS} a worker",
            "a higher max_connections of PostgreSQL, or fewer of each instance "
            "(ORCHESTRATOR_DATABASE_CONNECTIONS)",
        ),
        Limit(
            "disk of the one database",
            estimate.database_bytes_kept / machine.database_disk,
            f"{_gib(estimate.database_bytes_kept)} of {_gib(machine.database_disk)}: "
            f"{size.retention_days:g} days of business tables, and rollups before they are packed; "
            "without the write-ahead log",
            "a larger disk; rollups in a database of their own "
            "(ORCHESTRATOR_ROLLUP_DATABASE_URL); then tenants in several deployments",
        ),
        Limit(
            "memory of one Prometheus",
            estimate.memory(prometheus) / machine.prometheus_memory,
            f"{_gib(estimate.memory(prometheus))} of {_gib(machine.prometheus_memory)} for "
            f"{estimate.series:,} series",
            "remote_write into an engine that is spread over machines, and instances divided "
            "among several Prometheus",
        ),
        Limit(
            "evaluation of rules in one Prometheus",
            estimate.rule_share / BUSY,
            f"{estimate.rule_seconds:.2f} s in {known.rules.interval_seconds} s",
            "rules in the engine (`python -m alerts export --for vmalert` or mimir), whose "
            "groups are spread",
        ),
        Limit(
            "log files of an instance",
            log_bytes * logs.retention_days / logs.max_total_bytes,
            f"{_gib(log_bytes * logs.retention_days)} in {logs.retention_days:g} days, compressed; "
            f"{_gib(logs.max_total_bytes)} are kept",
            "sampling (ORCHESTRATOR_LOGS__SAMPLE_INFO), or lines shipped and kept elsewhere; "
            "else the oldest go early",
        ),
    ]


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f} GiB"
