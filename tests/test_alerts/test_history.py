"""Five weeks that are known, on a real Prometheus: what goes wrong in them is found, and only that.

Rhythm, growth, a holiday and three incidents; the records that their alerts read are backfilled,
and the alerts replayed over the last ten days.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.rules import rule_files
from app.core import catalogue
from app.core.config import Settings
from prometheus_tools import blocks
from prometheus_tools.api import PrometheusAPI
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.replay import Fired, Replay
from prometheus_tools.rulebook import Rulebook, rulebook, series_names
from prometheus_tools.scratch import scratch
from simulator.history.openmetrics import write
from simulator.history.past import Incident, IncidentKind, Past, five_weeks
from tests.length import only_long

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
_END = int(END.timestamp())
WEEK = timedelta(weeks=1)
EVERY = 300
"""Seconds between evaluations, where a group doesn't say its own."""
READ = frozenset({catalogue.SMS_RECEIVED, catalogue.APPROVALS, catalogue.SMS_PROCESSING_DURATION})
"""What their alerts are made of."""
REPLAYED = timedelta(days=10)
RESOLVED_WITHIN = timedelta(hours=6)
"""How long after an incident an alert over six hours may go on."""

FOUND_BY = {
    IncidentKind.VOLUME: ("SMSMissing", timedelta(minutes=90)),
    IncidentKind.APPROVAL: ("ApprovalRateLow", timedelta(minutes=240)),
    IncidentKind.LATENCY: ("SMSLatencyBudgetBurn", timedelta(minutes=30)),
}
"""By kind of incident its alert, and how soon that has to fire."""
ALERTS = sorted(alert for alert, _ in FOUND_BY.values())

# What the harness is tried with as well: thresholds so wide that rhythm can't reach them.
ABSOLUTE = f"""\
groups:
  - name: absolute
    interval: 5m
    rules:
      - record: job:sms:rate1h
        expr: sum by (job) (rate({catalogue.SMS_RECEIVED.name}[1h]))
      - record: job:sms:of_a_week_ago
        expr: job:sms:rate1h / (job:sms:rate1h offset 1w > 0)
      - alert: SMSHalved
        expr: job:sms:of_a_week_ago < 0.6
        for: 15m
"""


@dataclass(frozen=True, slots=True)
class FiveWeeks:
    """A past with its incidents, and a Prometheus that knows it and the records of ``rules``."""

    past: Past
    rules: Rulebook
    url: str

    def fired(self, *names: str) -> list[Fired]:
        """When the alerts called so fired in the last ten days."""
        start = _END - int(REPLAYED.total_seconds())
        with PrometheusAPI(self.url) as prometheus:
            replayed = Replay(prometheus, start, _END, self.rules).run(self.rules, names)
        assert replayed.untold == {}
        return replayed.fired


def known(folder: Path, past: Past) -> Iterator[FiveWeeks]:
    """``past`` in Prometheus, with what the alerts read."""
    settings = Settings()
    texts = [*rule_files(settings.thresholds, settings.links).values(), ABSOLUTE]
    rules = rulebook(texts, default_interval=EVERY)
    names = {*ALERTS, "SMSHalved"}
    read = {n for rule in rules.alerts if rule.name in names for n in series_names(rule.expr)}
    with (folder / "history.om").open("w", encoding="utf-8") as output:
        write(past, output, READ)
    data = folder / "data"
    blocks.create(folder / "history.om", data)
    (folder / "history.om").unlink()
    stretch = Stretch(int(past.start.timestamp()), _END, EVERY, origin=_END)
    backfill(rules, read & rules.records.keys(), data, [stretch])
    with scratch(data) as url:
        yield FiveWeeks(past, rules, url)


@pytest.fixture(scope="module")
def five_weeks_known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FiveWeeks]:
    """The past as the stack makes it up."""
    yield from known(tmp_path_factory.mktemp("five-weeks"), replace(five_weeks(END), seed=5))


def _incident(past: Past, kind: IncidentKind) -> Incident:
    (found,) = (incident for incident in past.incidents if incident.kind is kind)
    return found


def _is_within(fired: Fired, incident: Incident) -> bool:
    begins = incident.start.timestamp() <= fired.start <= incident.end.timestamp()
    return begins and fired.end <= (incident.end + RESOLVED_WITHIN).timestamp()


def test_a_halved_volume_is_found_and_nothing_else(five_weeks_known: FiveWeeks) -> None:
    incident = _incident(five_weeks_known.past, IncidentKind.VOLUME)
    (fired,) = five_weeks_known.fired("SMSHalved")
    assert _is_within(fired, incident), fired
    assert 0.35 < fired.peak < 0.55


def check(weeks: FiveWeeks) -> None:
    """Each incident is found in time, and nothing else."""
    unexpected = []
    late = {kind: alert for kind, (alert, _) in FOUND_BY.items()}
    for fired in weeks.fired(*ALERTS):
        kind = next(k for k, (name, _) in FOUND_BY.items() if name == fired.alert)
        incident, within = _incident(weeks.past, kind), FOUND_BY[kind][1]
        if not _is_within(fired, incident):
            unexpected.append(fired)
        elif fired.start <= (incident.start + within).timestamp():
            late.pop(kind, None)
    assert not unexpected
    assert not late


def test_the_three_incidents_are_found_and_nothing_else(five_weeks_known: FiveWeeks) -> None:
    check(five_weeks_known)


@only_long
@pytest.mark.parametrize("later", range(1, 7))
def test_they_are_found_on_each_weekday(later: int, tmp_path: Path) -> None:
    """All three ``later`` by so many days, where they lie in the ten days that are replayed."""
    past = replace(five_weeks(END), seed=5)
    moved = tuple(
        replace(each, start=each.start + timedelta(days=later)) for each in past.incidents
    )
    back = tuple(
        each if each.end <= END - timedelta(hours=12) else replace(each, start=each.start - WEEK)
        for each in moved
    )
    for weeks in known(tmp_path, replace(past, incidents=back)):
        check(weeks)
