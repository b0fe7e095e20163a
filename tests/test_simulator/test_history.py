"""The synthetic past: consistent, as rhythmic as it says, the same each time, and readable."""

import io
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from app.core import catalogue
from app.core.catalogue import ApprovalAction, Kind, Metric, Route
from app.core.synthetic_history import SYNTHETIC_HISTORY
from simulator.history.openmetrics import Detail, Sampling, long_range, write
from simulator.history.past import Incident, IncidentKind, Past, five_weeks
from simulator.history.series import KNOWN, UP, all_series
from simulator.history.workload import Workload
from tests.not_empty import not_empty
from tests.project import python_m

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
FIVE_WEEKS = five_weeks(END, seed=1, step=STEP)


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Workload(FIVE_WEEKS)


def between(workload: Workload, start: datetime, end: datetime) -> np.ndarray:
    return (workload.times >= start.timestamp()) & (workload.times < end.timestamp())


def text_of(past: Past, detail: Detail) -> str:
    output = io.StringIO()
    write(past, output, detail)
    return output.getvalue()


def test_five_weeks_end_when_they_should(workload: Workload) -> None:
    assert workload.times[-1] == END.timestamp()
    assert workload.times[0] == (END - timedelta(days=35)).timestamp()
    assert set(np.diff(workload.times)) == {300}


def test_there_is_more_in_the_evening_less_at_weekends_and_more_each_week(
    workload: Workload,
) -> None:
    def sms(start: datetime, hours: int) -> int:
        return int(
            workload.received[between(workload, start, start + timedelta(hours=hours))].sum()
        )

    monday = datetime(2026, 11, 9, tzinfo=UTC)
    assert sms(monday + timedelta(hours=18), 2) > 2.5 * sms(monday + timedelta(hours=2), 2)
    assert sms(monday + timedelta(days=5), 24) < 0.75 * sms(monday, 24)
    weeks = [sms(datetime(2026, 10, 26, tzinfo=UTC) + timedelta(weeks=n), 48) for n in range(4)]
    assert [b / a for a, b in pairwise(weeks)] == pytest.approx([1.03] * 3, 0.03)


def test_a_holiday_is_quieter_than_a_sunday(workload: Workload) -> None:
    (holiday,) = FIVE_WEEKS.holidays
    assert holiday.weekday() < 5
    assert timedelta(days=14) < END.date() - holiday < timedelta(days=21)
    start = datetime(holiday.year, holiday.month, holiday.day, tzinfo=UTC)
    sunday = start + timedelta(days=6 - start.weekday())
    day = timedelta(days=1)
    quiet = workload.received[between(workload, start, start + day)].sum()
    assert quiet < 0.9 * workload.received[between(workload, sunday, sunday + day)].sum()


def test_the_incidents_are_where_they_are_planted(workload: Workload) -> None:
    def during(incident: Incident) -> np.ndarray:
        assert timedelta(0) < END - incident.start < timedelta(days=7)
        assert incident.start.weekday() < 5
        return between(workload, incident.start, incident.end)

    def week_before(incident: Incident) -> np.ndarray:
        week = timedelta(weeks=1)
        return between(workload, incident.start - week, incident.end - week)

    volume, approval, latency = FIVE_WEEKS.incidents
    assert len({incident.start.date() for incident in FIVE_WEEKS.incidents}) == 3
    received = workload.received
    fell = received[during(volume)].sum() / received[week_before(volume)].sum()
    assert fell == pytest.approx(0.4 * 1.03, 0.1)
    approved = workload.decisions[ApprovalAction.APPROVE]
    of = workload.decided
    assert approved[during(approval)].sum() < 0.3 * of[during(approval)].sum()
    assert approved[week_before(approval)].sum() > 0.7 * of[week_before(approval)].sum()
    assert set(workload.slowness[during(latency)]) == {3.0}
    assert set(workload.slowness[~during(latency)]) == {1.0}


def test_what_comes_in_ends_somewhere(workload: Workload) -> None:
    routed = workload.routed
    assert (sum(routed.values()) == workload.received).all()
    assert (workload.confidences.sum(1) == workload.answered).all()
    assert all((counts >= 0).all() for counts in not_empty(routed.values()))
    assert (sum(workload.decisions.values()) == workload.decided).all()
    assert (workload.waiting >= 0).all()
    assert workload.waiting[-1] < 1000
    shares = [routed[route].sum() / workload.received.sum() for route in Route]
    assert shares == pytest.approx([0.587, 0.256, 0.156, 0.0008], rel=0.1)
    opened, resolved = sum(workload.escalated.values()), sum(workload.resolved.values())
    assert (np.cumsum(opened - resolved) >= 0).all()


def test_counters_only_grow_but_for_restarts_and_histograms_add_up(workload: Workload) -> None:
    totals: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
    for metric, series in not_empty(all_series(workload, KNOWN)):
        assert len(series.values) == len(workload.times), series.name
        if metric.kind is Kind.GAUGE:
            continue
        fell = np.flatnonzero(np.diff(series.values) < 0) + 1
        assert set(fell) <= set(workload.restarts), (series.name, series.labels)
        labels = (f"{k}={v}" for k, v in series.labels.items() if k != "le")
        totals.setdefault((metric.name, *labels), {})[series.labels.get("le", series.name)] = (
            series.values
        )
    received = totals[(catalogue.SMS_RECEIVED.name,)][catalogue.SMS_RECEIVED.name]
    assert set(np.flatnonzero(np.diff(received) < 0) + 1) == set(workload.restarts)
    histograms = {metric.name: metric for metric in KNOWN if metric.kind is Kind.HISTOGRAM}
    assert {key[0] for key in totals} >= histograms.keys()
    for key, parts in not_empty((key, of) for key, of in totals.items() if key[0] in histograms):
        metric = histograms[key[0]]
        assert (parts["+Inf"] == parts[metric.count]).all()
        bounds = [parts[str(float(bound))] for bound in metric.buckets]
        assert all((a <= b).all() for a, b in not_empty(pairwise(bounds)))
        assert (parts[metric.sum] >= 0).all()


def test_labels_are_those_of_the_catalogue(workload: Workload) -> None:
    for metric, series in not_empty(all_series(workload, KNOWN)):
        labels = dict(series.labels)
        if series.name == metric.bucket:
            labels.pop("le")
        assert tuple(labels) == metric.label_names, series.name
        invented = {
            name: value
            for name, value in labels.items()
            if (allowed := metric.label(name).values) is not None and value not in allowed
        }
        assert invented == {}, series.name
    assert KNOWN - {UP, SYNTHETIC_HISTORY} <= set(catalogue.metrics())


def test_slow_processing_is_seen_in_the_durations(workload: Workload) -> None:
    latency = FIVE_WEEKS.incidents[2]
    metric = catalogue.SMS_PROCESSING_DURATION
    series = {
        # A restart costs what was counted within its step.
        s.labels.get("le", s.name): np.diff(s.values, prepend=0).clip(min=0)
        for _, s in all_series(workload, frozenset({metric}))
        if s.labels["route"] == Route.AUTO_SENT
    }
    slow = between(workload, latency.start, latency.end)
    for when, share in ((slow, 0.15), (~slow, 0.99)):
        within = series["2.0"][when].sum() / series[metric.count][when].sum()
        assert within == pytest.approx(share, abs=0.05)
    means = [series[metric.sum][w].sum() / series[metric.count][w].sum() for w in (slow, ~slow)]
    assert means[0] / means[1] == pytest.approx(3, 0.02)


HOUR = Past(END, duration=timedelta(hours=1), step=timedelta(seconds=30), seed=3)


def test_it_is_openmetrics() -> None:
    # Of one moment: the parser wants the samples of a histogram in the order of time, promtool not.
    moment = Past(END + timedelta(seconds=10), duration=HOUR.step, step=HOUR.step)
    assert list(moment.timestamps()) == [END.timestamp()]
    families = list(text_string_to_metric_families(text_of(moment, Detail())))
    names = {f"{f.name}_total" if f.type == "counter" else f.name for f in families}
    # These are there from the first failure on.
    failures = {catalogue.OPERATION_ERRORS.name, catalogue.OPERATION_RETRIES.name}
    assert names | failures == {metric.name for metric in KNOWN}
    labels = {(s.labels["job"], s.labels["instance"]) for f in families for s in f.samples}
    assert labels == {("orchestrator", "127.0.0.1:8000")}


def test_the_same_seed_gives_the_same_past_whatever_is_left_out() -> None:
    chosen: dict[Metric, int] = {catalogue.APPROVALS: 1, catalogue.AI_CONFIDENCE: 1}
    few = Detail.of_all_time(chosen)
    everything = Detail(older={})
    assert text_of(HOUR, everything) == text_of(HOUR, everything)
    other = Past(END, duration=HOUR.duration, step=HOUR.step, seed=4)
    assert text_of(HOUR, few) != text_of(other, few)
    lines = set(text_of(HOUR, everything).splitlines())
    assert set(text_of(HOUR, few).splitlines()) <= lines


def test_older_samples_are_fewer_but_the_same() -> None:
    detail = Detail(
        metrics=frozenset({catalogue.SMS_RECEIVED, catalogue.APPROVALS}),
        recent=timedelta(minutes=10),
        older={catalogue.SMS_RECEIVED.name: Sampling(4)},
    )
    lines = text_of(HOUR, detail).splitlines()
    sms = [line for line in lines if line.startswith(catalogue.SMS_RECEIVED.name)]
    approvals = [line for line in lines if line.startswith(catalogue.APPROVALS.name)]
    assert len(approvals) == 3 * 20
    assert len(sms) == 20 + 50 * 60 // 120 + 1
    whole = text_of(HOUR, Detail.of_all_time({catalogue.SMS_RECEIVED: 1})).splitlines()
    assert set(sms) <= set(whole)


def test_a_rate_over_weeks_has_two_samples_wherever_it_is_looked_at() -> None:
    sampling = long_range(HOUR.step)[catalogue.SMS_RECEIVED.name]
    back = np.flatnonzero(sampling.keeps(1000)[::-1]) * HOUR.step_seconds
    for looked_at in range(0, 27_000, 300):
        for seconds in (60, 300):
            within = back[(back >= looked_at) & (back < looked_at + seconds)] - looked_at
            assert within.min() == 0
            # Prometheus extends a rate to the beginning of its range, where no more is missing
            # than lies between two samples.
            mean = within.max() / (len(within) - 1)
            assert seconds - within.max() <= mean


@pytest.mark.parametrize("step", [15, 60, 300])
def test_weeks_in_other_steps_are_looked_at_every_five_minutes_too(step: int) -> None:
    for sampling in not_empty(long_range(timedelta(seconds=step)).values()):
        back = np.flatnonzero(sampling.keeps(1000)[::-1]) * step
        assert set(range(0, int(back.max()), 300)) <= set(back.tolist())


def test_a_metric_without_a_past_is_named() -> None:
    unknown = frozenset({catalogue.LABEL_OVERFLOWS})
    with pytest.raises(ValueError, match=catalogue.LABEL_OVERFLOWS.name):
        text_of(HOUR, Detail(metrics=unknown))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": timedelta(0)}, "whole seconds"),
        ({"step": timedelta(seconds=1.5)}, "whole seconds"),
        ({"duration": timedelta(0)}, "step"),
        ({"messages_per_minute": -1.0}, "negative"),
        ({"weekly_growth": -1.0}, "above -1"),
    ],
)
def test_an_impossible_past_is_refused(change: dict[str, timedelta], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Past(END, **change)  # type: ignore[arg-type]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return python_m("simulator", "history", *arguments)


def test_the_command_writes_one_metric_and_says_what_went_wrong(tmp_path: Path) -> None:
    file = tmp_path / "history.om"
    name = catalogue.SMS_RECEIVED.name
    done = run(
        *("--output", str(file), "--end", "2026-11-24T12:00Z", "--step", "5m", "--metric", name)
    )
    assert done.returncode == 0, done.stderr
    assert len(file.read_text().splitlines()) == 35 * 288 + 1 + 3
    for kind in IncidentKind:
        assert f"{kind} x" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "orchestrator_sms_recieved_total"), "did you mean orchestrator_sms_received"),
        (("--end", "now"), "no time"),
        (("--step", "fast"), "no duration"),
        (("--step", "0s"), "whole seconds"),
        (("--output", "/nowhere/at/all"), "No such file"),
    ],
)
def test_bad_arguments_are_explained(arguments: tuple[str, ...], message: str) -> None:
    done = run(*arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_fits() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert "create-blocks-from" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
