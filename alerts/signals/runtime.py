"""The orchestrator's own process: what it uses, and what it loses of its own observations."""

from alerts.logs import LogQuery
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
from alerts.promql import quantile, ratio, seconds
from app.core import catalogue
from app.core.events import RollupFlushBroken, RollupFlushFailed, RollupsLost, ServiceStarted
from app.core.thresholds import Thresholds
from asgi_observability.events import (
    BackgroundTaskFailed,
    LinesDropped,
    UncaughtException,
    WorkersApart,
)
from asgi_observability.metric import Metric

_TARGET = "job, instance"
_WORKERS = catalogue.PROCESS_WORKERS.name
_MEMORY = catalogue.PROCESS_MEMORY.name
_START = catalogue.PROCESS_START_TIME.name

GROWTH = "6h"
"""From how long the growth of memory is taken: a warm-up or a rush is over by then."""

# Prometheus and Alertmanager expose the same names. They have no workers, so they drop out.
MEMORY = Record(f"job_instance:{_MEMORY}:per_worker", ratio(_MEMORY, _WORKERS))
MEMORY_IN_A_DAY = Record(
    f"job_instance:{_MEMORY}:per_worker_predicted1d",
    ratio(f"predict_linear({_MEMORY}[{GROWTH}], {seconds('1d')})", _WORKERS),
)
CPU = Record(
    f"job_instance:{catalogue.PROCESS_CPU.name.removesuffix('_total')}:per_worker_rate5m",
    ratio(f"rate({catalogue.PROCESS_CPU.name}[5m])", _WORKERS),
)
UPTIME = Record(f"job_instance:{_START}:age", f"time() - {_START} and {_WORKERS}")
RESTARTS = Record(f"job_instance:{_START}:changes30m", f"changes({_START}[30m]) and {_WORKERS}")
LAG = Record(
    f"job_instance:{catalogue.EVENT_LOOP_LAG.name}:p99_rate5m",
    quantile(0.99, catalogue.EVENT_LOOP_LAG.bucket, _TARGET, "5m"),
)


_LAST_ROUND = catalogue.BACKGROUND_TASK_LAST_ROUND.name
_INTERVAL = catalogue.BACKGROUND_TASK_INTERVAL.name

ROUND_SECONDS = 60
"""A task that waits for less than this between two rounds is given this: scrapes are as rare."""

ROUNDS_MISSED = Record(
    "job_instance_task:background_task_rounds:missed",
    f"(time() - {_LAST_ROUND}) / clamp_min({_INTERVAL}, {ROUND_SECONDS})",
)


def _increase(metric: Metric, window: str, label: str = "", matchers: str = "") -> Record:
    by = f"{_TARGET}, {label}" if label else _TARGET
    level = "_".join(by.split(", "))
    selected = f"{metric.name}{{{matchers}}}" if matchers else metric.name
    return Record(
        f"{level}:{metric.name.removesuffix('_total')}:increase{window}",
        f"sum by ({by}) (increase({selected}[{window}]))",
    )


BACKGROUND_FAILED = _increase(catalogue.BACKGROUND_TASK_FAILURES, "15m", "task")
CLOCK_SET_BACK = _increase(catalogue.CLOCK_SET_BACK, "1h")
FLUSHES_FAILED = _increase(catalogue.ROLLUP_FLUSH_FAILURES, "1m")
EVENTS_LOST = _increase(catalogue.ROLLUP_LOST_EVENTS, "15m")
LINES_DROPPED = _increase(catalogue.LOG_LINES_DROPPED, "5m", "reason", 'reason!="sampled"')
LOG_WRITES_FAILED = _increase(catalogue.LOG_WRITE_ERRORS, "1m", "sink")
MEASUREMENTS_LOST = _increase(catalogue.INSTRUMENTATION_ERRORS, "15m")
LABELS_FOLDED = _increase(catalogue.LABEL_OVERFLOWS, "1h", "label")

_AT = "{{ $labels.job }} at {{ $labels.instance }}"


def memory(thresholds: Thresholds) -> Signal:
    """Memory that a worker holds now."""
    return Signal(
        title="Memory of a worker",
        meaning="Resident memory of an instance, divided by its workers. Good is flat, and "
        f"below {_mebibytes(thresholds.memory_bytes)}.",
        unit=Unit.BYTES,
        source=MEMORY,
        thresholds=(
            Threshold(
                alert="MemoryHigh",
                comparison=Comparison.ABOVE,
                value=thresholds.memory_bytes,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} uses too much memory",
                description="If it keeps growing, the system kills the process, and the SMS it "
                "works on fail. Resident memory of one worker.",
                action="See whether it still grows. If the machine runs out of memory, restart "
                "the instance. Find the cause in any case.",
                pending="10m",
                keep_firing="5m",
                logs=LogQuery(level="warning"),
            ),
        ),
    )


def memory_growth(thresholds: Thresholds) -> Signal:
    """Memory that a worker will hold in a day."""
    return Signal(
        title="Memory of a worker in a day",
        meaning=f"Resident memory that a worker has in a day if it grows as in the last {GROWTH}. "
        "Good is no more than now.",
        unit=Unit.BYTES,
        source=MEMORY_IN_A_DAY,
        thresholds=(
            Threshold(
                alert="MemoryGrowing",
                comparison=Comparison.ABOVE,
                value=thresholds.memory_bytes,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"Memory of {_AT} grows, and will be too much within a day",
                description="It looks like a leak. Expected memory of one worker in a day, at "
                f"the growth of the last {GROWTH}.",
                action="See what grows at the same time: traffic, waiting log lines, unwritten "
                "rollups. If nothing does, the release has a leak.",
                pending="1h",
                keep_firing="30m",
                guards=(
                    # The warm-up after a start looks like a leak.
                    Guard(UPTIME, Comparison.AT_LEAST, seconds(GROWTH), on=()),
                    # Above it, MemoryHigh says so.
                    Guard(MEMORY, Comparison.AT_MOST, thresholds.memory_bytes, on=()),
                ),
                logs=LogQuery(level="warning"),
            ),
        ),
    )


def cpu(thresholds: Thresholds) -> Signal:
    """CPU that a worker uses."""
    return Signal(
        title="CPU of a worker",
        meaning="Cores that a worker uses. It can't use more than 1. Good is below "
        f"{Unit.RATIO.text(thresholds.cpu_ratio)}.",
        unit=Unit.RATIO,
        source=CPU,
        thresholds=(
            Threshold(
                alert="CPUHigh",
                comparison=Comparison.ABOVE,
                value=thresholds.cpu_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"The workers of {_AT} have no CPU time left",
                description="A worker uses one core at most, so requests wait for each other. "
                "Share of a core, mean of the workers.",
                action="If more SMS come than usual, add workers or an instance. If not, find the "
                "new code that needs the CPU.",
                pending="10m",
                keep_firing="5m",
                logs=LogQuery((ServiceStarted,)),
            ),
        ),
    )


def lag(thresholds: Thresholds) -> Signal:
    """How late the event loop runs."""
    limit = thresholds.event_loop_lag_seconds
    return Signal(
        title="Event loop lag p99",
        meaning="How late the event loop runs a timer, by instance. Good is a few milliseconds. "
        f"Above {limit:g}s something blocks it.",
        unit=Unit.SECONDS,
        source=LAG,
        thresholds=(
            Threshold(
                alert="EventLoopLagHigh",
                comparison=Comparison.ABOVE,
                value=limit,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"The event loop of {_AT} is blocked again and again",
                description="Every running request waits that long. p99 over 5 minutes.",
                action="Compare with its CPU. If both are high, there is too much work. If only "
                "the lag is, a call blocks the loop, or other programs keep the machine busy.",
                pending="5m",
                keep_firing="5m",
                logs=LogQuery(level="warning"),
            ),
        ),
    )


def restarts(thresholds: Thresholds) -> Signal:
    """How often an instance started anew."""
    return Signal(
        title="Restarts in 30 minutes",
        meaning="How often an instance started again. A release counts once. Otherwise good is 0.",
        unit=Unit.COUNT,
        source=RESTARTS,
        thresholds=(
            Threshold(
                alert="Restarting",
                comparison=Comparison.AT_LEAST,
                value=thresholds.restarts,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} restarts again and again",
                description="Each time, the SMS it works on are cut off and have to be retried. "
                "Starts within 30 minutes.",
                action="Find what ended it: an exception in the log, the system's out-of-memory "
                "killer, or a health check that is too strict.",
                pending="30s",
                keep_firing="5m",
                logs=LogQuery((ServiceStarted, UncaughtException)),
            ),
        ),
    )


def rollup_store() -> Signal:
    """Whether the rollups of the JSON endpoint are stored."""
    return Signal(
        title="Rollup writes failed",
        meaning="Writes to the rollups' store that failed within a minute. Good is 0.",
        unit=Unit.COUNT,
        source=FLUSHES_FAILED,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="RollupStoreFailing",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} can't store its rollups",
                description="The JSON metrics lack the newest counts of other workers. Nothing is "
                "lost yet: counts stay in memory for hours. Failed writes within a minute.",
                action="See the reason in the log. Usually the disk is full, or the store is "
                "locked or down.",
                pending="5m",
                keep_firing="2m",
                logs=LogQuery((RollupFlushFailed, RollupFlushBroken)),
            ),
        ),
    )


def background() -> Signal:
    """Background tasks whose rounds fail."""
    return Signal(
        title="Background rounds failed",
        meaning="Rounds of background tasks, or rows in them, that failed in the last 15 minutes, "
        "by task. Good is 0.",
        unit=Unit.COUNT,
        source=BACKGROUND_FAILED,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="BackgroundTaskFailing",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"A background task of {_AT} fails ({{{{ $labels.task }}}})",
                description="The task goes on, but work may be left undone: overdue conversations, "
                "interrupted messages, retries or counts. Failures of the last 15 minutes.",
                action="See the task and the error in the log. A database that doesn't answer has "
                "its own alert; anything else is a bug or a row that this release can't read.",
                pending="5m",
                keep_firing="5m",
                logs=LogQuery((BackgroundTaskFailed,)),
            ),
        ),
    )


def standstill() -> Signal:
    """Background tasks that have no rounds any more."""
    return Signal(
        title="Background rounds missed",
        meaning="Time since a background task last ended a round, by task, in intervals of the "
        f"task, or of {ROUND_SECONDS}s where that is longer. Good is below 2.",
        unit=Unit.COUNT,
        source=ROUNDS_MISSED,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="BackgroundTaskStandsStill",
                comparison=Comparison.ABOVE,
                value=5,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"A background task of {_AT} stands still ({{{{ $labels.task }}}})",
                description="Its work isn't done, and gauges that it keeps are frozen: they may "
                "look well. Intervals since its last round ended.",
                action="See the task and its last lines in the log. A round that waits for a disk "
                "or a database ends by itself once that answers; otherwise restart the instance.",
                pending="2m",
                keep_firing="5m",
                logs=LogQuery((BackgroundTaskFailed,)),
            ),
        ),
    )


def apart() -> Signal:
    """Workers whose counts are missing in what is scraped."""
    return Signal(
        title="Workers apart",
        meaning="Workers at one address whose counts are missing in the metrics, or old because "
        "their folder can't be used. Good is 0.",
        unit=Unit.COUNT,
        source=catalogue.PROCESS_WORKERS_APART.name,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="WorkersApart",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"Metrics of {_AT} lack the counts of some of its workers",
                description="Each scrape may tell other numbers, so rates and totals of this "
                "instance are wrong. Workers that are missing.",
                action="See why the folder that the workers share can't be used: it is full, gone "
                "or another user's. Without one, give all workers the same.",
                pending="2m",
                keep_firing="5m",
                logs=LogQuery((BackgroundTaskFailed, WorkersApart)),
            ),
        ),
    )


def clock() -> Signal:
    """A clock that was set back while something was timed by it."""
    return Signal(
        title="Durations cut by a clock set back",
        meaning="Durations of the last hour that are told as 0, because the clock says that they "
        "ended before they began. Good is 0.",
        unit=Unit.COUNT,
        source=CLOCK_SET_BACK,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="ClockSetBack",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"The clock of {_AT} was set back",
                description="Waiting times and times to resolve are too short since then, and what "
                "is overdue is found too late. Durations of the last hour.",
                action="Compare the clocks of the machines, and see what sets them. A clock that "
                "is wrong must be slewed, not set.",
                pending="1m",
                logs=LogQuery(level="warning"),
            ),
        ),
    )


def rollup_losses() -> Signal:
    """What the rollups had to give up."""
    return Signal(
        title="Events lost by the rollups",
        meaning="Events of the last 15 minutes that are missing in the JSON metrics for good. "
        "Good is 0.",
        unit=Unit.COUNT,
        source=EVENTS_LOST,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="RollupEventsLost",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} has lost counts of its JSON metrics",
                description="The store has failed for so long that the oldest counts were "
                "dropped. Reports over that time are too low. Events of the last 15 minutes.",
                action="Fix the store at once: each minute, another minute of counts is lost. "
                "Tell the people who read the reports.",
                pending="30s",
                logs=LogQuery((RollupFlushFailed, RollupFlushBroken, RollupsLost)),
            ),
        ),
    )


def log_losses() -> Signal:
    """Log lines that should have been written."""
    return Signal(
        title="Log lines lost",
        meaning="Lines of the last 5 minutes that should have been written and were not, by "
        "reason. Good is 0.",
        unit=Unit.COUNT,
        source=LINES_DROPPED,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="LogsDropped",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} loses log lines ({{{{ $labels.reason }}}})",
                description="The log may lack the line that you search for. Lines of the last 5 "
                "minutes.",
                action="queue_full: the disk, or the program that reads the lines, is too slow or "
                "has stopped. broken: a line can't be written as JSON, which is a bug.",
                pending="1m",
                keep_firing="5m",
                logs=LogQuery((LinesDropped,)),
            ),
        ),
    )


def log_writes() -> Signal:
    """Whether log lines can be written at all."""
    return Signal(
        title="Log writes failed",
        meaning="Times within a minute that lines could not be written, by sink. Good is 0.",
        unit=Unit.COUNT,
        source=LOG_WRITES_FAILED,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="LogsNotWritten",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} can't write its log to {{{{ $labels.sink }}}}",
                description="Lines wait in memory and are lost once that is full. Failed writes "
                "within a minute.",
                action="file: look at the log folder's disk and permissions. stdout: look at the "
                "program that reads it.",
                pending="2m",
                keep_firing="2m",
                logs=LogQuery((LinesDropped,)),
            ),
        ),
    )


def instrumentation() -> Signal:
    """Errors of the instrumentation itself."""
    return Signal(
        title="Measurements lost",
        meaning="Errors in the code that measures, in 15 minutes. Each lost a measurement, and "
        "none failed a request. Good is 0.",
        unit=Unit.COUNT,
        source=MEASUREMENTS_LOST,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="InstrumentationFailing",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"Measurements of {_AT} fail",
                description="Dashboards and alerts see too little. Errors within 15 minutes.",
                action="It is a bug. See which gauge does not move or which counter is too low, "
                "and since which release.",
                pending="1m",
                logs=LogQuery(level="error"),
            ),
        ),
    )


def folded_labels() -> Signal:
    """Label values that nobody declared."""
    return Signal(
        title="Label values counted as 'other'",
        meaning="Label values of the last hour that were not declared, by label. Good is 0, "
        "except for HTTP methods, which clients can invent.",
        unit=Unit.COUNT,
        source=LABELS_FOLDED,
        dashboard=Dashboard.MONITORING,
        thresholds=(
            Threshold(
                alert="LabelOverflow",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"{_AT} reports values of {{{{ $labels.label }}}} as 'other'",
                description="Code uses a value that the catalogue does not know, or too many "
                "values, so different things share one series. Values of the last hour.",
                action="Declare the value in the catalogue, or stop putting IDs or texts into the "
                "label.",
                pending="1m",
                matchers='label!="http_request_method"',
                logs=LogQuery((ServiceStarted,)),
            ),
        ),
    )


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:g} MiB"


def group(thresholds: Thresholds) -> Group:
    """The rules of the process."""
    return Group(
        name="runtime",
        dashboard=Dashboard.RUNTIME,
        about="The orchestrator's process: memory, CPU, event loop, restarts; rollups and logs.",
        records=(UPTIME,),
        signals=(
            memory(thresholds),
            memory_growth(thresholds),
            cpu(thresholds),
            lag(thresholds),
            restarts(thresholds),
            background(),
            standstill(),
            apart(),
            rollup_store(),
            rollup_losses(),
            clock(),
            log_losses(),
            log_writes(),
            instrumentation(),
            folded_labels(),
        ),
    )
