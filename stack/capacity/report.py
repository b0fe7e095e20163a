"""What `python -m stack capacity` prints: one size in full, or several beside each other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from alerts.prometheus_config import scrape_seconds
from stack.capacity import constants, series
from stack.capacity.estimate import Estimate, unsampled
from stack.capacity.limits import Limit, Machine, limits
from stack.capacity.size import Size

SIZES = (Size(1, 1), Size(10, 2), Size(100, 10), Size(1000, 40), Size(10_000, 400))
"""Those of the table in docs/scaling.md."""

SAMPLED = 0.1
"""The share of info lines kept that is shown beside the chosen one."""

MIMIR_SERIES = 150_000
"""-ingester.max-global-series-per-user, before replication, unless it is set."""

MIMIR_SAMPLES_PER_SECOND = 10_000
"""-distributor.ingestion-rate-limit, unless it is set."""

_EXCEEDED = "EXCEEDED"


def full(size: Size, machine: Machine) -> Iterator[str]:
    """The lines about one size."""
    of = Estimate(size)
    yield (
        f"{size.sms_per_second:,g} SMS/s on {size.instances:,} instances of {size.workers} "
        f"worker{'s' if size.workers > 1 else ''}: {size.of_an_instance:,.4g} SMS/s each; scraped "
        f"every {scrape_seconds()} s"
    )
    for title, rows in _parts(of):
        yield ""
        yield title
        yield from (f"  {name:<34} {value:>14}  {note}".rstrip() for name, value, note in rows)
    yield ""
    yield "where it breaks first, and what then"
    for limit in limits(of, machine):
        mark = f"  {_EXCEEDED}" if limit.used > 1 else ""
        yield f"  {limit.used:>8.1%}  {limit.name}: {limit.says}{mark}"
        yield f"{'':12}then: {limit.then}"
    yield ""
    if younger := series.not_measured():
        yield f"not measured yet, counted with all label values: {', '.join(younger)}"
    yield from _made()


Row = tuple[str, str, str]


def _parts(of: Estimate) -> Iterator[tuple[str, list[Row]]]:
    size, known = of.size, constants.measured()
    yield (
        "series in use",
        [
            ("exposed by the orchestrators", f"{of.exposed:,}", _an_instance()),
            ("by the machines' node_exporter", f"{of.of_machines:,}", ""),
            ("by Alertmanager, and about targets", f"{of.about_monitoring:,}", ""),
            ("recorded by rules", f"{sum(of.records.values()):,}", _by_interval(of)),
            ("all", f"{of.series:,}", ""),
        ],
    )
    yield (
        "samples",
        [
            ("a second", f"{of.samples_per_second:,.0f}", ""),
            ("a day", f"{of.samples_per_day / 1e6:,.0f} M", ""),
        ],
    )
    for name, engine in (
        ("one Prometheus", known.engines.prometheus),
        ("VictoriaMetrics, single node", known.engines.victoria_metrics),
    ):
        kept = f"kept {size.retention_days:g} days"
        yield (
            name,
            [
                ("on disk a day", _bytes(of.bytes_per_day(engine)), ""),
                ("on disk in all", _bytes(of.bytes_kept(engine)), kept),
                ("memory for the series", _bytes(of.memory(engine)), ""),
                (
                    "processors for the samples",
                    f"{of.samples_per_second * engine.cpu_seconds_per_million_samples / 1e6:.2f}",
                    "without queries and rules",
                ),
            ],
        )
    yield (
        "one tenant of Mimir, by its default limits",
        [
            ("series", f"{of.series:,}", _of(of.series, MIMIR_SERIES)),
            (
                "samples a second",
                f"{of.samples_per_second:,.0f}",
                _of(of.samples_per_second, MIMIR_SAMPLES_PER_SECOND),
            ),
        ],
    )
    yield (
        "rules",
        [
            (
                f"evaluated in {known.rules.interval_seconds} s",
                f"{of.rule_seconds:.2f} s",
                f"{of.rule_share:.1%} of the interval",
            )
        ],
    )
    yield (
        "rollups (JSON metrics)",
        [
            ("rows written a day", f"{of.rollup_rows_per_day:,.0f}", f"{of.writers:,} writers"),
            ("bytes of them a day", _bytes(of.rollup_bytes_per_day), "before the database packs"),
            ("bytes kept", _bytes(of.rollup_bytes_kept), "by the retention of each resolution"),
        ],
    )
    yield "log lines", list(_logs(of))
    yield (
        "orchestrators and their database",
        [
            ("SMS at once", f"{of.sms_at_once:,.0f}", ""),
            ("processors, orchestrators", f"{of.service_cores:,.1f}", ""),
            ("processors, PostgreSQL", f"{of.database_cores:,.1f}", "at most, with rollups"),
            (
                "write-ahead log a day",
                _bytes(of.database_log_bytes_per_day),
                "at most, with rollups as packed",
            ),
            (
                "stored a day",
                _bytes(of.database_bytes_per_day),
                "until texts are erased; without rollups",
            ),
            ("connections of PostgreSQL", f"{of.database_connections:,}", "at most"),
        ],
    )


def _of(used: float, limit: int) -> str:
    return f"of {limit:,}" + (f"  {_EXCEEDED}: raise the limit" if used > limit else "")


def _logs(of: Estimate) -> Iterator[Row]:
    logs = constants.measured().logs
    for name, count, weight in _volumes(of):
        yield (
            f"{name}, a day",
            f"{count / 1e6:,.1f} M",
            f"{_bytes(weight)}; {_bytes(weight * logs.gzip)} in rotated files, "
            f"{_bytes(weight * logs.victoria_logs)} in VictoriaLogs",
        )
    yield "as set, an SMS", f"{of.lines_per_sms:.1f}", _bytes(of.log_bytes_per_sms)


def _volumes(of: Estimate) -> Iterator[tuple[str, float, float]]:
    """Lines and bytes a day."""
    yield "every line", *unsampled(of.size)
    yield "as set", of.lines_per_day, of.log_bytes_per_day
    tenth = _tenth(of)
    yield f"info lines of {SAMPLED:.0%} of SMS", tenth.lines_per_day, tenth.log_bytes_per_day


def _an_instance() -> str:
    return f"{series.usual():,} an instance; the catalogue allows {series.at_most():,}"


def _by_interval(of: Estimate) -> str:
    return ", ".join(f"{count:,} every {every} s" for every, count in of.records.items())


def table(sizes: Sequence[Size] = SIZES) -> str:
    """Several sizes beside each other, as Markdown."""
    every = [Estimate(size) for size in sizes]
    head = [f"{e.size.sms_per_second:,g} SMS/s, {e.size.instances:,}" for e in every]
    rows = [["SMS/s, instances", *head], ["---"] * (len(every) + 1)]
    rows += [[name, *map(value, every)] for name, value in _COLUMNS]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


EXAMPLE = Size(1000, 40)
"""The size whose limits docs/scaling.md shows."""


def limits_table(size: Size = EXAMPLE) -> str:
    """Where it breaks first, and what then, as Markdown."""
    rows = [["limit", "use", "", "what then"], ["---"] * 4]
    rows += [
        [limit.name, f"{limit.used:,.0%}", limit.says, limit.then]
        for limit in limits(Estimate(size), Machine())
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def logs_table(size: Size = EXAMPLE) -> str:
    """What is logged in a day, and how small it becomes, as Markdown."""
    head = ["a day", "lines", "", "rotated files", "VictoriaLogs"]
    rows = [head, ["---"] * len(head)]
    logs = constants.measured().logs
    for name, count, weight in _volumes(Estimate(size)):
        packed = (_bytes(weight * logs.gzip), _bytes(weight * logs.victoria_logs))
        rows.append([name, f"{count / 1e6:,.0f} M", _bytes(weight), *packed])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _first_limit(of: Estimate) -> str:
    first: Limit = limits(of, Machine())[0]
    return f"{first.name}: {first.used:,.0%}"


def _tenth(of: Estimate) -> Estimate:
    return Estimate(replace(of.size, keep_info=SAMPLED))


_COLUMNS: tuple[tuple[str, Callable[[Estimate], str]], ...] = (
    ("series in use", lambda of: f"{of.series:,}"),
    ("samples a second", lambda of: f"{of.samples_per_second:,.0f}"),
    (
        "Prometheus: memory",
        lambda of: _bytes(of.memory(constants.measured().engines.prometheus)),
    ),
    (
        "Prometheus: disk a day",
        lambda of: _bytes(of.bytes_per_day(constants.measured().engines.prometheus)),
    ),
    (
        "VictoriaMetrics: memory",
        lambda of: _bytes(of.memory(constants.measured().engines.victoria_metrics)),
    ),
    (
        "VictoriaMetrics: disk a day",
        lambda of: _bytes(of.bytes_per_day(constants.measured().engines.victoria_metrics)),
    ),
    ("rules, of the interval", lambda of: f"{of.rule_share:.1%}"),
    ("rollup rows a day", lambda of: f"{of.rollup_rows_per_day:,.0f}"),
    ("rollup bytes kept", lambda of: _bytes(of.rollup_bytes_kept)),
    ("log lines a day", lambda of: f"{of.lines_per_day / 1e6:,.1f} M"),
    ("log bytes a day", lambda of: _bytes(of.log_bytes_per_day)),
    ("log bytes a day, info lines of a tenth", lambda of: _bytes(_tenth(of).log_bytes_per_day)),
    ("processors: orchestrators", lambda of: f"{of.service_cores:,.1f}"),
    ("processors: PostgreSQL", lambda of: f"{of.database_cores:,.1f}"),
    ("breaks first", _first_limit),
)


def _made() -> Iterator[str]:
    known = constants.measured()
    parts = (known.service, known.rules, known.rollups, known.engines, known.logs)
    names = " ".join(part.command.split()[-1] for part in parts)
    oldest = min(part.date for part in parts)
    yield f"constants: python -m tests.capacity {names}; the oldest is of {oldest}"


def _bytes(size: float) -> str:
    """In units of a thousand, to three digits."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB" if size < 1000 else f"{size:,.0f} TB"
