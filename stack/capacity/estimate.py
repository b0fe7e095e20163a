"""What a size needs: each figure is a formula over the catalogue and measured constants."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from alerts.prometheus_config import scrape_seconds
from app.core.config import DEFAULT_CONNECTIONS, LogSettings, RollupSettings
from app.core.thresholds import Thresholds
from app.services.rollups import RESOLUTIONS
from app.services.rollups.rollups import retentions
from asgi_observability.levels import level_number
from asgi_observability.log_sampling import Sampling
from stack.capacity import constants, series
from stack.capacity.constants import Constants, EngineCost, Lines
from stack.capacity.size import Size

DAY = 86400
ABOUT_A_TARGET = 5
"""Series that Prometheus makes of each target, such as ``up``."""


@dataclass(frozen=True)
class Estimate:
    """Of one size."""

    size: Size

    @property
    def _known(self) -> Constants:
        return constants.measured()

    # --- series and samples ---

    @property
    def exposed(self) -> int:
        """Series of all instances."""
        return self.size.instances * series.usual()

    @property
    def of_machines(self) -> int:
        return self.size.instances * self._known.rules.scraped["node"]

    @property
    def about_targets(self) -> int:
        return ABOUT_A_TARGET * 2 * self.size.instances

    @cached_property
    def records(self) -> Mapping[int, int]:
        """Recorded series by the seconds between two samples; how they grow is measured."""
        sizes = self._known.rules.sizes
        return {
            every: round(_line([(at.instances, at.records.get(every, 0)) for at in sizes])(self._n))
            for every in sizes[-1].records
        }

    @property
    def series(self) -> int:
        """All that is in use at one time."""
        return self.scraped + sum(self.records.values())

    @property
    def scraped(self) -> int:
        """What targets expose, and what Prometheus makes of them."""
        return self.exposed + self.of_machines + self.about_monitoring

    @property
    def about_monitoring(self) -> int:
        """What Alertmanager exposes, and what Prometheus makes of each target."""
        return self.about_targets + self._known.rules.scraped["alertmanager"]

    @property
    def samples_per_second(self) -> float:
        recorded = sum(count / every for every, count in self.records.items())
        return self.scraped / scrape_seconds() + recorded

    @property
    def samples_per_day(self) -> float:
        return self.samples_per_second * DAY

    def bytes_per_day(self, engine: EngineCost) -> float:
        """On the disk of an engine."""
        return self.samples_per_day * engine.bytes_per_sample

    def bytes_kept(self, engine: EngineCost) -> float:
        """The same over the retention."""
        return self.bytes_per_day(engine) * self.size.retention_days

    def memory(self, engine: EngineCost) -> float:
        """Bytes that an engine needs for the series in use."""
        return self.series * engine.memory_bytes_per_series

    # --- rules ---

    @property
    def rule_seconds(self) -> float:
        """Seconds of evaluation in one interval, in one Prometheus."""
        return _line([(at.instances, at.seconds) for at in self._known.rules.sizes])(self._n)

    @property
    def rule_share(self) -> float:
        """The same as a share of the interval."""
        return self.rule_seconds / self._known.rules.interval_seconds

    # --- rollups ---

    @property
    def writers(self) -> int:
        return self.size.instances * self.size.workers

    @cached_property
    def rollup_rows_per_day(self) -> float:
        """Rows that are written: those of all workers, the consolidated ones, those of facts."""
        return sum(sum(each.values()) for each in self._rows_per_day.values())

    @property
    def rollup_bytes_per_day(self) -> float:
        return sum(
            rows * self._row_bytes(table, kind, resolution)
            for table, each in self._rows_per_day.items()
            for (kind, resolution), rows in each.items()
        )

    @property
    def rollup_bytes_kept(self) -> float:
        """What is there once the retention of each resolution and kind is over."""
        kept = retentions(RollupSettings())
        days = {
            (kind, resolution): float(getattr(kept[resolution], kind))
            for each in self._rows_per_day.values()
            for kind, resolution in each
        }
        return sum(
            rows * self._row_bytes(table, kind, resolution) * days[kind, resolution]
            for table, each in self._rows_per_day.items()
            for (kind, resolution), rows in each.items()
        )

    @cached_property
    def _rows_per_day(self) -> Mapping[str, Mapping[tuple[str, int], float]]:
        """By table, and by kind and resolution."""
        rollups = self._known.rollups
        consolidated = 1 if self.writers > 1 else 0
        return {
            "rollup_rows": {
                (kind, resolution): (self.writers + consolidated) * DAY / resolution
                for kind in rollups.row_bytes
                for resolution in RESOLUTIONS
            },
            "fact_rows": {
                (kind, resolution): DAY / resolution
                for kind in rollups.fact_row_bytes
                for resolution in RESOLUTIONS
            },
        }

    def _row_bytes(self, table: str, kind: str, resolution: int) -> float:
        rollups = self._known.rollups
        sizes = rollups.row_bytes if table == "rollup_rows" else rollups.fact_row_bytes
        return sizes[kind].get(resolution, 0.0)

    # --- logs ---

    @property
    def lines_per_sms(self) -> float:
        return sum(each.lines_per_sms * self._kept(each) for each in self._known.service.lines)

    @property
    def log_bytes_per_sms(self) -> float:
        return sum(
            each.lines_per_sms * each.bytes_per_line * self._kept(each)
            for each in self._known.service.lines
        )

    @property
    def lines_per_day(self) -> float:
        return self.lines_per_sms * self.size.sms_per_day

    @property
    def log_bytes_per_day(self) -> float:
        return self.log_bytes_per_sms * self.size.sms_per_day

    def _kept(self, lines: Lines) -> float:
        """The share of such lines that is written, by the service's own rule."""
        sampling = Sampling(info=self.size.keep_info, events=LogSettings().sample_events)
        return sampling.rate(lines.event, level_number(lines.level), lines.sampled_by)

    # --- the service ---

    @property
    def sms_at_once(self) -> float:
        """SMS under way at one time if each takes as long as is promised (Little's law)."""
        return self.size.sms_per_second * Thresholds().sms_latency_seconds

    @property
    def service_cores(self) -> float:
        """Processors that all workers keep busy."""
        return self.size.sms_per_second * self._known.service.cpu_seconds_per_sms

    @property
    def _database_work(self) -> float:
        """SMS/s that would keep the database as busy, at most.

        What was measured has an SMS and the rollups of one worker in it. A worker writes its
        rollups however few SMS it has: with fewer than the measured one it counts as that one.
        """
        of_rollups = self.writers * self._known.service.sms_per_second
        return max(self.size.sms_per_second, of_rollups)

    @property
    def database_cores(self) -> float:
        """Processors that the database keeps busy, rollups of all workers included."""
        return self._database_work * self._known.service.database.cpu_seconds_per_sms

    @property
    def database_log_bytes_per_day(self) -> float:
        """Rollups of all workers included."""
        return self._database_work * DAY * self._known.service.database.log_bytes_per_sms

    @property
    def database_connections(self) -> int:
        """Connections that all workers may open, for business tables and rollups."""
        return self.writers * DEFAULT_CONNECTIONS

    @property
    def database_bytes_kept(self) -> float:
        """Of the business tables as long as samples are kept, and of the rollups."""
        stored = self.database_bytes_per_day * self.size.retention_days
        return stored + self.rollup_bytes_kept

    @property
    def database_bytes_per_day(self) -> float:
        """Of the business tables."""
        return self.size.sms_per_day * self._known.service.database.stored_bytes_per_sms

    @property
    def _n(self) -> int:
        return self.size.instances


def unsampled(size: Size) -> tuple[float, float]:
    """Lines and bytes a day if every line were kept."""
    lines = constants.measured().service.lines
    count = sum(each.lines_per_sms for each in lines)
    weight = sum(each.lines_per_sms * each.bytes_per_line for each in lines)
    return count * size.sms_per_day, weight * size.sms_per_day


def _line(points: Sequence[tuple[int, float]]) -> Callable[[int], float]:
    """The straight line from the smallest size that was measured to the largest."""
    (least, lowest), (most, highest) = points[0], points[-1]
    slope = (highest - lowest) / (most - least)
    return lambda instances: max(0.0, lowest + slope * (instances - least))
